"""The way from the API to the hosts: the same questions, in this process or over Ray."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from service.hosting.asking import Asking
from service.hosting.errors import NotAnswered
from service.hosting.host import Host


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
        self._host, self._asking = host, Asking(host)

    async def ask(self, question: str, allocation: str, *args: Any, timeout: float) -> Any:
        return await within(timeout, self._asking.ask(question, allocation, *args))

    async def stats(self) -> list[dict[str, float]]:
        return [self._host.stats()]

    async def ready(self) -> None:
        await self._asking.ready()

    def close(self) -> None:
        self._asking.close()


async def within(seconds: float, asked: Any) -> Any:
    """The result of `asked` if it comes in time; else `NotAnswered`, and it is left to go on."""
    done, _ = await asyncio.wait({asyncio.ensure_future(asked)}, timeout=seconds)
    if not done:
        raise NotAnswered(f"no answer within {seconds:g} seconds; what was sent is kept, ask again")
    return done.pop().result()
