"""What a run that goes on has kept: checkpoints and manifest, looked at before anything starts."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

from service.config import BadConfig, Config, load_config
from service.journal import Journal
from service.owner import Owner
from service.pretrain.console import Console
from service.runs import RunFolder
from trainers.loop.folder import PARTS, CheckpointFolder

ASIDE = "checkpoints-damaged"


def settle_checkpoint(
    folder: RunFolder, journal: Journal, allocation: str, console: Console, *, from_start: bool
) -> int | None:
    """The draw that the run goes on from, None where it begins at 0.

    Damaged checkpoints are named. Where none is left the run does not begin anew by itself: raises `BadConfig`,
    unless `from_start` says that it may. Then what is damaged is put aside and the journal rewound, so that
    decisions of the lost attempt stay on file and count no more.
    """
    checkpoints = CheckpointFolder(folder.path / "checkpoints", keep=1, parts=PARTS)
    if os.path.lexists(checkpoints.folder) and not checkpoints.folder.is_dir():
        raise BadConfig(f"{checkpoints.folder} is no folder, or a link that leads nowhere; put the folder back")
    position, damaged = checkpoints.newest()
    if position is not None:
        for sentence in damaged:
            console.line(f"{sentence}; the run goes on from the one at draw {position:,}")
        told = journal.last(allocation, ["checkpoint"])
        if told is not None and told.position > position and not damaged:
            console.line(
                f"the journal tells of a checkpoint at draw {told.position:,}, and {checkpoints.folder} does not hold "
                f"it; the run goes on from the one at draw {position:,}"
            )
        if from_start:
            raise BadConfig(
                f"run '{folder.name}' has a good checkpoint at draw {position:,} and goes on from it; leave "
                "--from-start out, or start another run with --set name=..."
            )
        return position
    lost = _lost(checkpoints, damaged, journal, allocation)
    if lost is None:
        return None
    if not from_start:
        raise BadConfig(
            f"run '{folder.name}' cannot go on: {lost}. Put a checkpoint back from a copy, or begin at draw 0 again "
            f"with: isthmus pretrain --resume {shlex.quote(str(folder.path))} --from-start"
        )
    _put_aside(checkpoints.folder, console)
    Owner(journal, allocation).rewind(0, f"begun anew by --from-start: {lost}")
    console.line(f"run '{folder.name}' begins at draw 0 again, as --from-start says: {lost}")
    return None


def _lost(checkpoints: CheckpointFolder, damaged: list[str], journal: Journal, allocation: str) -> str | None:
    """Why there is no checkpoint although there was one; None before the first."""
    if damaged:
        return "; ".join(damaged)
    event = journal.last(allocation, ["checkpoint"])
    if event is None:
        return None
    return f"its journal tells of a checkpoint at draw {event.position:,}, and {checkpoints.folder} holds none"


def _put_aside(checkpoints: Path, console: Console) -> None:
    if not checkpoints.is_dir():
        return
    number = next(n for n in range(1, 10**6) if not checkpoints.with_name(f"{ASIDE}-{n}").exists())
    aside = checkpoints.with_name(f"{ASIDE}-{number}")
    checkpoints.rename(aside)
    console.line(f"damaged checkpoints were put aside in {aside}")


def kept_config(file: Path) -> Config:
    """The configuration that a run has kept; `BadConfig` says that it is the kept one that is wrong."""
    try:
        return load_config(file, recorded=True)
    except BadConfig as error:
        raise BadConfig(f"the configuration that the run has kept, {file}, is damaged: {error}") from None


def read_manifest(folder: RunFolder) -> dict[str, Any]:
    """The manifest of the data that the run began with; `BadConfig` where it is damaged."""
    try:
        body = json.loads(folder.manifest.read_text())
        if not isinstance(body, dict) or not isinstance(body.get("digest"), str):
            raise ValueError("no digest")
        return body
    except (ValueError, OSError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or "it is empty, cut short or no JSON"
        raise BadConfig(
            f"{folder.manifest} is damaged ({why}): put it back from a copy, or remove it; the checkpoints know as "
            "well which data they were trained on, and refuse others"
        ) from None
