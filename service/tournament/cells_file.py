"""Finished cells on disk: a line each, appended as they come, so that a tournament that was killed goes on."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from policies.tournament import CellResult
from service.tournament.errors import BadTournament

NAME, LOCK = "cells.jsonl", ".lock"


class CellsFile:
    """`cells.jsonl` in `folder`. Lines are `{"key": ..., "result": ...}`; a half-written last line is dropped."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.done: dict[str, CellResult] = dict(self._read())

    def add(self, cells: Iterable[tuple[str, CellResult]]) -> None:
        """Write cells to the end of the file and remember them."""
        new = list(cells)
        text = "".join(json.dumps({"key": key, "result": cell.to_dict()}) + "\n" for key, cell in new)
        with self.path.open("a", encoding="utf-8") as opened:
            opened.write(text)
        self.done.update(new)

    def _read(self) -> Iterator[tuple[str, CellResult]]:
        if not self.path.is_file():
            return
        whole = self.path.read_bytes()
        end = whole.rfind(b"\n") + 1
        if end < len(whole):  # killed while it wrote
            with self.path.open("r+b") as opened:
                opened.truncate(end)
        for number, line in enumerate(whole[:end].decode().splitlines(), 1):
            try:
                body = json.loads(line)
                yield body["key"], CellResult.from_dict(body["result"])
            except (ValueError, KeyError, TypeError):
                raise BadTournament(f"{self.path}, line {number} is no finished cell; take that line out") from None


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The folder, for one tournament at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BadTournament(
                f"another tournament is writing to {folder}; wait for it or give another --out"
            ) from None
        yield
