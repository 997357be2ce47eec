"""ADO: its law is found again, and its rule follows the slope."""

import numpy as np
import pytest

from policies.rivals.ado import fit_power_laws
from tests.policies.rivals.training import follow, make


def curve(floor, prefactor, exponent, *, rows=40, noise=0.0, seed=0):
    draws = np.linspace(0.03, 1.0, rows)
    wobble = noise * np.random.default_rng(seed).standard_normal(rows)
    return np.column_stack([np.log(draws), np.log(floor + prefactor * draws**-exponent) + wobble])


def test_planted_power_laws_are_recovered():
    planted = [(0.3, 0.5, 0.4), (0.05, 1.0, 0.25), (1.2, 0.3, 0.6)]
    found = fit_power_laws([curve(*law) for law in planted])
    assert np.exp(found[:, 0]) == pytest.approx([law[0] for law in planted], rel=0.05, abs=0.02)
    assert found[:, 2] == pytest.approx([law[2] for law in planted], abs=0.02)


def test_slope_is_right_under_noise_and_curves_may_differ_in_length():
    planted = [(0.3, 0.5, 0.4), (0.05, 1.0, 0.25)]
    found = fit_power_laws([curve(*planted[0], noise=0.003), curve(*planted[1], noise=0.003, rows=25, seed=1)])
    speed = found[:, 2] * np.exp(found[:, 1])
    assert speed == pytest.approx([law[1] * law[2] for law in planted], rel=0.15)


def test_an_outlier_does_not_move_the_law():
    clean, spoilt = curve(0.3, 0.5, 0.4), curve(0.3, 0.5, 0.4)
    spoilt[20, 1] += 0.5
    assert fit_power_laws([spoilt])[0] == pytest.approx(fit_power_laws([clean])[0], abs=0.05)


def test_shares_follow_prior_times_learning_speed():
    """Two domains whose losses depend on all draws: rho ~ mu alpha beta n^-(alpha + 1) hbar^0.5."""
    policy = make("ado", {"a": 1_000, "b": 1_000}, keep=0.0, credit=0.0)

    def loss(draws):
        part = draws.sum() / 5_000
        return np.array([0.3 + 0.5 * part**-0.4, 0.3 + 0.1 * part**-0.4])

    assert follow(policy, loss)[-1].weights["a"] == pytest.approx(5 / 6, abs=0.01)


def test_running_mean_holds_back_nine_tenths():
    policy = make("ado", {"a": 1_000, "b": 1_000}, credit=0.0)

    def loss(draws):
        part = draws.sum() / 5_000
        return np.array([0.3 + 0.5 * part**-0.4, 0.3 + 0.1 * part**-0.4])

    follow(policy, loss, reports=20)
    state = policy._now
    rho = state["mean"]
    assert policy.propose().weights["a"] == pytest.approx(rho["a"], abs=0.02)
    assert state["count"] > 5


def test_natural_shares_until_there_are_laws():
    policy = make("ado", {"a": 900, "b": 100})
    decisions = follow(policy, lambda draws: 1.0 / (1.0 + draws) ** 0.1, reports=3)
    assert all(d.weights["a"] == pytest.approx(0.9) for d in decisions)
    assert decisions[2].reason == "start"


def test_refits_wait_for_a_60th_of_the_budget():
    policy = make("ado", {"a": 900, "b": 100}, intervals=2_000, interval=10)
    follow(policy, lambda draws: 1.0 / (10.0 + draws) ** 0.1, reports=1_000)
    fitted = policy._now["fitted"]
    assert 0.5 - 1 / 60 <= fitted <= 0.5
    assert policy._step(policy._now, policy._last, 10_010).state["fitted"] == fitted
    assert all(len(series) <= 128 for series in policy._now["curves"].values())


def test_the_mean_starts_at_the_natural_shares_and_does_not_hold_the_latest_preference():
    """Steps of the released code: p = 0.9 mean + 0.1 rho, and only then rho enters the mean."""
    setup = {"pools": {"a": 3_000, "b": 1_000}, "credit": 0.0, "warmup": 0.1, "least": 0.0}

    def loss(draws):
        n = draws.sum()
        return np.array([0.2 + 3.0 * n**-0.3, 0.2 + 3.0 * n**-0.6])

    alone = follow(make("ado", keep=0.0, **setup), loss)
    first = next(i for i, d in enumerate(alone) if d.reason == "refit")
    mixed = follow(make("ado", keep=0.9, **setup), loss)
    assert mixed[first].weights["a"] == pytest.approx(0.9 * 0.75 + 0.1 * alone[first].weights["a"], abs=1e-9)
    mean = 0.75 + (alone[first].weights["a"] - 0.75) / first
    assert mixed[first + 1].weights["a"] == pytest.approx(0.9 * mean + 0.1 * alone[first + 1].weights["a"], abs=1e-6)
