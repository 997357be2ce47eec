"""ODM: the schedule of its exploration, a bandit it must win, both forms."""

import math

import numpy as np
import pytest

from policies import BadSetup
from policies.rivals.odm import exp3_shares, exploration
from tests.policies.rivals.training import follow, make

POOLS = {"a": None, "b": None, "c": None}


def test_exploration_of_the_pile_leaves_its_cap_after_k_ln_k_steps():
    """22 domains: 1/22 up to step 68 = 22 ln 22, then sqrt(ln 22 / (22 t))."""
    assert [exploration(22, step) for step in (0, 1, 68)] == [1 / 22] * 3
    assert exploration(22, 69) < 1 / 22
    assert exploration(22, 10_000) == pytest.approx(math.sqrt(math.log(22) / 220_000))


def test_exp3_shares_by_hand():
    floor, rate = exploration(2, 20), exploration(2, 19)
    greedy = math.exp(rate * 9) / (math.exp(rate * 9) + math.exp(rate * 4))
    assert exp3_shares({"a": 9.0, "b": 4.0}, 20)["a"] == pytest.approx((1 - 2 * floor) * greedy + floor)


def test_exp3_finds_the_arm_with_the_highest_reward():
    policy = make("odm", POOLS, form="exp3", intervals=3_000, interval=10)
    shares = [d.weights["b"] for d in follow(policy, lambda draws: np.array([0.6, 1.0, 0.4]))]
    assert shares[0] == pytest.approx(1 / 3)
    assert shares[300] < shares[1_000] < shares[3_000]
    assert shares[3_000] > 0.9
    assert policy.propose().weights["c"] >= exploration(3, 3_000)


def test_smoothed_form_is_proportional_to_smoothed_perplexity():
    policy = make("odm", POOLS, intervals=1_000)
    losses = iter(([2.0, 1.0, 1.0], [1.0, 1.0, 0.5]))
    follow(policy, lambda draws: np.array(next(losses)), reports=2)
    unit = 2.0 ** (1 / 3)  # the mean of the first logs
    smoothed = [0.9 * math.exp(10 * a / unit) + 0.1 * math.exp(10 * b / unit) for a, b in ((2, 1), (1, 1), (1, 0.5))]
    floor = exploration(3, 2)
    expected = [(1 - 3 * floor) * part / sum(smoothed) + floor for part in smoothed]
    assert list(policy.propose().weights.values()) == pytest.approx(expected)


def test_high_irreducible_loss_swallows_the_mixture():
    """The known fault of the rule, kept as published: what cannot be learnt looks worth learning."""
    policy = make("odm", POOLS, intervals=400)
    end = follow(policy, lambda draws: np.array([0.9, 0.2, 0.2]) + (draws + 10) ** -0.5)[-1]
    assert end.weights["a"] > 0.7


@pytest.mark.parametrize("form", ["smoothed", "exp3"])
def test_thirty_thousand_steps_stay_finite(form):
    policy, state = make("odm", POOLS, form=form, intervals=1_000_000), {}
    follow(policy, lambda draws: np.array([1e3, 1.0, 1e-3]), reports=1)
    report, state = policy._last, policy._now
    for _ in range(30_000):
        step = policy._step(state, report, 200)
        state = {**step.state, "draws": dict.fromkeys("abc", 0.0)}
    assert sum(step.weights.values()) == pytest.approx(1.0)
    rewards = dict.fromkeys("abc", 0.0) | {"a": 1e12}
    assert exp3_shares(rewards, 10**6)["a"] == pytest.approx(1 - 2 * exploration(3, 10**6))


def test_a_misspelt_form_is_refused():
    with pytest.raises(BadSetup, match=r"option form of 'odm' is 'exp'.*did you mean 'exp3'"):
        make("odm", POOLS, form="exp")
