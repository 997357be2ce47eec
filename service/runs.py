"""The folder of a run: its parts, its name, and the lock that says a driver is at work on it."""

from __future__ import annotations

import dataclasses
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.config import BadConfig, Config
from service.config.load import whole_url
from service.journal.names import allocation_id
from service.urls import sqlite_url

_LOCK = ".lock"


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """Where a run keeps everything but the cache of volumes.

    ``config.yaml  manifest.json  journal.db  checkpoints/  report.html  progress.json  .ended``
    """

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def manifest(self) -> Path:
        return self.path / "manifest.json"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def ended(self) -> Path:
        """There once everything is done that a driver does for the run."""
        return self.path / ".ended"

    def store(self, config: Config) -> str:
        """URL of the journal: the configuration's, or a file in this folder."""
        return store_url(config.store) if config.store else sqlite_url(self.path / "journal.db")


def run_allocation(config: Config, name: str) -> str:
    """What the run called `name` is called in its store: its name, or in a project the id that the service knows."""
    return name if config.project is None else allocation_id(config.project, name)


def store_url(text: str) -> str:
    """A store's URL with environment variables in place; `BadConfig` where one is not set, or its password is not."""
    return whole_url(text, "store", "ISTHMUS_STORE", "URL of the store")


def find_run(run: str | Path, runs: Path | None = None) -> RunFolder:
    """An existing run by folder, or by name in `runs` or in ./runs; `BadConfig` if there is none."""
    places = [Path(run), *([] if runs is None else [runs / run]), Path("runs") / run]
    for place in places:
        if (place / "config.yaml").is_file():
            return RunFolder(place.resolve())
    raise BadConfig(f"there is no run at {', '.join(str(place) for place in places)}; give the folder of a run")


@contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """One driver per run: `BadConfig` while another holds it. The lock ends with the process, however it ends."""
    folder.path.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder.path / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadConfig(f"run '{folder.name}' is being trained by another process; wait for it or end it") from None
        yield
    finally:
        os.close(handle)


def is_locked(path: Path) -> bool:
    """Whether a driver is at work on the run in `path`."""
    try:
        handle = os.open(path / _LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
