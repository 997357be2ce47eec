"""Reports on their way: written down before they are sent, struck off when they are acknowledged."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from service.client.durable import append_lines, cut, replace_file
from service.client.errors import ClientError
from service.client.lock import FileLock

DEFAULT_NAME = "isthmus-queue.jsonl"


@dataclasses.dataclass(frozen=True)
class Entry:
    """A report that waits, by its number in the file."""

    number: int
    body: Mapping[str, Any]


class Outbox:
    """A durable queue in one file, in memory where `path` is None.

    Lines are `{"n": number, "report": {...}}` and `{"done": number}`, each synced to disk; the file is emptied when
    all are done. A line cut off by a kill was never acknowledged to anybody and is dropped. Beside it lie
    `*.state` (the allocation and the last mixture it gave), `*.refused` (what the service will never take, with its
    reason) and `*.lock`.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self.path = None if path is None else _file(path)
        self._waiting: dict[int, Entry] = {}
        self._next = 1
        self.state: dict[str, Any] = {}
        self.refused: list[dict[str, Any]] = []
        self._lock: FileLock | None = None
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self._beside(".lock"))
            self._read()

    def __len__(self) -> int:
        return len(self._waiting)

    def waiting(self) -> list[Entry]:
        """In the order in which they were added."""
        return list(self._waiting.values())

    def add(self, bodies: Sequence[Mapping[str, Any]]) -> list[Entry]:
        """Durable when it returns. A report that already waits is not added again."""
        entries, fresh = [], []
        for body in bodies:
            entry = next((known for known in self._waiting.values() if known.body == body), None)
            if entry is None:
                entry = Entry(self._next, dict(body))
                self._next += 1
                fresh.append(entry)
            entries.append(entry)
        self._append([{"n": entry.number, "report": entry.body} for entry in fresh])
        self._waiting.update({entry.number: entry for entry in fresh})
        return entries

    def done(self, entry: Entry) -> None:
        """The service acknowledged it."""
        if len(self._waiting) == 1 and entry.number in self._waiting:
            self._empty()
        else:
            self._append([{"done": entry.number}])
        self._waiting.pop(entry.number, None)

    def set_aside(self, entry: Entry, error: ClientError) -> None:
        """The service will never take it: keep it with the reason, out of the way of the others."""
        note = {"report": entry.body, "status": error.status, "reason": str(error), "problem": error.problem}
        self.refused.append(note)
        if self.path is not None:
            append_lines(self._beside(".refused"), [note])
        self.done(entry)

    def remember(self, **state: Any) -> None:
        """Keep what a restarted process needs to go on without the service; durable when it returns."""
        changed = {**self.state, **state}
        if changed != self.state and self.path is not None:
            replace_file(self._beside(".state"), json.dumps(changed, allow_nan=False))
        self.state = changed

    def close(self) -> None:
        if self._lock is not None:
            self._lock.release()

    # -- the file

    def _beside(self, ending: str) -> Path:
        assert self.path is not None
        return self.path.with_name(self.path.name + ending)

    def _append(self, lines: Sequence[Mapping[str, Any]]) -> None:
        if self.path is not None and lines:
            append_lines(self.path, lines)

    def _empty(self) -> None:
        if self.path is not None:
            cut(self.path, 0)

    def _read(self) -> None:
        assert self.path is not None
        state = self._beside(".state")
        self.state = json.loads(state.read_text()) if state.exists() else {}
        whole = 0
        for line in self.path.read_bytes().splitlines(keepends=True) if self.path.exists() else []:
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            self._take(line)
        if self.path.exists() and self.path.stat().st_size > whole:
            cut(self.path, whole)

    def _take(self, line: bytes) -> None:
        try:
            read = json.loads(line)
            number = int(read.get("n", read.get("done")))
            report = read.get("report")
        except (ValueError, TypeError, AttributeError):
            note = {
                "line": line.decode("utf-8", "replace").rstrip(),
                "reason": "this line of the queue is not readable",
            }
            append_lines(self._beside(".refused"), [note])
            self.refused.append(note)
            return
        self._next = max(self._next, number + 1)
        if isinstance(report, dict):
            self._waiting[number] = Entry(number, report)
        else:
            self._waiting.pop(number, None)


def _file(path: str | os.PathLike[str]) -> Path:
    given = Path(path)
    return given / DEFAULT_NAME if given.is_dir() or str(path).endswith(("/", os.sep)) else given
