"""The callback in a loop: when it reports, when the answer applies, and that nothing of it stops training."""

from __future__ import annotations

import json
import logging
import math
import random
import time
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from service.client import AllocationClient, MixtureCallback, Refused, Unauthorized, Unreachable, WrongSettings
from tests.service.client.scripted import Said, Scripted, Seen, answer

pytestmark = pytest.mark.usefixtures("token")


def mixture_at(position: int) -> dict[str, float]:
    """What this server answers to a report: another mixture at each position."""
    share = 0.1 + (position // 100 % 8) * 0.1
    return {"a": share, "b": 1 - share}


def moving(seen: Seen) -> Said:
    if seen.path == "/v1/allocations":
        return Said(201, {"id": "a-1", "name": seen.body["name"], **answer(0, {"a": 0.5, "b": 0.5})})
    return Said(200, answer(seen.body["position"], mixture_at(seen.body["position"])))


@pytest.fixture
def service(weather: Scripted) -> Scripted:
    weather.otherwise = moving
    return weather


def callback(service: Scripted, **more: Any) -> MixtureCallback:
    more.setdefault("client", AllocationClient(service.url, queue=":memory:", deadline=1.5))
    return MixtureCallback("run", ["a", "b"], budget=1_000, interval=100, **more)


def train(mixture: MixtureCallback, draws: int, batch: int = 10) -> list[tuple[int, str, float]]:
    """Position, domain and share of `a` at each step of a loop; reports whenever it is due."""
    trace = []
    for _ in range(draws // batch):
        domain = mixture.choose()
        trace.append((mixture.position, domain, mixture.weights["a"]))
        mixture.count(domain, batch, loss=1.5, lr=0.01)
        if mixture.due:
            mixture.report({"a": 1.0, "b": 2.0})
    return trace


def reports(service: Scripted) -> list[dict[str, Any]]:
    return [seen.body for seen in service.seen if seen.path.endswith("/reports")]


@pytest.mark.parametrize(("lag", "at"), [(0, 0), (None, 30), (50, 50)])
def test_answers_apply_at_the_agreed_draw(service: Scripted, lag: int | None, at: int) -> None:
    with callback(service, lag=lag) as mixture:
        trace = train(mixture, 1_000)
    for position, _, share in trace:
        answered = (position - at) // 100 * 100
        assert share == pytest.approx(mixture_at(answered)["a"] if answered >= 100 else 0.5), position


def test_reports_hold_what_was_counted(service: Scripted) -> None:
    with callback(service, lag=0) as mixture:
        trace = train(mixture, 300)
    drawn = Counter(domain for position, domain, _ in trace for _ in range(10))
    sent = reports(service)
    assert [body["position"] for body in sent] == [100, 200, 300]
    assert sent[-1]["draws"] == dict(drawn)
    assert sent[-1]["eval_loss"] == {"a": 1.0, "b": 2.0}
    assert sum(body["train_count"][name] for body in sent for name in body["train_count"]) == 300
    assert set(sent[-1]["train_loss"].values()) == {1.5}
    assert sent[-1]["lr_sum"] == pytest.approx(0.3)


def test_training_does_not_wait_for_a_slow_service(service: Scripted) -> None:
    def slow(seen: Seen) -> Said:
        time.sleep(1.0 if seen.path.endswith("/reports") else 0)
        return moving(seen)

    service.otherwise = slow
    with callback(service, patience=5) as mixture:
        mixture.start()
        mixture.count("a", 100)
        before = time.monotonic()
        mixture.report({"a": 1.0, "b": 1.0})
        mixture.count("a", 20)
        assert time.monotonic() - before < 0.5
        mixture.count("a", 10)
        assert mixture.weights == pytest.approx(mixture_at(100))


def test_a_late_answer_is_taken_at_the_next_boundary(service: Scripted) -> None:
    def slow(seen: Seen) -> Said:
        time.sleep(0.3 if seen.path.endswith("/reports") and seen.body["position"] == 100 else 0)
        return moving(seen)

    service.otherwise = slow
    with callback(service, patience=0.01) as mixture:
        mixture.count("a", 100)
        mixture.report({"a": 1.0, "b": 1.0})
        mixture.count("a", 50)
        assert mixture.weights["a"] == 0.5
        time.sleep(0.5)
        mixture.count("a", 50)
        mixture.report({"a": 1.0, "b": 1.0})
        mixture.count("a", 50)
        assert mixture.weights == pytest.approx(mixture_at(200))


@pytest.mark.parametrize("trouble", [Said(500), Said(503), Said(401), Said(404), Said(409), Said(422), Said(200, b"x")])
def test_nothing_the_service_does_stops_training(
    service: Scripted, trouble: Said, caplog: pytest.LogCaptureFixture
) -> None:
    with callback(service, lag=0) as mixture:
        train(mixture, 100)
        kept = mixture.weights
        service.otherwise = lambda seen: trouble
        with caplog.at_level(logging.WARNING, "isthmus"):
            trace = train(mixture, 600)
        assert {share for _, _, share in trace} == {kept["a"]}
        said = [record.message for record in caplog.records]
        refused = trouble.status in (401, 404, 409, 422)
        assert len(said) == (2 if refused else 1), said
        assert ("THIS RUN IS NOT STEERED" in said[-1]) == refused
        service.otherwise = moving
        service.seen.clear()
        train(mixture, 100)
        assert mixture.weights == pytest.approx(mixture_at(800))
    # What can be mended waits and is sent again; what never can be, is set aside.
    waited = [800] if trouble.status in (409, 422) else [200, 300, 400, 500, 600, 700, 800]
    assert [body["position"] for body in reports(service)] == waited


def test_a_service_that_comes_late_gets_everything(service: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    service.otherwise = lambda seen: Said(503)
    with callback(service, lag=0) as mixture:
        assert mixture.weights == {"a": 0.5, "b": 0.5}
        train(mixture, 300)
        service.otherwise, _ = moving, service.seen.clear()
        train(mixture, 100)
    assert [body["position"] for body in reports(service)] == [100, 200, 300, 400]
    assert len(caplog.records) == 1


def test_what_only_a_person_can_mend_is_said_before_the_first_draw(service: Scripted) -> None:
    for said, kind in ((Said(401), Unauthorized), (Said(422, {"detail": "interval is 0"}), Refused)):
        service.script = [said]
        mixture = callback(service)
        with pytest.raises(kind):
            mixture.choose()
        mixture.close()


def test_strict_raises(service: Scripted) -> None:
    with callback(service, lag=0, strict=True) as mixture:
        train(mixture, 90)
        service.otherwise = lambda seen: Said(422, {"detail": "no"})
        with pytest.raises(Refused):
            train(mixture, 10)
        with pytest.raises(ValueError, match="'c' is no domain of this run; known are a, b"):
            mixture.count("c")
        service.otherwise = lambda seen: Said(503)
        with pytest.raises(Unreachable):
            train(mixture, 100)


def test_losses_that_diverged_are_not_measured(service: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    with callback(service, lag=0) as mixture:
        mixture.count("a", 100, loss=math.nan)
        mixture.report({"a": torch.tensor(float("inf")), "b": np.float32(2)})
        assert mixture.weights == pytest.approx(mixture_at(100))
    assert reports(service)[0]["eval_loss"] == {"a": None, "b": 2.0}
    assert reports(service)[0]["train_loss"] is None
    assert "eval_loss of 'a' is inf" in caplog.text


def test_a_resumed_run_draws_what_the_first_would_have(service: Scripted) -> None:
    with callback(service) as mixture:
        whole = train(mixture, 800)
    for stop in (90, 100, 120, 470):
        with callback(service) as first:
            begun = train(first, stop)
            state = json.loads(json.dumps(first.state_dict()))
            train(first, 50)
        with callback(service) as second:
            second.load_state_dict(state)
            assert begun + train(second, 800 - stop) == whole, stop


@pytest.mark.parametrize(
    "generator", [random.Random(1), np.random.default_rng(1), torch.Generator().manual_seed(1), random.Random(1).random]
)
def test_choices_follow_the_shares(service: Scripted, generator: Any) -> None:
    with callback(service) as mixture:
        mixture.start()
        mixture._desk.weights = {"a": 0.2, "b": 0.8}
        share = sum(mixture.choose(generator) == "a" for _ in range(2_000)) / 2_000
        own = sum(mixture.choose() == "a" for _ in range(2_000)) / 2_000
    assert share == pytest.approx(0.2, abs=0.03)
    assert own == pytest.approx(0.2, abs=0.03)


def test_batches_of_names_and_numbers(service: Scripted) -> None:
    with callback(service) as mixture:
        mixture.count(["a", "b", "b"])
        mixture.count(torch.tensor([0, 1, 1, 1]), loss=torch.tensor([1.0, 2.0, 2.0, 2.0]))
        mixture.count(np.array([1]))
        assert mixture.draws == {"a": 2, "b": 6}
        assert mixture.position == 8


def test_items_get_their_share_of_the_domain(service: Scripted) -> None:
    with callback(service) as mixture:
        mixture.start()
        mixture._desk.weights = {"a": 0.2, "b": 0.8}
        assert mixture.probabilities(["a", "a", "b", "a", "a"]) == pytest.approx([0.05, 0.05, 0.8, 0.05, 0.05])
        assert mixture.probabilities(["a", "a"]) == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("workers", [0, 2])
def test_the_sampler_feeds_a_loader_with_workers(service: Scripted, workers: int) -> None:
    data = torch.utils.data.ConcatDataset(
        [torch.utils.data.TensorDataset(torch.full((n,), i)) for i, n in ((0, 7), (1, 5))]
    )
    with callback(service, lag=0) as mixture:
        loader = torch.utils.data.DataLoader(
            data, batch_size=10, sampler=mixture.sampler({"a": 7, "b": 5}), num_workers=workers
        )
        for (domains,) in loader:
            mixture.count(domains)
            if mixture.due:
                mixture.report({"a": 1.0, "b": 1.0})
        assert mixture.position == 1_000
    sent = reports(service)
    # 100 draws at 0.8, which follow 100 at 0.7 and precede 100 at 0.1; workers have fetched some of them ahead.
    eighth = sent[7]["draws"]["a"] - sent[6]["draws"]["a"]
    ninth = sent[8]["draws"]["a"] - sent[7]["draws"]["a"]
    assert eighth > 65
    assert ninth < 25 if workers == 0 else 25 < ninth < 65


def test_items_come_once_an_epoch(service: Scripted) -> None:
    with callback(service) as mixture:
        sampler = mixture.sampler({"a": 10, "b": 5}, length=200)
        seen = list(sampler)
        assert seen == list(sampler)
        only_a = [index for index in seen if index < 10]
    for first in range(0, len(only_a) - 10, 10):
        assert sorted(only_a[first : first + 10]) == list(range(10))
    assert only_a[:10] != only_a[10:20]


def test_a_site_that_joins_is_reported_and_can_be_drawn_from(service: Scripted) -> None:
    def grown(seen: Seen) -> Said:
        return Said(200, answer(seen.body["position"], {"a": 0.2, "b": 0.2, "c": 0.6}))

    with callback(service, lag=0) as mixture:
        train(mixture, 90)
        service.otherwise = grown
        train(mixture, 10)
        assert mixture.weights == pytest.approx({"a": 0.5, "b": 0.5})
        mixture.offer("c")
        assert mixture.weights == pytest.approx({"a": 0.2, "b": 0.2, "c": 0.6})
        train(mixture, 100)
    assert set(reports(service)[-1]["draws"]) == {"a", "b", "c"}
    assert reports(service)[-1]["eval_loss"]["c"] is None


def test_ranks_that_do_not_know_each_other_yet(service: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    mixture = callback(service)
    mixture.sampler({"a": 1, "b": 1})
    with pytest.raises(WrongSettings, match=r"WORLD_SIZE is 4 .* init_process_group"):
        mixture.choose()
    assert service.seen == []
    monkeypatch.delenv("WORLD_SIZE")
    assert mixture.choose() in ("a", "b")
    mixture.close()


def test_epochs_are_enough(service: Scripted) -> None:
    with callback(service, lag=0) as mixture:
        for _ in range(4):
            mixture.on_epoch_end({"a": 1.0, "b": 1.0}, draws={"a": 20, "b": 30}, train_loss={"a": 2.0})
    assert [body["position"] for body in reports(service)] == [100, 200]
    assert reports(service)[-1]["draws"] == {"a": 80, "b": 120}


def test_beyond_the_budget_nothing_is_reported(service: Scripted) -> None:
    with callback(service, lag=0) as mixture:
        train(mixture, 1_200)
    assert reports(service)[-1]["position"] == 1_000
