"""The connections of one process: how many, how many of one address, and which make room for a new one.

An honest client sends its request at once; who only holds connections makes no requests. So nobody is refused
while somebody half-open is there: the oldest of those makes room, of the newcomer's address if that has too many,
else of the address that has the most.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import resource
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Protocol

from service.api.forwarded import Forwarded, neighbourhood
from service.api.settings import Settings

log = logging.getLogger(__name__)
SWEEP_SECONDS = 0.5
RESERVED_FILES = 200  # file descriptors for the store, Ray and logs
SAY_SECONDS = 60.0  # between two lines of the log
ROOM = 16  # connections that make room at a time, where they have to be looked for

# What a connection is waited for, those that make room first before the others.
HEAD, UNREAD, IDLE, BODY, BUSY = "head", "unread", "idle", "body", "busy"
MAKE_ROOM = (HEAD, UNREAD, IDLE, BODY)


@dataclasses.dataclass(frozen=True)
class Limits:
    """Most connections of all and of one address, and seconds that are waited.

    Parameters
    ----------
    head:
        For a request's head, as a whole, from the connection or the first byte on.
    idle:
        For the next request; clients of ours give an idle connection up sooner.
    unread:
        For the rest of a body whose request was answered without it.
    stuck:
        For a client to read on what it asked for.
    body:
        For a body, and one second more for each `LEAST_RATE` bytes; the application says so first.
    """

    most: int = Settings.connections
    by_address: int = Settings.connections_by_address
    head: float = 10.0
    idle: float = 15.0
    unread: float = 5.0
    stuck: float = 30.0
    body: float = Settings.body_seconds

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """As the settings say, and as many as this process may have files."""
        most = min(settings.connections, max(10, _raised() - RESERVED_FILES))
        return cls(most, min(settings.connections_by_address, most), body=settings.body_seconds)


class Connected(Protocol):
    """What the crowd needs to know of a connection."""

    peer: str

    def stage(self) -> str:
        """What is waited for, one of `HEAD` to `BUSY`."""
        ...

    def check(self, now: float) -> None:
        """End it where it was waited for too long."""
        ...

    def drop(self) -> None:
        """End it at once."""
        ...


class Crowd:
    """All connections of a server; for its event loop alone."""

    def __init__(self, limits: Limits, forwarded: Forwarded, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits, self._forwarded, self._clock = limits, forwarded, clock
        self._all: OrderedDict[Connected, str] = OrderedDict()  # oldest first, each with its address
        self._of: dict[str, OrderedDict[Connected, None]] = {}
        self._new: dict[str, OrderedDict[Connected, None]] = {}  # those that have sent no whole head yet
        self._dropped, self._said, self._sweeping = 0, float("-inf"), False

    def __len__(self) -> int:
        return len(self._all)

    def enter(self, one: Connected) -> bool:
        """Take a new connection in, after another has made room; False where none can."""
        address, limits = neighbourhood(one.peer), self.limits
        counted = not self._forwarded.trusts(one.peer)
        full = counted and len(self._of.get(address, ())) >= limits.by_address
        if full and not self._make_room([address]):
            return False
        if len(self._all) >= limits.most:
            most = max(self._new, key=lambda name: len(self._new[name]), default=address)
            if not self._make_room([most]) and not self._make_room(list(self._of)):
                return False
        self._all[one] = address
        for where in (self._of, self._new):
            where.setdefault(address, OrderedDict())[one] = None
        self._sweep_soon()
        return True

    def proven(self, one: Connected) -> None:
        """It has sent a request."""
        self._forget(self._new, one)

    def leave(self, one: Connected) -> None:
        self._forget(self._new, one)
        self._forget(self._of, one)
        self._all.pop(one, None)

    # -- inside

    def _make_room(self, addresses: list[str]) -> bool:
        """End the oldest half-open connection of these addresses; where there is none, some of the oldest that wait."""
        for address in addresses:
            if address in self._new:
                self._drop([next(iter(self._new[address]))])
                return True
        waiting = {one: one.stage() for address in addresses for one in self._of.get(address, ())}
        for stage in MAKE_ROOM:
            found = [one for one, now in waiting.items() if now == stage]
            if found:
                self._drop(found[: 1 if stage == BODY else ROOM])
                return True
        return False

    def _drop(self, found: Iterable[Connected]) -> None:
        for one in found:
            self.leave(one)
            one.drop()
            self._dropped += 1
        now = self._clock()
        if now - self._said > SAY_SECONDS:
            self._said = now
            log.warning(
                "%d connections were ended to make room for others; most now come from %s",
                self._dropped,
                max(self._of, key=lambda name: len(self._of[name]), default="nowhere"),
            )
            self._dropped = 0

    def _forget(self, where: dict[str, OrderedDict[Connected, None]], one: Connected) -> None:
        address = self._all.get(one)
        if address in where:
            where[address].pop(one, None)
            if not where[address]:
                del where[address]

    def _sweep_soon(self) -> None:
        if not self._sweeping:
            self._sweeping = True
            asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        self._sweeping, now = False, self._clock()
        for one in list(self._all):
            one.check(now)
        if self._all:
            self._sweep_soon()


def _raised() -> int:
    """Most files of this process, after that was raised as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):
            log.warning("this process may open %d files, and no more", soft)
    return soft if soft != resource.RLIM_INFINITY else 2**20
