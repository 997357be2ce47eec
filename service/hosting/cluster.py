"""Hosts as Ray actors: detached, named after their store, made again by whoever misses them.

An allocation belongs to one of `shards` hosts, by a hash of its id. Should two servers disagree on
the number of shards, the journal's epoch still lets only one host decide at a time.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import logging
import os
import sys
from typing import Any

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayTaskError

from service.actor import ASK_AGAIN, NAMESPACE, actor_name, cause, named_actor
from service.hosting.asking import Asking
from service.hosting.errors import HostLost
from service.hosting.gateway import within
from service.hosting.host import Host, HostSettings
from service.journal import Journal

log = logging.getLogger(__name__)
SWITCH_SECONDS = 0.001  # how long a fit may keep Python from the answers beside it
CALLS = 10_000  # at once in one host; those that wait hold no thread, and are told to come again before it is full


class HostActor:
    """`Host` in a process of its own; the actor itself never blocks."""

    def __init__(self, url: str, settings: HostSettings) -> None:
        sys.setswitchinterval(SWITCH_SECONDS)
        self._host = Host(Journal(url, shared=True), settings)
        self._asking = Asking(self._host)

    async def ask(self, question: str, allocation: str, *args: Any) -> Any:
        return await self._asking.ask(question, allocation, *args)

    async def stats(self) -> dict[str, float]:
        return self._host.stats()

    async def ready(self) -> None:
        await self._asking.ready()

    async def pid(self) -> int:
        """The process, for tests that kill it."""
        return os.getpid()


@dataclasses.dataclass(frozen=True)
class Hosts:
    """How to reach the hosts of a store. `node_id` is set where the store is a file of one machine."""

    url: str = dataclasses.field(repr=False)  # may hold a password
    shards: int = 1
    node_id: str | None = None
    settings: HostSettings = dataclasses.field(default_factory=HostSettings)

    def shard(self, allocation: str) -> int:
        return int.from_bytes(hashlib.sha256(allocation.encode()).digest()[:8]) % self.shards

    def name(self, shard: int) -> str:
        return actor_name("host", self.url, f"{shard}-of-{self.shards}")

    def reach(self, shard: int) -> Any:
        """The host, made if it is not there."""
        return named_actor(self.name(shard), HostActor, self.node_id, self.url, self.settings, max_concurrency=CALLS)

    def begin(self) -> None:
        """Have all hosts up before the first question; raises what keeps one from its store."""
        ray.get([self.reach(shard).ready.remote() for shard in range(self.shards)])

    def end(self) -> None:
        """End all hosts of this address for good; the journal remains. Quiet where there are none."""
        for shard in range(self.shards):
            try:
                ray.kill(ray.get_actor(self.name(shard), namespace=NAMESPACE))
            except ValueError:
                log.debug("no %s to end", self.name(shard))


class RayGateway:
    """The `Gateway` over Ray."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._actors: dict[int, Any] = {}

    async def ask(self, question: str, allocation: str, *args: Any, timeout: float) -> Any:
        shard = self._hosts.shard(allocation)
        return await within(timeout, self._call(shard, "ask", question, allocation, *args))

    async def stats(self) -> list[dict[str, float]]:
        return list(await asyncio.gather(*(self._call(shard, "stats") for shard in range(self._hosts.shards))))

    async def ready(self) -> None:
        await asyncio.gather(*(self._call(shard, "ready") for shard in range(self._hosts.shards)))

    async def _call(self, shard: int, method: str, *args: Any) -> Any:
        """Safe to repeat: every question to a host gives the same when it is asked again."""
        why = ""
        for again in range(ASK_AGAIN):
            try:
                actor = self._actors.get(shard) or await asyncio.to_thread(self._hosts.reach, shard)
                self._actors[shard] = actor
                return await getattr(actor, method).remote(*args)
            except RayTaskError as error:
                raise error.cause from None
            except (ActorDiedError, ActorUnavailableError) as error:
                why = cause(error)
                log.warning("host %d was lost, making it again: %s", shard, why)
                self._actors.pop(shard, None)
                await asyncio.sleep(0.1 * again)
        raise HostLost(f"the host of this allocation was lost {ASK_AGAIN} times in a row: {why}")
