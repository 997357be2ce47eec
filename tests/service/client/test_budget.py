"""Batches that divide neither interval nor budget: nothing is lost, and draws and position agree."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from service.client import AllocationClient, MixtureCallback
from tests.service.client.scripted import Scripted
from tests.service.client.serving import serving
from tests.service.client.test_callback import moving, reports

pytestmark = pytest.mark.usefixtures("token")


@pytest.fixture
def service(weather: Scripted) -> Scripted:
    weather.otherwise = moving
    return weather


def run(service: Scripted, budget: int, interval: int, batches: list[int]) -> list[dict[str, Any]]:
    """The reports of a run over these batches, which alternate between the domains."""
    client = AllocationClient(service.url, queue=":memory:")
    with MixtureCallback("run", ["a", "b"], budget, interval, client=client, lag=0, strict=True) as mixture:
        for step, batch in enumerate(batches):
            mixture.count("ab"[step % 2], batch)
            if mixture.due:
                mixture.report({"a": 1.0, "b": 2.0})
    return reports(service)


@pytest.mark.parametrize(
    ("budget", "interval", "batches", "positions"),
    [
        (1_000, 100, [10] * 100, list(range(100, 1_001, 100))),
        (1_000, 100, [30] * 34, [120, 210, 300, 420, 510, 600, 720, 810, 900, 990, 1_000]),
        (1_000, 100, [30] * 33, [120, 210, 300, 420, 510, 600, 720, 810, 900, 990]),
        (1_000, 300, [10] * 100, [300, 600, 900, 1_000]),
        (1_000, 300, [64] * 16, [320, 640, 960, 1_000]),
        (1_000, 300, [64] * 15, [320, 640, 960]),
        (1_000, 300, [64] * 15 + [40], [320, 640, 960, 1_000]),
        (1_000, 100, [250] * 4, [250, 500, 750, 1_000]),
        (1_000, 100, [10, 10, 3] * 50, [102, 204, 309, 401, 503, 608, 700, 802, 907, 999, 1_000]),
        (1_000, 1_000, [400] * 3, [800, 1_000]),
        (1_000, 2_000, [100] * 10, [1_000]),
        (100, 10, [1_000], [100]),
        (1_000, 100, [30] * 60, [120, 210, 300, 420, 510, 600, 720, 810, 900, 990, 1_000]),
    ],
)
def test_the_last_report_is_not_lost(
    service: Scripted, budget: int, interval: int, batches: list[int], positions: list[int]
) -> None:
    sent = run(service, budget, interval, batches)
    assert [body["position"] for body in sent] == positions
    for body in sent:
        assert sum(body["draws"].values()) == body["position"]
        assert all(value == int(value) for value in body["draws"].values())
    for first, second in pairwise(sent):
        assert all(second["draws"][name] >= first["draws"][name] for name in "ab"), "cumulative counts never fall"


def test_what_passes_the_budget_is_cut_in_proportion(service: Scripted) -> None:
    client = AllocationClient(service.url, queue=":memory:")
    with MixtureCallback("run", ["a", "b"], 1_000, 500, client=client, lag=0, strict=True) as mixture:
        mixture.count("a", 600)
        mixture.report({"a": 1.0, "b": 2.0})
        mixture.count("a", 300)
        mixture.count("b", 201)
        assert mixture.due
        mixture.report({"a": 1.0, "b": 2.0})
        assert not mixture.due
        assert mixture.position == 1_101
        mixture.count("b", 100)
        assert not mixture.due
        mixture.report({"a": 1.0, "b": 2.0})
    # Of 501 draws 400 are left: 239.5 of a and 160.5 of b, in whole draws.
    assert [body["draws"] for body in reports(service)] == [{"a": 600, "b": 0}, {"a": 840, "b": 160}]


def test_a_run_that_resumes_close_to_its_end_reports_it_too(service: Scripted) -> None:
    client = AllocationClient(service.url, queue=":memory:")
    with MixtureCallback("run", ["a", "b"], 1_000, 100, client=client, lag=0) as mixture:
        for _ in range(32):
            mixture.count("a", 30)
            if mixture.due:
                mixture.report({"a": 1.0, "b": 2.0})
        state = json.loads(json.dumps(mixture.state_dict()))
    old = {key: value for key, value in state.items() if key not in ("reported", "reported_at")}
    for kept in (state, old):  # a checkpoint of today, and one of an earlier version
        service.seen.clear()
        client = AllocationClient(service.url, queue=":memory:")
        with MixtureCallback("run", ["a", "b"], 1_000, 100, client=client, lag=0) as mixture:
            mixture.load_state_dict(kept)
            for _ in range(2):
                mixture.count("b", 30)
                if mixture.due:
                    mixture.report({"a": 1.0, "b": 2.0})
        assert [body["draws"] for body in reports(service)] == [{"a": 960, "b": 30}, {"a": 960, "b": 40}]


def test_the_service_takes_such_reports(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        client = AllocationClient(served.url, served.token())
        with MixtureCallback("run", ["a", "b"], 1_000, 130, client=client, lag=0, strict=True) as mixture:
            for step in range(34):
                mixture.count(mixture.choose(), 33 if step % 7 else 17)
                if mixture.due:
                    mixture.report({"a": 1.0 + 1 / mixture.position, "b": 2.0})
            status = client.status()
            assert status["position"] == 1_000
