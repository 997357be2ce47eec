"""A line for every draw, for those who want to compare two runs."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from policies.records import MixtureSchedule

if TYPE_CHECKING:
    from trainers.stream.batch import Batch


log = logging.getLogger(__name__)

_LINES_AT_ONCE = 1000


class TraceWriter:
    """Appends to trace-<rank>.jsonl; a restart goes on in the same file and repeats the draws it repeats."""

    def __init__(self, run_dir: Path, rank: int, domains: Sequence[str]) -> None:
        self._domains = tuple(domains)
        self._path = run_dir / f"trace-{rank}.jsonl"
        torn = self._path.exists() and self._path.read_bytes()[-1:] not in (b"", b"\n")
        self._lines = ["\n"] if torn else []

    def add(self, parts: Iterable[Batch], schedule: MixtureSchedule) -> None:
        for part in parts:
            columns = (part.index, part.domain, part.item, part.crop, part.epoch, part.valid)
            for index, domain, item, crop, epoch, valid in zip(*(c.tolist() for c in columns), strict=True):
                stage = schedule.stage_at(index).position
                row = {"index": index, "domain": self._domains[domain], "item": item, "crop": crop, "epoch": epoch}
                self._lines.append(json.dumps(row | {"stage": stage, "valid": valid}) + "\n")
        if len(self._lines) > _LINES_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Also before each checkpoint, since draws before it are not drawn again.

        A full disk leaves a gap in the trace and is said once; training goes on.
        """
        try:
            with open(self._path, "a", encoding="utf-8") as file:
                file.writelines(self._lines)
        except OSError as error:
            log.warning("draws are missing from %s: %s", self._path.name, error.strerror)
        self._lines = []


def read_trace(run_dir: str | Path) -> dict[int, dict[str, Any]]:
    """Every draw by its index, from all ranks and restarts.

    Raises `ValueError` if a draw that was repeated after a restart was not the same draw.
    """
    draws: dict[int, dict[str, Any]] = {}
    for path in sorted(Path(run_dir).glob("trace-*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except ValueError:  # cut off when the process was killed
                continue
            if draws.setdefault(row["index"], row) != row:
                raise ValueError(f"draw {row['index']} was {draws[row['index']]} and is {row} in {path.name}")
    return draws
