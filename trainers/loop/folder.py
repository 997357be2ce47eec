"""Checkpoints on disk: a folder each, whole or not there at all.

A checkpoint is written under a hidden name, every file is synced, a manifest with the SHA-256 of each
is added, and only then does the folder get its name. What a crash leaves behind has no such name or
fails its manifest, and is never resumed from.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainers.faults import reach

MANIFEST = "manifest.json"
FORMAT = 1
PARTS = ("state.json", "model.pt", "ema.pt", "optimizer.pt")
"""What a checkpoint of a training run holds."""
_PREFIX = "draw-"
_HIDDEN = (".writing-", ".replaced-")

Writers = Mapping[str, Callable[[Path], None]]


class CheckpointFolder:
    """The checkpoints of one run. Written by one process (rank 0), read by all. `parts` have to be in each."""

    def __init__(self, folder: Path, keep: int, parts: Sequence[str] = ()) -> None:
        self.folder, self.keep, self.parts = folder, keep, parts

    def write(self, position: int, writers: Writers, score: float | None = None) -> Path:
        """Write the checkpoint at `position`; each writer makes one file. Returns its folder.

        `score` (smaller is better) decides which one is kept as the best. Raises `OSError` (a full
        disk, say) with the earlier checkpoints untouched and nothing half-written left.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sweep()
        final, hidden = self.path(position), self.folder / f"{_HIDDEN[0]}{position:012d}"
        try:
            hidden.mkdir()
            for name, write in writers.items():
                write(hidden / name)
            _write_manifest(hidden, position, score)
            reach("checkpoint.before_rename")
            self._move(hidden, final)
        except BaseException:
            shutil.rmtree(hidden, ignore_errors=True)
            raise
        reach("checkpoint.written")
        self._prune()
        return final

    def path(self, position: int) -> Path:
        return self.folder / f"{_PREFIX}{position:012d}"

    def positions(self) -> list[int]:
        """Of the checkpoints that carry their name, in order; they may still be damaged."""
        if not self.folder.is_dir():
            return []
        names = [p.name.removeprefix(_PREFIX) for p in self.folder.iterdir() if p.name.startswith(_PREFIX)]
        return sorted(int(name) for name in names if name.isascii() and name.isdigit())

    def newest(self) -> tuple[int | None, list[str]]:
        """Position of the newest intact checkpoint, and a sentence on each newer one that is damaged."""
        self._recover()
        damaged: list[str] = []
        for position in reversed(self.positions()):
            fault = find_fault(self.path(position), self.parts)
            if fault is None:
                return position, damaged
            damaged.append(f"checkpoint {self.path(position)} is damaged ({fault})")
        return None, damaged

    def newest_name(self) -> str | None:
        positions = self.positions()
        return str(self.path(positions[-1])) if positions else None

    def discard_after(self, position: int) -> None:
        """Remove checkpoints beyond `position`: damaged ones, or those of an attempt that was rewound."""
        for later in self.positions():
            if later > position:
                shutil.rmtree(self.path(later), ignore_errors=True)

    def _move(self, hidden: Path, final: Path) -> None:
        """Give the folder its name; one that has it already (written before a restart) makes way."""
        replaced = self.folder / f"{_HIDDEN[1]}{final.name}"
        if final.exists():
            os.rename(final, replaced)
        os.rename(hidden, final)
        sync(self.folder)
        shutil.rmtree(replaced, ignore_errors=True)

    def _recover(self) -> None:
        """A crash in the middle of `_move` left the old folder without its name: give it back."""
        for aside in self.folder.glob(f"{_HIDDEN[1]}{_PREFIX}*"):
            final = self.folder / aside.name.removeprefix(_HIDDEN[1])
            if not final.exists():
                os.rename(aside, final)

    def _sweep(self) -> None:
        """Remove what a crash left half-done."""
        for path in self.folder.iterdir():
            if path.name.startswith(_HIDDEN):
                shutil.rmtree(path, ignore_errors=True)

    def _prune(self) -> None:
        positions = self.positions()
        scores = {p: score for p in positions if (score := _score(self.path(p))) is not None}
        kept = set(positions[-self.keep :])
        if scores:
            kept.add(min(scores, key=lambda p: (scores[p], p)))
        for position in positions:
            if position not in kept:
                shutil.rmtree(self.path(position), ignore_errors=True)


def find_fault(checkpoint: Path, parts: Sequence[str] = ()) -> str | None:
    """What is wrong with a checkpoint, or None if every file, `parts` among them, is as its manifest says."""
    name = MANIFEST
    try:
        text = (checkpoint / MANIFEST).read_text()
        if not text.strip():
            return f"{MANIFEST} is empty"
        manifest = json.loads(text)
        if manifest["format"] != FORMAT:
            return f"{MANIFEST} has format {manifest['format']!r}; this version reads {FORMAT}"
        named = checkpoint.name.removeprefix(_PREFIX)
        if manifest.get("position") is not None and named.isdigit() and int(named) != manifest["position"]:
            return f"{MANIFEST} is of draw {manifest['position']}, so the folder has another's name"
        files = manifest["files"]
        if missing := [part for part in parts if part not in files]:
            return f"{MANIFEST} does not list {missing[0]}"
        for name, expected in files.items():
            if sha256_of(checkpoint / name) != expected:
                size = (checkpoint / name).stat().st_size
                return f"{name} does not match its SHA-256" if size else f"{name} is empty"
    except FileNotFoundError:
        return f"{name} is missing"
    except OSError as error:
        return f"{name} cannot be read: {error.strerror or type(error).__name__}"
    except KeyError as error:
        return f"{MANIFEST} has no {error}"
    except (ValueError, TypeError, AttributeError):
        return f"{MANIFEST} is not what was written"
    return None


def write_json(path: Path, body: Any) -> None:
    path.write_text(json.dumps(body, indent=1, allow_nan=False))


def sha256_of(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Make a file's content, or a folder's list of names, survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_manifest(folder: Path, position: int, score: float | None) -> None:
    files = sorted(folder.iterdir())
    for file in files:
        sync(file)
    digests = {file.name: sha256_of(file) for file in files}
    write_json(folder / MANIFEST, {"format": 1, "position": position, "score": score, "files": digests})
    sync(folder / MANIFEST)
    sync(folder)


def _score(checkpoint: Path) -> float | None:
    try:
        return json.loads((checkpoint / MANIFEST).read_text())["score"]  # type: ignore[no-any-return]
    except (OSError, ValueError, KeyError):
        return None
