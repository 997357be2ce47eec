"""Fits of many allocations queue: fair between projects, a few at a time, long ones beside the others.

A fit is seconds of one core. Run as they come, a burst of them would slow each other and every answer beside
them. Hence

1. short fits take turns on `fits` places, long ones (more than `LONG_SECONDS`) on places of their own, so that
   no long one holds up what takes a moment;
2. in each lane projects take turns, so that the row of one is not the wait of another (`fair.py`);
3. who waits holds no thread: a question that comes to a fit without having a turn is broken off with `FitNeeded`
   and asked again once its turn has come (`asking.py`). Every question may be asked twice.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

from service.hosting.errors import Busy
from service.hosting.fair import FairQueue

T = TypeVar("T")
LONG_SECONDS = 1.0  # of CPU; the most that a short fit may hold up another
LONG_DOMAINS = 40  # a first fit of so many takes about `LONG_SECONDS`, of 100 six times that, of 200 fifty times
MOST_WAITING = 256  # fits of one project that may wait
_REMEMBERED = 10_000  # allocations whose last fit's seconds are known


@dataclasses.dataclass(frozen=True)
class Claim:
    """Whose fit it is; `size` is the number of domains."""

    project: str
    allocation: str
    size: int


class FitNeeded(Exception):
    """The question costs a fit and has no turn yet: ask again with a turn for `claim`.

    `done` of the reports that were sent are answered already.
    """

    def __init__(self, claim: Claim) -> None:
        super().__init__(claim)
        self.claim, self.done = claim, 0


@dataclasses.dataclass
class Turn:
    """The right to one fit, until it is given back."""

    claim: Claim
    long: bool
    used: bool = False


class FitQueue:
    """Gives out turns. Safe for threads.

    Parameters
    ----------
    at_once, long_at_once:
        Short and long fits that run at a time.
    most:
        Fits of one project that may wait; `Busy` beyond.
    """

    def __init__(self, at_once: int, long_at_once: int = 1, most: int = MOST_WAITING) -> None:
        self._free = {False: at_once, True: long_at_once}  # places, by whether they are for long fits
        self._rows: dict[bool, FairQueue[tuple[Claim, Future[Turn]]]] = {False: FairQueue(), True: FairQueue()}
        self._most, self._running, self._closed, self.done = most, 0, False, 0
        self._seconds: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Condition()
        self._asked = threading.local()

    @property
    def waiting(self) -> int:
        with self._lock:
            return sum(map(len, self._rows.values()))

    def claim(self, claim: Claim) -> Future[Turn]:
        """A turn, when it comes; to be given back with `end`. Raises `Busy` where too many of the project wait."""
        found: Future[Turn] = Future()
        with self._lock:
            if self._closed:
                raise Busy("this host is ending; ask again")
            waiting = sum(row.of(claim.project) for row in self._rows.values())
            if waiting >= self._most:
                raise Busy(f"{waiting} fits of this project are waiting already; ask again later")
            self._rows[self._is_long(claim)].push(claim.project, claim.allocation, (claim, found))
        self._give_out()
        return found

    def end(self, turn: Turn) -> None:
        """Give a turn back, used or not."""
        with self._lock:
            self._free[turn.long] += 1
            self._running -= 1
            self._lock.notify_all()
        self._give_out()

    @contextmanager
    def asking(self, turn: Turn | None) -> Iterator[None]:
        """In this thread and for the time of the block, a fit runs under `turn`; without one, `FitNeeded`."""
        self._asked.turn, self._asked.defers = turn, True
        try:
            yield
        finally:
            self._asked.turn, self._asked.defers = None, False

    def run(self, claim: Claim, fit: Callable[[], T]) -> T:
        """The result of `fit`, under the turn of this thread, or in its turn."""
        turn: Turn | None = getattr(self._asked, "turn", None)
        if turn is not None and not turn.used:
            return self._timed(turn, fit)
        if getattr(self._asked, "defers", False):
            raise FitNeeded(claim)
        turn = self.claim(claim).result()
        try:
            return self._timed(turn, fit)
        finally:
            self.end(turn)

    def close(self) -> None:
        """Nobody's turn comes any more; returns when the fits that run have ended."""
        with self._lock:
            self._closed = True
            left = [future for row in self._rows.values() for _, future in row.clear()]
        for future in left:
            future.cancel()
        with self._lock:
            self._lock.wait_for(lambda: self._running == 0)

    # -- inside

    def _give_out(self) -> None:
        for future, turn in self._due():
            future.set_result(turn)  # outside the lock: what waits for it may run here and now

    def _due(self) -> list[tuple[Future[Turn], Turn]]:
        found = []
        with self._lock:
            for long, row in self._rows.items():
                while self._free[long] > 0 and (first := row.pop()) is not None:
                    claim, future = first
                    if future.set_running_or_notify_cancel():  # else whoever asked is gone
                        self._free[long] -= 1
                        self._running += 1
                        found.append((future, Turn(claim, long)))
        return found

    def _timed(self, turn: Turn, fit: Callable[[], T]) -> T:
        turn.used, begun = True, time.thread_time()
        try:
            return fit()
        finally:
            with self._lock:
                self.done += 1
                self._remember(turn.claim.allocation, time.thread_time() - begun)

    def _remember(self, allocation: str, seconds: float) -> None:
        """A later fit may be as long as any of the last few."""
        self._seconds[allocation] = max(seconds, self._seconds.pop(allocation, 0.0) / 2)
        if len(self._seconds) > _REMEMBERED:
            self._seconds.popitem(last=False)

    def _is_long(self, claim: Claim) -> bool:
        known = self._seconds.get(claim.allocation)
        return claim.size > LONG_DOMAINS if known is None else known > LONG_SECONDS
