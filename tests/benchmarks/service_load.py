"""Requests in an open loop: each has its instant, and its latency counts from there, however late it is sent."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import time
from collections.abc import Sequence
from typing import Any

import httpx

from tests.faults.service.courses import INTERVAL, NAMES, losses

CONNECTIONS = 64
READS = ("", "/schedule", "/decisions?limit=20", "/law", "list")
TIMEOUT_SECONDS = 60.0


@dataclasses.dataclass
class Done:
    """One request. kind: report, refit or read; late: seconds from its instant to its answer."""

    kind: str
    late: float
    status: int


@dataclasses.dataclass
class Run:
    """An allocation of the load, and how far its reports are."""

    path: str
    fits: bool
    number: int = 0
    draws: dict[str, float] = dataclasses.field(default_factory=lambda: dict.fromkeys(NAMES, 0.0))
    turn: asyncio.Lock = dataclasses.field(default_factory=asyncio.Lock)

    def next_report(self) -> dict[str, Any]:
        self.number += 1
        self.draws = {name: drawn + INTERVAL / len(NAMES) for name, drawn in self.draws.items()}
        return {"position": self.number * INTERVAL, "draws": self.draws, "eval_loss": losses(self.draws)}


class Loader:
    """64 connections and as many requests under way at most; what waits for one is counted as late."""

    def __init__(self, url: str, tokens: Sequence[str], seed: int) -> None:
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        self._http = httpx.AsyncClient(base_url=url, limits=limits, timeout=TIMEOUT_SECONDS, trust_env=False)
        self._tokens = [{"Authorization": f"Bearer {token}"} for token in tokens]
        self._free = asyncio.Semaphore(CONNECTIONS)
        self._source = random.Random(seed)

    async def close(self) -> None:
        await self._http.aclose()

    async def open_loop(self, runs: Sequence[Run], seconds: float, reports: float, reads: float) -> list[Done]:
        """`reports` and `reads` a second for `seconds`, on allocations taken at random."""
        plan = [(at, "report") for at in _instants(seconds, reports, self._source)]
        plan += [(at, "read") for at in _instants(seconds, reads, self._source)]
        began = time.perf_counter()
        tasks = []
        for at, kind in sorted(plan):
            await asyncio.sleep(max(0.0, began + at - time.perf_counter()))
            tasks.append(asyncio.create_task(self._one(kind, self._source.choice(runs), began + at)))
        return list(await asyncio.gather(*tasks))

    async def in_turn(self, bodies: Sequence[dict[str, Any]], path: str) -> list[dict[str, Any]]:
        """All `bodies` posted, eight at a time."""
        eight = asyncio.Semaphore(8)

        async def one(body: Any) -> dict[str, Any]:
            async with eight:
                answer = await self._http.post(path, json=body, headers=self._source.choice(self._tokens))
                assert answer.status_code in (200, 201), answer.text
                return dict(answer.json())

        return list(await asyncio.gather(*(one(body) for body in bodies)))

    async def send(self, run: Run, reports: int) -> None:
        """Bring one allocation forward."""
        body = [run.next_report() for _ in range(reports)]
        await self.in_turn([body], f"{run.path}/reports")  # type: ignore[list-item]

    async def _one(self, kind: str, run: Run, due: float) -> Done:
        if kind == "read":
            where = self._source.choice(READS)
            path = "/v1/allocations?limit=20" if where == "list" else run.path + where
            return await self._request(kind, "GET", path, None, due)
        async with run.turn:  # an allocation's reports go in order
            return await self._request(
                "refit" if run.fits else kind, "POST", f"{run.path}/reports", run.next_report(), due
            )

    async def _request(self, kind: str, method: str, path: str, body: Any, due: float) -> Done:
        async with self._free:
            try:
                answer = await self._http.request(method, path, json=body, headers=self._source.choice(self._tokens))
                status = answer.status_code
            except httpx.TransportError:
                status = 0
        return Done(kind, time.perf_counter() - due, status)


def _instants(seconds: float, rate: float, source: random.Random) -> list[float]:
    """A Poisson process."""
    found, at = [], 0.0
    while rate > 0 and (at := at + source.expovariate(rate)) < seconds:
        found.append(at)
    return found


def quantile(found: Sequence[Done], kind: str, level: float) -> float:
    """Seconds; NaN where there is none of that kind."""
    late = sorted(one.late for one in found if one.kind == kind)
    return late[min(len(late) - 1, int(level * len(late)))] if late else float("nan")
