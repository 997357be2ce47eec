"""DoGE: the mirror step on gradient products, its units, the average at the end."""

import json
import math

import pytest

from policies import Domain, LossReport, load_policy
from policies.rivals.doge import doge_scores
from tests.policies.rivals.training import effective, follow, make

NAMES = ("a", "b", "c")
POOLS = dict.fromkeys(NAMES)
EQUAL = dict.fromkeys(NAMES, 1 / 3)
PRODUCTS = {  # a's gradient agrees with all others
    "a": {"a": 4.0, "b": 2.0, "c": 2.0},
    "b": {"a": 2.0, "b": 4.0, "c": -1.0},
    "c": {"a": 2.0, "b": -1.0, "c": 4.0},
}
FLAT = effective([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


def test_scores_leave_the_own_term_out_and_have_no_unit():
    assert doge_scores(PRODUCTS, EQUAL, NAMES) == pytest.approx({"a": 1.0, "b": 0.25, "c": 0.25})
    louder = {i: {j: 1e4 * value for j, value in row.items()} for i, row in PRODUCTS.items()}
    assert doge_scores(louder, EQUAL, NAMES) == pytest.approx(doge_scores(PRODUCTS, EQUAL, NAMES))


def test_scores_of_a_target_outside_the_domains():
    scores = doge_scores({"liver": {"a": 3.0, "b": 1.0}}, {"liver": 1.0}, ("a", "b"))
    assert scores == pytest.approx({"a": 1.5, "b": 0.5})


def test_what_was_not_measured_is_left_out():
    assert doge_scores({"a": {"b": math.nan}}, EQUAL, NAMES) == {}
    assert "c" not in doge_scores({"a": {"a": 1.0, "b": 0.5}}, EQUAL, NAMES)


def test_first_mirror_step_by_hand():
    policy = make("doge", POOLS, rate=0.05)
    weights = follow(policy, FLAT, reports=1, gradients=PRODUCTS)[-1].weights
    assert weights["a"] / weights["b"] == pytest.approx(math.exp(0.05 * (1.0 - 0.25)))


def test_scores_are_clipped_as_published():
    steep = {"a": {"a": 1.0, "b": 90.0, "c": -90.0}, "b": {"b": 1.0}, "c": {"c": 1.0}}
    weights = follow(make("doge", POOLS, rate=0.1), FLAT, reports=1, gradients=steep)[-1].weights
    assert weights["b"] / weights["c"] == pytest.approx(math.exp(0.1 * 5.0))


def test_average_stays_after_the_proxy_phase():
    policy = make("doge", POOLS, rate=0.5)
    decisions = follow(policy, FLAT, gradients=PRODUCTS)
    mean = sum(d.weights["a"] for d in decisions[1:15]) / 14
    assert decisions[15].weights["a"] == pytest.approx(mean)
    assert decisions[50].weights == decisions[15].weights
    assert load_policy(json.loads(json.dumps(policy.dump()))).propose() == policy.propose()


def test_without_products_the_baseline_is_kept():
    decision = follow(make("doge", POOLS), FLAT)[-1]
    assert decision.reason == "kept: no gradient products reported"
    assert decision.weights == pytest.approx(EQUAL)


def test_products_that_come_later_count_as_if_they_had_come_at_once():
    whole, parts = make("doge", POOLS), make("doge", POOLS)
    report = {"position": 100, "draws": dict.fromkeys(NAMES, 33.0), "eval_loss": dict.fromkeys(NAMES, 1.0)}
    whole.observe(LossReport(**report, grad_dot=PRODUCTS))
    parts.observe(LossReport(**report))
    parts.observe(LossReport(**report, grad_dot=PRODUCTS))
    assert parts.dump() == whole.dump()


def test_thirty_thousand_one_sided_steps_stay_finite():
    policy = make("doge", POOLS, until=1.0, rate=100.0, intervals=10**6)
    follow(policy, FLAT, reports=1, gradients=PRODUCTS)
    state = policy._now
    for _ in range(30_000):
        step = policy._step(state, policy._last, 200)
        state = step.state
    assert step.weights["a"] == 1.0
    assert all(math.isfinite(log) for log in state["logs"].values())


@pytest.mark.parametrize("part", [0.2, 0.3])
def test_one_that_joins_is_averaged_over_the_steps_it_was_there(part):
    policy = make("doge", {"a": None, "b": None}, rate=0.0, until=0.4)
    draws, joins = {"a": 0.0, "b": 0.0}, int(part * policy.budget)
    while len(draws) < 3 or policy.propose().reason != "fixed":
        position = int(sum(draws.values())) + policy.interval
        for name, share in policy.propose().weights.items():
            draws[name] = draws.get(name, 0.0) + policy.interval * share
        products = {name: dict.fromkeys(draws, 1.0) for name in draws}
        policy.observe(LossReport(position, dict(draws), dict.fromkeys(draws, 1.0), grad_dot=products))
        if position == joins:
            policy.update_domains(position, [Domain(name) for name in "abc"])
            draws["c"] = 0.0
    assert policy.propose().weights["c"] > 0.25  # its mean share is a third, of the others a half for a while
