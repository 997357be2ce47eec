"""The asyncio client of the allocation service."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, TypeVar

import httpx

from service.client import calls
from service.client.calls import VERSION, Call, LostContact, Pause, Reply, of
from service.client.records import Answer, Decision, Planned, Schedule
from service.client.retry import Steps, advance
from service.client.settings import Settings
from service.client.speaker import Speaker
from service.client.transport import arguments, options, reply
from service.client.unreached import lost
from service.client.wire import DomainsLike, creation_body, domain_list, report_body, target_weights, whole

_T = TypeVar("_T")


class AsyncAllocationClient(Speaker):
    """Speaks to one service, and for one allocation at a time. Tasks of one event loop may share it.

    Parameters and errors are those of `AllocationClient`, but for `transport`, which is an asynchronous one.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        allocation: str | None = None,
        queue: str | os.PathLike[str] | None = None,
        deadline: float = 60.0,
        timeout: float = 30.0,
        insecure: bool = False,
        ca: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        settings = Settings.find(url, token, insecure=insecure, ca=ca, deadline=deadline, timeout=timeout)
        self._http = httpx.AsyncClient(**options(settings), transport=transport)
        super().__init__(settings, allocation, queue)
        self._turn = asyncio.Lock()

    # -- steering a run

    async def create(
        self,
        name: str,
        domains: DomainsLike,
        budget: int,
        interval: int,
        *,
        policy: str | None = None,
        targets: Mapping[str, float] | Sequence[str] | None = None,
        objective: str | None = None,
        baseline: Mapping[str, float] | None = None,
        lr_plan: Sequence[Sequence[float]] | None = None,
        seed: int | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Get or create the allocation `name`; a restarted script simply says it again.

        `domains` are names, or records with `name`, `pool`, `cost`, `max_epochs`, `min_share`, `max_share`, `group`;
        `budget` and `interval` count draws. The same name with another body raises `Conflict`.
        """
        body = creation_body(
            name,
            domains,
            budget,
            interval,
            policy=policy,
            targets=target_weights(targets),
            objective=objective,
            baseline=baseline,
            lr_plan=lr_plan,
            seed=seed,
            options=options,
        )
        return await self._run(self._talk.create(body))

    async def report(
        self,
        position: int,
        draws: Mapping[str, float],
        eval_loss: Mapping[str, float | None],
        *,
        eval_sem: Mapping[str, float | None] | None = None,
        train_loss: Mapping[str, float | None] | None = None,
        train_count: Mapping[str, float] | None = None,
        lr_sum: float | None = None,
        grad_dot: Mapping[str, Mapping[str, float]] | None = None,
    ) -> Answer:
        """Say what one held-out evaluation saw; the answer holds the mixture from here on.

        `position` counts draws so far, `draws` the same by domain, `eval_loss` is by target, NaN where not measured.
        The same position again brings the stored answer back; with other draws it raises `Conflict`.
        """
        body = report_body(
            position,
            draws,
            eval_loss,
            eval_sem=eval_sem,
            train_loss=train_loss,
            train_count=train_count,
            lr_sum=lr_sum,
            grad_dot=grad_dot,
        )
        return await self._run(self._talk.report([body]))

    async def report_many(self, reports: Sequence[Mapping[str, Any]]) -> Answer:
        """Several reports in order of position, each a mapping with the arguments of `report`."""
        return await self._run(self._talk.report([report_body(**each) for each in reports]))

    async def flush(self) -> Answer:
        """Send what waits in the queue; the answer is `offline` where the service is still away."""
        return await self._run(self._talk.deliver())

    # -- asking

    async def schedule(self) -> Schedule:
        """All mixtures so far, each with its first draw."""
        return Schedule.read(await self._ask(Call("GET", of(self.allocation, "/schedule"))))

    async def status(self) -> dict[str, Any]:
        """Where the allocation stands."""
        return dict(await self._ask(Call("GET", of(self.allocation))))

    async def law(self) -> dict[str, Any] | None:
        """The last fitted law; None while there is none."""
        found = await self._ask(Call("GET", of(self.allocation, "/law")))
        return None if found is None else dict(found)

    async def page(self) -> str:
        """The run's report for people, as one HTML page."""
        return await self._run(self._talk.text(Call("GET", of(self.allocation, "/report"))))

    async def decisions(self, *, limit: int = 50) -> AsyncIterator[Decision]:
        """Every decision in order, fetched page by page, `limit` at a time."""
        async for item in self._pages(of(self.allocation, "/decisions"), limit):
            yield Decision.read(item)

    async def list(self, *, limit: int = 50) -> AsyncIterator[dict[str, Any]]:
        """Every allocation of the token's project."""
        async for item in self._pages(f"{VERSION}/allocations", limit):
            yield item

    async def plan(
        self, budgets: Sequence[float], *, objective: str | None = None, domains: DomainsLike | None = None
    ) -> tuple[Planned, ...]:
        """What-if, one record a budget in draws: the best mixture, predicted losses, what more data would be worth."""
        asked = None if domains is None else domain_list(domains)
        found = await self._ask(calls.plan(self.allocation, budgets, objective, asked))
        return tuple(Planned.read(plan) for plan in found["plans"])

    # -- changing what runs; these need a token of scope admin

    async def domains(self, domains: DomainsLike, *, position: int | None = None) -> dict[str, Any]:
        """A domain joins, leaves, or its pool grows: all domains from `position` (default: now) on."""
        return dict(await self._ask(calls.change_domains(self.allocation, domain_list(domains), position)) or {})

    async def mode(self, mode: str | None = None, *, pin: Mapping[str, float] | None = None) -> dict[str, Any]:
        """`act`, `advise` or `pause`; `pin` holds shares by hand, an empty mapping lets them go."""
        return dict(await self._ask(calls.set_mode(self.allocation, mode, pin)) or {})

    async def rewind(self, position: int, why: str = "") -> dict[str, Any]:
        """Training begins again from a checkpoint at `position`: later decisions stay, but inactive."""
        return dict(await self._ask(calls.rewind(self.allocation, whole(position, "position"), why)) or {})

    async def archive(self) -> None:
        """Put the allocation away; nothing of it is erased."""
        await self._ask(Call("DELETE", of(self.allocation)))

    # -- the end

    async def aclose(self) -> None:
        """Let go of the connection and of the queue file; what waits stays in the file."""
        if self._here():
            await self._http.aclose()
            self._let_go()

    async def __aenter__(self) -> AsyncAllocationClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    # -- inside

    async def _pages(self, path: str, limit: int) -> AsyncIterator[dict[str, Any]]:
        cursor: str | None = None
        while True:
            found = await self._ask(calls.listing(path, cursor, limit))
            for item in found["items"]:
                yield item
            cursor = found.get("next")
            if cursor is None:
                return

    async def _ask(self, call: Call) -> Any:
        return await self._run(self._talk.ask(call))

    async def _run(self, steps: Steps[_T]) -> _T:
        """Do what the conversation asks for, call by call; what it writes to disk does not hold up the event loop."""
        self._check_process()
        async with self._turn:
            move = _move if self._outbox is None else _move_aside
            over, step = await move(steps, None, None)
            while not over:
                answer: Reply | None = None
                failure: LostContact | None = None
                asked = time.monotonic()
                try:
                    answer = await self._do(step)
                except httpx.RequestError as error:
                    failure = lost(error, time.monotonic() - asked)
                over, step = await move(steps, answer, failure)
            result: _T = step
            return result

    async def _do(self, step: Call | Pause) -> Reply | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        return reply(await self._http.request(**arguments(step)))


async def _move(steps: Steps[Any], answer: Reply | None, failure: LostContact | None) -> tuple[bool, Any]:
    return advance(steps, answer, failure)


async def _move_aside(steps: Steps[Any], answer: Reply | None, failure: LostContact | None) -> tuple[bool, Any]:
    return await asyncio.to_thread(advance, steps, answer, failure)
