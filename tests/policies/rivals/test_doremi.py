"""DoReMi: the exponentiated-gradient step, its fixed point, and the phases within one run."""

import math

import numpy as np
import pytest

from policies.rivals.doremi import dro_step, excess_losses, forecast
from policies.rivals.mixtures import known_logs
from tests.policies.rivals.training import follow, make

POOLS = {"a": None, "b": None, "c": None}


def shares(logs):
    return {name: math.exp(log) for name, log in logs.items()}


def test_one_step_by_hand():
    """From uniform, an excess of ln 2 against 0 and eta = 1 doubles the odds; then a part c of uniform is added."""
    start = known_logs({}, "ab")
    plain = dro_step(start, {"a": math.log(2), "b": 0.0}, eta=1.0, smoothing=0.0)
    assert shares(plain) == pytest.approx({"a": 2 / 3, "b": 1 / 3})
    smooth = dro_step(start, {"a": math.log(2), "b": 0.0}, eta=1.0, smoothing=0.3)
    assert shares(smooth)["a"] == pytest.approx(0.7 * 2 / 3 + 0.15)


def test_only_an_excess_counts():
    assert excess_losses({"a": 1.0, "b": 3.0, "c": 1.0}, {"a": 2.0, "b": 2.5}) == {"a": 0.0, "b": 0.5}


def test_averaged_weights_equalise_the_excess():
    """Group DRO on losses that fall with a domain's weight: the worst excess is least where all are equal."""
    logs, total = known_logs({}, "abc"), dict.fromkeys("abc", 0.0)
    height = {"a": 1.0, "b": 1.5, "c": 2.0}
    for _ in range(4_000):
        p = shares(logs)
        logs = dro_step(logs, {name: height[name] * math.exp(-2 * p[name]) for name in p}, eta=0.2, smoothing=1e-3)
        total = {name: total[name] + p[name] for name in p}
    left = [height[name] * math.exp(-2 * total[name] / 4_000) for name in "abc"]
    assert max(left) / min(left) < 1.02


def test_weights_survive_a_hundred_thousand_one_sided_steps():
    logs = known_logs({}, "abc")
    for _ in range(100_000):
        logs = dro_step(logs, {"a": 50.0}, eta=1.0, smoothing=1e-3)
    assert shares(logs)["b"] == pytest.approx(1e-3 / 3)
    assert sum(shares(logs).values()) == pytest.approx(1.0)


def test_forecast_follows_a_power_law_and_never_rises():
    series = [[math.log(n), math.log(2.0 * n**-0.3)] for n in (100, 200, 300, 400)]
    assert forecast(series, math.log(1_000)) == pytest.approx(math.log(2.0 * 1_000**-0.3))
    assert forecast([[0.0, 1.0], [1.0, 2.0]], 5.0) == pytest.approx(1.5)


def test_phases_then_the_mean_for_good():
    policy = make("doremi", POOLS)
    losses = np.array([1.0, 1.0, 1.0])
    exponents = np.array([0.5, 0.1, 0.1])
    decisions = follow(policy, lambda draws: losses * (draws.sum() / 5_000 + 0.01) ** -exponents)
    assert {d.reason for d in decisions[:5]} == {"start"}
    assert {d.reason for d in decisions[5:15]} == {"refit"}
    assert {d.reason for d in decisions[15:]} == {"fixed"}
    assert decisions[15].weights == decisions[50].weights
    middle = [d.weights["a"] for d in decisions[5:15]]
    assert decisions[20].weights["a"] == pytest.approx(np.mean(middle))
    assert decisions[20].weights["a"] > 0.5  # what falls fastest has most left to learn
