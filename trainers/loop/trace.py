"""A line for every draw, for those who want to compare two runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from policies.records import MixtureSchedule

if TYPE_CHECKING:
    from trainers.stream.batch import Batch


class TraceWriter:
    """Appends to trace-<rank>.jsonl; a restart goes on in the same file and repeats the draws it repeats."""

    def __init__(self, run_dir: Path, rank: int, domains: Sequence[str]) -> None:
        self._domains = tuple(domains)
        path = run_dir / f"trace-{rank}.jsonl"
        torn = path.exists() and path.read_bytes()[-1:] not in (b"", b"\n")
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115  # open as long as the run
        if torn:
            self._file.write("\n")

    def add(self, parts: Iterable[Batch], schedule: MixtureSchedule) -> None:
        for part in parts:
            columns = (part.index, part.domain, part.item, part.crop, part.epoch, part.valid)
            for index, domain, item, crop, epoch, valid in zip(*(c.tolist() for c in columns), strict=True):
                stage = schedule.stage_at(index).position
                row = {"index": index, "domain": self._domains[domain], "item": item, "crop": crop, "epoch": epoch}
                self._file.write(json.dumps(row | {"stage": stage, "valid": valid}) + "\n")

    def flush(self) -> None:
        """Before a checkpoint: draws before it are not drawn again."""
        self._file.flush()

    def close(self) -> None:
        self._file.close()


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
