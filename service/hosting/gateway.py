"""The way from the API to the hosts: the same questions, in this process or over Ray."""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from service.hosting.errors import NotAnswered
from service.hosting.host import Host

THREADS = 128  # questions at once; most of them wait, for the disk or for a fit
QUESTIONS = frozenset({"create", "report", "set_mode", "set_domains", "rewind", "archive"})


class Gateway(Protocol):
    """How the API reaches the host of an allocation."""

    async def ask(self, question: str, allocation: str, *args: Any, timeout: float) -> Any:
        """The answer of `Host.<question>`; raises what it raises, and `NotAnswered` after `timeout` seconds.

        What was asked goes on all the same; asked again it is answered.
        """
        ...

    async def stats(self) -> list[dict[str, float]]:
        """How busy each host is."""
        ...

    async def ready(self) -> None:
        """Raises whatever keeps the hosts from answering."""
        ...


class LocalGateway:
    """A host in this process."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="ask")

    async def ask(self, question: str, allocation: str, *args: Any, timeout: float) -> Any:
        assert question in QUESTIONS
        call = functools.partial(getattr(self._host, question), allocation, *args)
        return await within(timeout, asyncio.get_running_loop().run_in_executor(self._pool, call))

    async def stats(self) -> list[dict[str, float]]:
        return [self._host.stats()]

    async def ready(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._pool, self._host.ready)

    def close(self) -> None:
        self._host.close()
        self._pool.shutdown()


async def within(seconds: float, asked: Any) -> Any:
    """The result of `asked` if it comes in time; else `NotAnswered`, and it is left to go on."""
    done, _ = await asyncio.wait({asyncio.ensure_future(asked)}, timeout=seconds)
    if not done:
        raise NotAnswered(f"no answer within {seconds:g} seconds; what was sent is kept, ask again")
    return done.pop().result()
