"""The clients against the real service."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.client import (
    AllocationClient,
    AsyncAllocationClient,
    Conflict,
    Forbidden,
    MixtureCallback,
    NotFound,
    Refused,
    Unauthorized,
)
from tests.service.client.serving import Served, serving

RUN: dict[str, Any] = {
    "domains": [{"name": "ct", "pool": 500}, {"name": "t1"}, "pet"],
    "budget": 10_000,
    "interval": 100,
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served")) as service:
        yield service


def report(position: int) -> dict[str, Any]:
    third = position / 3
    losses = dict.fromkeys(("ct", "t1", "pet"), 1.0 + 10 * (1 + third) ** (-0.5))
    return {"position": position, "draws": dict.fromkeys(losses, third), "eval_loss": losses}


def test_a_run_from_the_start_to_the_archive(served: Served) -> None:
    with AllocationClient(served.url, served.token("admin", "whole")) as client:
        start = client.create("run", **RUN)
        assert start.created
        assert client.allocation == start.allocation
        assert sum(start.weights.values()) == pytest.approx(1)
        assert not client.create("run", **RUN).created
        answers = [client.report(**report(position)) for position in range(100, 500, 100)]
        assert [answer.position for answer in answers] == [100, 200, 300, 400]
        assert answers[-1].schedule.weights_at(450) == pytest.approx(answers[-1].weights)
        again = client.report(**report(300))
        assert again.decision.replayed
        assert again.weights == answers[2].weights
        many = client.report_many([report(position) for position in range(500, 1_100, 100)])
        assert many.position == 1_000
        assert client.schedule() == many.schedule
        decisions = list(client.decisions(limit=3))
        assert sorted(found.position for found in decisions) == list(range(0, 1_100, 100))
        assert [found["name"] for found in client.list(limit=1)] == ["run"]
        assert client.status()["position"] == 1_000
        assert "<html" in client.page()
        client.mode("advise", pin={"pet": 0.5})
        assert client.report(**report(1_100)).weights["pet"] == pytest.approx(0.5)
        client.rewind(1_000, why="a test")
        assert client.status()["attempt"] == 1
        client.archive()
        with pytest.raises(Conflict):
            client.report(**report(1_200))


def test_the_law_and_what_if(served: Served) -> None:
    with AllocationClient(served.url, served.token(project="law")) as client:
        client.create("run", **(RUN | {"interval": 500}))
        assert client.law() is None
        client.report_many([report(position) for position in range(500, 6_500, 500)])
        assert client.law() is not None
        plans = client.plan([20_000, 5e4])
    assert [plan.budget for plan in plans] == [20_000, 50_000]
    for plan in plans:
        assert sum(plan.mixture.values()) == pytest.approx(1)
        assert plan.predicted["ct"].low <= plan.predicted["ct"].mean <= plan.predicted["ct"].high


def test_asyncio_says_the_same(served: Served) -> None:
    async def go(token: str) -> list[Any]:
        async with AsyncAllocationClient(served.url, token) as client:
            await client.create("run", **RUN)
            answers = [(await client.report(**report(position))).weights for position in (100, 200)]
            seen = [decision.position async for decision in client.decisions(limit=1)]
            names = [found["name"] async for found in client.list()]
            return [answers, sorted(seen), names, await client.schedule()]

    def say(token: str) -> list[Any]:
        with AllocationClient(served.url, token) as client:
            client.create("run", **RUN)
            answers = [client.report(**report(position)).weights for position in (100, 200)]
            seen = sorted(decision.position for decision in client.decisions(limit=1))
            return [answers, seen, [found["name"] for found in client.list()], client.schedule()]

    assert asyncio.run(go(served.token(project="one"))) == say(served.token(project="two"))


def test_errors_are_the_services_own(served: Served) -> None:
    token = served.token("report", "errors")
    with AllocationClient(served.url, token) as client:
        with pytest.raises(Refused, match="interval"):
            client.create("run", **(RUN | {"interval": 0}))
        client.create("run", **RUN)
        with pytest.raises(Conflict):
            client.create("run", **(RUN | {"budget": 5_000}))
        with pytest.raises(Refused, match="'xray'") as refused:
            client.report(100, {"ct": 50, "t1": 50, "xray": 0}, {"ct": 1.0, "t1": 1.0, "pet": 1.0})
        assert refused.value.problem["status"] == 422
        assert refused.value.errors
        client.report(**report(100))
        with pytest.raises(Conflict):
            client.report(100, {"ct": 100, "t1": 0, "pet": 0}, {"ct": 1.0, "t1": 1.0, "pet": 1.0})
        with pytest.raises(Forbidden):
            client.archive()
        allocation = client.allocation
    with (
        AllocationClient(served.url, served.token(project="elsewhere"), allocation=allocation) as other,
        pytest.raises(NotFound),
    ):
        other.schedule()
    served.revoke(token)
    with AllocationClient(served.url, token, allocation=allocation) as client, pytest.raises(Unauthorized):
        client.schedule()


def test_the_queue_outlives_the_service(tmp_path: Path) -> None:
    with (
        serving(tmp_path) as service,
        AllocationClient(service.url, service.token(), queue=tmp_path / "q.jsonl", deadline=2) as client,
    ):
        client.create("run", **RUN)
        client.report(**report(100))
        service.stop()
        away = [client.report(**report(position)) for position in (200, 300, 400)]
        assert [answer.offline for answer in away] == [True] * 3
        service.start()
        back = client.report(**report(500))
        assert (back.offline, back.queued, back.position) == (False, 0, 500)
        assert sorted(found.position for found in client.decisions()) == [0, 100, 200, 300, 400, 500]


def test_a_site_joins_in_mid_run(served: Served) -> None:
    token = served.token("admin", "join")
    with AllocationClient(served.url, token) as admin, AllocationClient(served.url, token) as mine:
        mixture = MixtureCallback("run", RUN["domains"], 10_000, 100, client=mine, lag=0, strict=True)
        losses = dict.fromkeys(("ct", "t1", "pet"), 2.0)
        mixture.count("ct", 100)
        mixture.report(losses)
        admin.create("run", **RUN, seed=0)
        admin.domains([*RUN["domains"], {"name": "us", "pool": 200}])
        mixture.count("t1", 100)
        mixture.report(losses)
        assert set(mixture.weights) == {"ct", "t1", "pet"}
        mixture.offer("us")
        assert mixture.weights["us"] > 0
        mixture.count("us", 100)
        mixture.report(losses | {"us": 3.0})
        assert admin.status()["position"] == 300
        mixture.close()


@pytest.mark.parametrize("batch", [7, 99, 130, 1_500])
def test_a_last_batch_that_leads_beyond_the_budget_is_taken(served: Served, batch: int) -> None:
    """Position and draws end at the budget; what was learnt from must not be more."""
    token = served.token("admin", f"beyond-{batch}")
    with AllocationClient(served.url, token) as mine:
        mixture = MixtureCallback("run", ["ct", "mr", "pet"], 1_000, 100, client=mine, lag=0, strict=True)
        step = 0
        while mixture.left:
            each = [("ct", "mr", "pet")[(step + number) % 3] for number in range(batch)]
            mixture.count(each, loss=[2.0] * batch, lr=0.01)
            mixture.count("ct", 0, loss=2.0)
            step += 1
            if mixture.due:
                mixture.report({"ct": 1.0, "mr": 2.0, "pet": 3.0})
        assert mine.status()["position"] == 1_000
        mixture.close()
