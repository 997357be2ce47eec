"""Owners of the allocations in use: opened when first asked, the longest unused one given up for the next.

An owner that is given up loses nothing: its dump and the journal are what it would come back from.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from service.hosting.errors import Busy
from service.hosting.fits import Claim, FitQueue
from service.journal import Journal
from service.owner import Owner

T = TypeVar("T")
WAITING = 16  # questions on one allocation that may wait for each other


def too_many(waiting: int) -> str:
    """What one more is told."""
    return f"{waiting} requests on this allocation are waiting already; send one at a time"


@dataclasses.dataclass
class _Seat:
    opening: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    owner: Owner | None = None
    users: int = 0


@dataclasses.dataclass(frozen=True)
class _Fitting:
    """The `fitting` of one owner."""

    fits: FitQueue
    claim: Callable[[], Claim]

    def __call__(self, fit: Callable[[], T], /) -> T:
        return self.fits.run(self.claim(), fit)


class Seats:
    """At most `kept` owners, and those that are at work."""

    def __init__(self, journal: Journal, fits: FitQueue, kept: int) -> None:
        self._journal, self._fits, self._kept = journal, fits, kept
        self._seats: OrderedDict[str, _Seat] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._seats)

    def holds(self, allocation: str) -> bool:
        """Whether the allocation has an owner here."""
        seat = self._seats.get(allocation)
        return seat is not None and seat.owner is not None

    @contextmanager
    def owner(self, allocation: str) -> Iterator[Owner]:
        """The owner of `allocation`, kept at hand until the block ends. Raises `Busy`."""
        seat = self._take(allocation)
        try:
            with seat.opening:
                if seat.owner is None:
                    owner = Owner(self._journal, allocation, fitting=self._fitting(allocation))
                    owner.start()
                    seat.owner = owner
                found = seat.owner
            yield found
        finally:
            self._leave(seat)

    def give_up(self, allocation: str, owner: Owner | None) -> None:
        """Do not use `owner` again; the next question opens a new one."""
        with self._lock:
            seat = self._seats.get(allocation)
            if seat is not None and owner is not None and seat.owner is owner:
                seat.owner = None

    def _fitting(self, allocation: str) -> _Fitting:
        """Has the owner's fits take their turns; who it is for is read when there is one, which costs far more."""

        def claim() -> Claim:
            entry = self._journal.entry(allocation)
            return Claim(entry.project or "", allocation, len(entry.spec["domains"]))

        return _Fitting(self._fits, claim)

    def _take(self, allocation: str) -> _Seat:
        with self._lock:
            seat = self._seats.setdefault(allocation, _Seat())
            self._seats.move_to_end(allocation)
            if seat.users >= WAITING:
                raise Busy(too_many(seat.users))
            seat.users += 1
            return seat

    def _leave(self, seat: _Seat) -> None:
        with self._lock:
            seat.users -= 1
            idle = [name for name, one in self._seats.items() if one.users == 0] if self._is_full() else []
            for name in idle[: len(self._seats) - self._kept]:
                del self._seats[name]

    def _is_full(self) -> bool:
        return len(self._seats) > self._kept
