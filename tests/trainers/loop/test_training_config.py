"""The `train:` and `ray:` parts of the configuration, and the figures that follow from them."""

from __future__ import annotations

import itertools
import math

import pytest
from pydantic import ValidationError

from policies.records import BadSetup
from trainers.config.training import FORWARD_COST, RayConfig, TrainConfig, check_times, eval_crops_for
from trainers.loop import learning_rate, rate_sum


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rate": 1}, "learning_rate"),
        ({"lr": 0}, "greater than 0"),
        ({"lr": math.nan}, "finite"),
        ({"lr": 1e-4, "min_lr": 1e-3}, "min_lr is 0.001, above lr = 0.0001"),
        ({"global_batch": 8, "micro_batch": 16}, "micro_batch is 16, above global_batch = 8"),
        ({"betas": (0.9, 1.0)}, r"betas are \(0.9, 1.0\)"),
        ({"precision": "fp16"}, "fp32"),
    ],
)
def test_a_wrong_value_is_named(values, message):
    with pytest.raises(ValidationError, match=message):
        TrainConfig.model_validate(values)


def test_workers_are_written_fewest_first():
    assert RayConfig(workers=(1, 3)).most_workers == 3
    with pytest.raises(ValidationError, match="fewest first"):
        RayConfig(workers=(3, 1))


@pytest.mark.parametrize(
    ("train", "budget", "interval", "message"),
    [
        ({"global_batch": 8}, 640, 100, "set interval to 96"),
        ({"global_batch": 8}, 650, 64, "set budget to 640"),
        ({"global_batch": 8, "decision_lag": 20}, 640, 64, "decision_lag is 20.*set it to 24"),
        ({"global_batch": 8, "decision_lag": 64}, 640, 64, "decision_lag is 64, not below the interval"),
        ({"global_batch": 8, "loader_workers": 4}, 640, 64, "set interval to at least 96, or lower loader_workers"),
        ({"global_batch": 8, "warmup": 700}, 640, 64, "warmup is 700 draws"),
    ],
)
def test_lengths_that_do_not_fit_say_what_to_set(train, budget, interval, message):
    with pytest.raises(BadSetup, match=message):
        check_times(TrainConfig(**train), budget, interval)


@pytest.mark.parametrize("interval", [48, 64, 80, 1024])
def test_the_default_lag_always_fits(interval):
    train = TrainConfig(global_batch=8, loader_workers=1)
    check_times(train, 10 * interval, interval)
    assert train.lag(interval) % 8 == 0


@pytest.mark.parametrize(("budget", "interval", "domains"), [(40_000, 2_000, 5), (8_000, 800, 7), (10**7, 10**5, 20)])
def test_evaluation_stays_below_its_share(budget, interval, domains):
    train = TrainConfig(eval_fraction=0.05, max_eval_crops=10**6)
    crops = eval_crops_for(train, budget, interval, domains)

    def share(n: int) -> float:
        evaluation = budget // interval * domains * n * FORWARD_COST
        return evaluation / (evaluation + budget)

    assert share(crops) <= 0.05 < share(crops + 1)


def test_too_little_for_evaluation_says_what_to_set():
    with pytest.raises(BadSetup, match="set interval to at least 89 draws, or raise eval_fraction"):
        eval_crops_for(TrainConfig(), 640, 64, 7)
    assert eval_crops_for(TrainConfig(), 89 * 100, 89, 7) == 2


def test_the_rate_climbs_stays_and_falls():
    train = TrainConfig(global_batch=10, lr=1.0, warmup=100, decay_fraction=0.2)
    rates = {p: learning_rate(train, 1000, p) for p in range(0, 1000, 10)}
    assert rates[0] == pytest.approx(0.1)
    assert rates[90] == rates[500] == rates[790] == 1.0
    assert rates[900] == pytest.approx(0.5)
    assert 0 < rates[990] <= 0.05 + 1e-12
    assert rate_sum(train, 1000, 200) == pytest.approx(sum(rates[p] for p in range(0, 200, 10)))


def test_cosine_falls_from_the_end_of_the_warmup():
    train = TrainConfig(global_batch=10, lr=1.0, min_lr=0.1, warmup=0.1, schedule="cosine")
    rates = [learning_rate(train, 1000, p) for p in range(100, 1000, 10)]
    assert all(a > b for a, b in itertools.pairwise(rates))
    assert rates[0] == pytest.approx(1.0)
    assert rates[45] == pytest.approx(0.55)
    assert rates[-1] == pytest.approx(0.1, abs=0.001)
