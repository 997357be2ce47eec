"""Reports on their way: written down before they are sent, struck off when they are acknowledged."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import errno
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from service.client.durable import append_lines, cut, replace_file
from service.client.errors import ClientError, QueueInUse, WrongSettings
from service.client.lock import FileLock
from service.client.notices import Notices

DEFAULT_NAME = "isthmus-queue.jsonl"
MOST_IN_MEMORY = 2_000  # reports that wait without a file; the newest hold all draws of the older ones
_FIRST_UNREAD = 10**9  # numbers of reports that came before the file could be read: above all in it
# A path that can never be a file; a full or read-only disk may get better.
_NEVER_A_FILE = (errno.ENOTDIR, errno.ENAMETOOLONG, errno.EISDIR, errno.ELOOP, errno.EINVAL, errno.EEXIST)


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

    A disk that fails stops nothing: what waits is kept in memory, a warning names the file, and with each change the
    file is tried again, as a whole. Raises `QueueInUse` for a file that somebody else has, and `WrongSettings` for a
    path that can be none.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self.path = None if path is None else _file(path)
        self._waiting: dict[int, Entry] = {}
        self._next = 1
        self.state: dict[str, Any] = {}
        self.refused: collections.deque[dict[str, Any]] = collections.deque(maxlen=MOST_IN_MEMORY)
        self._notes: list[dict[str, Any]] = []  # refused, and not yet in the file of those
        self._lock: FileLock | None = None
        self._on_disk = self._known = False  # the file holds what waits; it was read once
        self._lost = False  # the disk has failed, and was not written since
        self._notices = Notices()
        if self.path is not None:
            try:
                self._attach()
            except (OSError, ValueError) as error:
                if not isinstance(error, OSError) or error.errno in _NEVER_A_FILE:
                    raise WrongSettings(f"queue '{path}' can be no file: {_why(error)}; name another one") from error
                self._next = max(self._next, _FIRST_UNREAD)
                self._lose(error)

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def durable(self) -> bool:
        """What waits is on disk."""
        return self._on_disk

    def waiting(self) -> list[Entry]:
        """In the order in which they were added."""
        return list(self._waiting.values())

    def add(self, bodies: Sequence[Mapping[str, Any]]) -> list[Entry]:
        """Durable when it returns, where the disk works. A report that already waits is not added again."""
        entries, fresh = [], []
        for body in bodies:
            entry = next((known for known in self._waiting.values() if known.body == body), None)
            if entry is None:
                entry = Entry(self._next, dict(body))
                self._next += 1
                fresh.append(entry)
            entries.append(entry)
        before = len(self._waiting)
        self._waiting.update({entry.number: entry for entry in fresh})
        if fresh:
            self._disk(lambda: self._append([_line(entry) for entry in fresh], before))
        self._forget_oldest()
        return entries

    def done(self, entry: Entry) -> None:
        """The service acknowledged it."""
        before = len(self._waiting)
        if self._waiting.pop(entry.number, None) is None:
            return
        self._disk(lambda: self._append([{"done": entry.number}], before) if self._waiting else self._empty())

    def set_aside(self, entry: Entry, error: ClientError) -> None:
        """The service will never take it: keep it with the reason, out of the way of the others."""
        self._put_aside({"report": entry.body, "status": error.status, "reason": str(error), "problem": error.problem})
        self._disk(self._write_notes)
        self.done(entry)

    def remember(self, **state: Any) -> None:
        """Keep what a restarted process needs to go on without the service; durable when it returns."""
        changed = {**self.state, **state}
        if changed != self.state:
            self.state = changed
            self._disk(self._write_state)

    def close(self) -> None:
        if self._lock is not None:
            self._lock.release()

    # -- the disk, which may fail

    def _disk(self, write: Callable[[], None]) -> None:
        """Do it, or write everything anew where the disk failed before."""
        if self.path is None:
            return
        if self._on_disk:
            try:
                write()
                return
            except OSError as error:
                self._on_disk, first = False, error
        else:
            first = None
        try:
            self._attach()
        except (OSError, QueueInUse) as error:
            self._lose(error)
        else:
            if first is not None:
                self._notices.repeat("anew", f"the queue '{self.path}' failed ({_why(first)}) and was written anew")

    def _lose(self, error: Exception) -> None:
        self._on_disk, self._lost = False, True
        self._notices.repeat(
            "disk",
            f"the queue '{self.path}' cannot be written ({_why(error)}): reports are sent from memory, and those that "
            f"wait are lost if this process ends; make room or make it writable, it is tried again with each report",
        )

    def _attach(self) -> None:
        """Take the file, read it if nobody has, and have it hold what waits."""
        assert self.path is not None
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists() and not self.path.is_file():
            raise OSError(errno.EINVAL, "it is a device, or something else that holds no lines")
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        self._lock = FileLock(self._beside(".lock"))
        if not self._known:
            self._read()
        else:
            replace_file(self.path, "".join(json.dumps(_line(entry)) + "\n" for entry in self._waiting.values()))
        if self.state:
            self._write_state()
        self._write_notes()
        self._on_disk = True
        if self._lost:
            self._lost = False
            self._notices.works(f"the queue '{self.path}' is on disk again")

    def _append(self, lines: Sequence[Mapping[str, Any]], before: int) -> None:
        assert self.path is not None
        if before and not self.path.exists():
            raise FileNotFoundError(errno.ENOENT, "the file was deleted while reports waited in it")
        append_lines(self.path, lines)

    def _empty(self) -> None:
        assert self.path is not None
        cut(self.path, 0)

    def _write_state(self) -> None:
        replace_file(self._beside(".state"), json.dumps(self.state, allow_nan=False))

    def _write_notes(self) -> None:
        if self._notes:
            append_lines(self._beside(".refused"), self._notes)
            self._notes = []

    def _forget_oldest(self) -> None:
        while not self._on_disk and len(self._waiting) > MOST_IN_MEMORY:
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            self._notices.repeat("full", f"more than {MOST_IN_MEMORY} reports wait in memory; the oldest are dropped")

    # -- the file

    def _beside(self, ending: str) -> Path:
        assert self.path is not None
        return self.path.with_name(self.path.name + ending)

    def _read(self) -> None:
        """What lies there comes before what waits already."""
        assert self.path is not None
        content = self.path.read_bytes() if self.path.exists() else b""
        self.state = {**self._read_state(), **self.state}
        mine, self._waiting = self._waiting, {}
        whole = 0
        for line in re.findall(rb"[^\n]*\n", content):  # no other sign ends a line, in a damaged file either
            whole += len(line)
            self._take(line)
        self._known = True
        self._waiting.update(mine)
        if len(content) > whole:
            cut(self.path, whole)
        if mine:
            append_lines(self.path, [_line(entry) for entry in mine.values()])

    def _read_state(self) -> dict[str, Any]:
        path = self._beside(".state")
        if not path.exists():
            return {}
        try:
            found = json.loads(path.read_text("utf-8"))
        except ValueError:
            found = None
        if isinstance(found, dict):
            return found
        damaged = self._beside(".state.damaged")
        self._notices.repeat("state", f"'{path}' is damaged; it is kept as '{damaged}', and begun anew")
        with contextlib.suppress(OSError):
            path.replace(damaged)
        return {}

    def _take(self, line: bytes) -> None:
        try:
            read = json.loads(line)
            number = int(read.get("n", read.get("done")))
            report = read.get("report")
            if "n" in read and not (isinstance(report, dict) and {"draws", "eval_loss"} <= set(report)):
                raise ValueError("no report")
            if "n" in read:
                report["position"] = int(report["position"])
        except (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError):
            self._put_aside(
                {
                    "line": line.decode("utf-8", "replace").rstrip(),
                    "reason": "this line of the queue is not readable",
                }
            )
            self._notices.repeat(
                "line", f"a line of the queue '{self.path}' is not readable; it is kept in '{self._beside('.refused')}'"
            )
            return
        self._next = max(self._next, number + 1)
        if isinstance(report, dict):
            self._waiting[number] = Entry(number, report)
        else:
            self._waiting.pop(number, None)

    def _put_aside(self, note: dict[str, Any]) -> None:
        self.refused.append(note)
        if self.path is not None:
            self._notes = [*self._notes[-MOST_IN_MEMORY:], note]


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _line(entry: Entry) -> dict[str, Any]:
    return {"n": entry.number, "report": entry.body}


def _file(path: str | os.PathLike[str]) -> Path:
    given = Path(path)
    with contextlib.suppress(OSError, ValueError):
        return given / DEFAULT_NAME if given.is_dir() or str(path).endswith(("/", os.sep)) else given
    return given
