"""What takes a core for a second (a page, a plan): one at a time, so that reads go on beside it.

Projects take turns, and who waits holds no thread: a row of pages of one project delays neither the requests of
another nor its pages by more than one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from service.hosting import Busy
from service.hosting.fair import FairQueue

T = TypeVar("T")
PATIENCE_SECONDS = 20.0
MOST_WAITING = 32  # of one project


class Thinking:
    """Turns at the one place. For one event loop."""

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self._rows: FairQueue[asyncio.Future[None]] = FairQueue()
        self._taken = False

    async def do(self, project: str, work: Callable[[], T]) -> T:
        """The result of `work`, done in a thread in its turn. Raises `Busy`."""
        async with self._turn(project):
            return await run_in_threadpool(work)

    @asynccontextmanager
    async def _turn(self, project: str) -> AsyncIterator[None]:
        await self._wait(project)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, project: str) -> None:
        if self._rows.of(project) >= MOST_WAITING:
            raise Busy("too many pages and plans of this project are being made; ask again")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._rows.push(project, "", turn)
        if not self._taken:
            self._pass_on()
        try:
            async with asyncio.timeout(self._patience):
                await asyncio.shield(turn)
        except BaseException as error:
            if turn.done():
                self._pass_on()  # it came in that very moment
            turn.cancel()
            if isinstance(error, TimeoutError):
                raise Busy("too many pages and plans are being made; ask again") from error
            raise

    def _pass_on(self) -> None:
        """To the next who still waits; it stays taken in between, so that nobody slips in."""
        self._taken = False
        while (turn := self._rows.pop()) is not None:
            if not turn.done():
                self._taken = True
                turn.set_result(None)
                return
