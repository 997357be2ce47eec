"""Questions to a host from an event loop: a thread is taken only by what can go on.

Questions on one allocation that would wait for each other stand in line here, and so does a question that has
come to a fit: neither holds a thread, so a question that needs no fit never waits for one that does.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from service.hosting.errors import Busy
from service.hosting.fits import Claim, FitNeeded, Turn
from service.hosting.host import Host
from service.hosting.seats import WAITING, too_many

THREADS = 128  # questions at once; most of them wait for the disk
QUESTIONS = frozenset({"create", "report", "set_mode", "set_domains", "rewind", "archive"})
BESIDE = frozenset({"set_mode", "archive"})  # go to the journal alone, also while a fit runs


@dataclasses.dataclass
class _Line:
    """Whoever asks the same allocation, one at a time."""

    first: asyncio.Lock = dataclasses.field(default_factory=asyncio.Lock)
    length: int = 0


class Asking:
    """The way of questions to `host`, for one event loop."""

    def __init__(self, host: Host) -> None:
        self._host, self._fits = host, host.fits
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="ask")
        self._lines: dict[str, _Line] = {}

    async def ask(self, question: str, allocation: str, *args: Any) -> Any:
        """The answer of `Host.<question>`; raises what it raises, and `Busy`."""
        assert question in QUESTIONS
        if question in BESIDE:
            return await self._in_thread(None, question, allocation, *args)
        async with self._in_line(allocation):
            return await self._in_turn(question, allocation, *args)

    async def ready(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._pool, self._host.ready)

    def close(self) -> None:
        self._host.close()
        self._pool.shutdown()

    # -- inside

    async def _in_turn(self, question: str, allocation: str, *args: Any) -> Any:
        """Asked until it needs no further fit; what was answered before is not gone through again."""
        turn: Turn | None = None
        more: dict[str, int] = {}
        while True:
            try:
                return await self._in_thread(turn, question, allocation, *args, **more)
            except FitNeeded as need:
                claim, done = need.claim, need.done
            finally:
                if turn is not None:
                    self._fits.end(turn)
            more = {"begin": done} if question == "report" else {}
            turn = None  # it was given back; waiting for the next one may fail
            turn = await self._turn(claim)

    async def _turn(self, claim: Claim) -> Turn:
        given = self._fits.claim(claim)
        try:
            return await asyncio.wrap_future(given)
        except asyncio.CancelledError:
            if not given.cancel() and not given.cancelled():  # it came in that very moment
                self._fits.end(given.result())
            raise

    async def _in_thread(self, turn: Turn | None, question: str, *args: Any, **more: Any) -> Any:
        call = functools.partial(getattr(self._host, question), *args, **more)

        def asked() -> Any:
            with self._fits.asking(turn):
                return call()

        return await asyncio.get_running_loop().run_in_executor(self._pool, asked)

    @asynccontextmanager
    async def _in_line(self, allocation: str) -> AsyncIterator[None]:
        line = self._lines.setdefault(allocation, _Line())
        if line.length >= WAITING:
            raise Busy(too_many(line.length))
        line.length += 1
        try:
            async with line.first:
                yield
        finally:
            line.length -= 1
            if not line.length:
                self._lines.pop(allocation, None)
