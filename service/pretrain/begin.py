"""Which run this is, and all that has to be right before anything starts."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from service.config import BadConfig, Config, changed_keys, save_config
from service.config.load import protect
from service.journal import Journal
from service.pretrain.changed_data import changes
from service.pretrain.console import Console
from service.pretrain.kept import kept_config, read_manifest, settle_checkpoint
from service.pretrain.looking import look, settle, tell
from service.runs import RunFolder, locked, run_allocation
from trainers.loop import rate_plan
from trainers.loop.folder import CheckpointFolder
from trainers.volumes import PreparedData, prepare


@dataclasses.dataclass(frozen=True)
class Run:
    """One run that may start or go on: its folder, configuration, data and journal.

    `checkpoint` is the draw that it goes on from, None where it begins.
    """

    folder: RunFolder
    config: Config
    data: PreparedData
    journal: Journal
    checkpoint: int | None = None

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def allocation(self) -> str:
        """What the run is called in its store."""
        return run_allocation(self.config, self.name)

    @property
    def finished(self) -> bool:
        """Whether training has reached its budget."""
        known = self.allocation in self.journal.allocations()
        event = self.journal.last(self.allocation, ["finished"]) if known else None
        return event is not None and event.position >= self.config.budget


def settle_name(config: Config, console: Console) -> Config:
    """The run that `config` means: a new one, or the same one if it was begun and has not ended.

    A run that has ended is never touched: the new one gets the next free number. One whose driver was killed
    after training, before its report or its tracking was complete, has not ended.
    """
    path = config.runs_path / config.name
    if not (path / "config.yaml").is_file():
        return config
    before = kept_config(path / "config.yaml")
    if RunFolder(path).ended.is_file():
        number = next(
            n for n in range(2, 10**6) if not (config.runs_path / f"{config.name}-{n}" / "config.yaml").is_file()
        )
        console.line(f"run '{config.name}' is finished; this one is called '{config.name}-{number}'")
        experiment = config.tracking.model_copy(update={"experiment": config.experiment})
        return config.model_copy(update={"name": f"{config.name}-{number}", "tracking": experiment})
    for key in changed_keys(before, config):
        raise BadConfig(
            f"run '{config.name}' was begun with another {key}; go on with it by --resume {shlex.quote(str(path))}, "
            "or start another one with --set name=..."
        )
    console.line(f"run '{config.name}' was begun before and goes on")
    return config


def prepare_data(config: Config, console: Console) -> PreparedData:
    """Look at every volume, name each problem, and fill the cache where training may start."""
    verdict = look(config, console)
    tell(verdict, console)
    settle(config, verdict)
    data = prepare(
        config.data, seed=config.seed, eval_crops=config.eval_crops(), progress=console.progress, found=verdict.scan
    )
    console.status("")
    told = set(verdict.lines)
    for problem in data.problems:  # a file may have changed since it was looked at
        if problem.line(local=True) not in told:
            console.line(problem.line(local=True))
    for domain in data.domains.values():
        held = f"{len(domain.held_out)} held-out crops" + (" (a slab of the same volumes)" if domain.slab else "")
        console.line(f"domain '{domain.name}': {len(domain.train)} volumes, {domain.pool:,} distinct crops, {held}")
    return data


@contextmanager
def begun(config: Config, data: PreparedData, console: Console, *, from_start: bool = False) -> Iterator[Run]:
    """The run's folder and allocation, with its lock held; what is there from before is gone on with.

    `from_start` lets a run begin at draw 0 again of which no checkpoint is left. A run that is finished when the
    block ends well is marked as ended: report and tracking are done too.
    """
    folder = RunFolder(config.runs_path / config.name)
    with locked(folder):
        _write_manifest(folder, data)
        if not folder.config.is_file():
            save_config(config, folder.config)
        protect(folder.config)
        with Journal(folder.store(config)) as journal:
            allocation = run_allocation(config, folder.name)
            if allocation not in journal.allocations():
                _check_no_checkpoints(folder)
                spec = config.spec({name: domain.pool for name, domain in data.domains.items()}, _about(config, data))
                spec = dataclasses.replace(spec, lr_plan=rate_plan(config.train, config.budget))
                spec.build()
                name = None if config.project is None else folder.name
                journal.create(allocation, spec.to_dict(), project=config.project, name=name)
            run = Run(folder, config, data, journal)
            if not run.finished:
                position = settle_checkpoint(folder, journal, allocation, console, from_start=from_start)
                run = dataclasses.replace(run, checkpoint=position)
            yield run
            if run.finished:
                folder.ended.touch()


def _check_no_checkpoints(folder: RunFolder) -> None:
    """Checkpoints without their journal would go on with a policy that has forgotten everything."""
    if CheckpointFolder(folder.path / "checkpoints", keep=1).positions():
        raise BadConfig(
            f"run '{folder.name}' has checkpoints but its journal is gone; put the journal back, "
            "or start another run with --set name=..."
        )


def _about(config: Config, data: PreparedData) -> dict[str, Any]:
    return {"run": config.name, "data": data.digest, "seed": config.seed}


def _write_manifest(folder: RunFolder, data: PreparedData) -> None:
    """The data of a run are fixed when it begins: other volumes would make another stream."""
    body = data.to_dict()
    if folder.manifest.is_file():
        before = read_manifest(folder)
        if before["digest"] != data.digest:
            raise BadConfig(
                f"the data of run '{folder.name}' have changed since it began: {changes(before, body)} (digest "
                f"{before['digest'][:12]}, now {data.digest[:12]}); put the volumes back, or start another run with "
                "--set name=..."
            )
        return
    partial = Path(f"{folder.manifest}.partial")
    partial.write_text(json.dumps(body, indent=1))
    os.replace(partial, folder.manifest)
