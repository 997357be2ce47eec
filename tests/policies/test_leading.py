"""Gradient products lead past the sweeps where a law can give them, and only as long as losses do not refute them."""

import dataclasses
import functools
import json

import numpy as np
import pytest

from policies import load_policy, make_policy, make_world
from policies.laws.products import Belief
from policies.laws.warm import DOUBTED, STRANGE, WarmStart
from policies.tournament.rollout import hold
from policies.transfer_law.policy import UNPROBED
from policies.transfer_law.state import State

LEFT = 0.04  # of the budget: after the start


def of_another_domain(report):
    """The report with each domain's products under the name of the domain before it."""
    turned = {
        target: dict(zip(row, np.roll(list(row.values()), 1).tolist(), strict=True))
        for target, row in report.grad_dot.items()
    }
    return dataclasses.replace(report, grad_dot=turned)


@functools.cache
def led(name, K, seed, shown=lambda report: report, until=1.0, noise=0.01, copied=False):
    """The world, the decisions, the policy, and what uniform would have come to by then."""
    world = make_world(name, K, seed=seed, noise=noise)
    uniform = world.fresh()
    hold(uniform, lambda domains: {domain.name: 1 / K for domain in domains}, int(until * world.budget))
    policy = make_policy("transfer_law", world.domains, world.budget, interval=world.interval)
    decisions = []
    while world.position < until * world.budget:
        decisions.append(policy.propose())
        policy.observe(shown(world.advance(decisions[-1].weights, world.interval)))
        if copied:
            policy = load_policy(json.loads(json.dumps(policy.dump())))
    return world, decisions, policy, uniform.score()


def fronts(decisions):
    return [d.detail.split(" in front")[0].split(" and ") for d in decisions if d.reason == "probe"]


def test_products_that_the_law_can_give_need_no_probe():
    world, decisions, _, uniform = led("hubs", 5, 7002)
    assert "probe" not in {d.reason for d in decisions}
    first = next(d for d in decisions if d.reason == "refit")
    assert first.position == LEFT * world.budget
    assert first.detail.endswith(UNPROBED)
    assert sum(UNPROBED in d.detail for d in decisions) == 1
    assert world.score() < uniform - 0.005


def test_products_that_no_law_can_give_only_shorten_the_first_sweep():
    """Mixing by exponentials: a part of the products is negative, as what one domain is given others do without."""
    _, decisions, policy, _ = led("exp_mixing", 5, 4001, until=0.2)
    assert fronts(decisions)[:4] == [["d0", "d1"], ["d2", "d3"], ["d4"], ["d4"]]
    warm = policy._now.warm
    assert warm.told
    assert not warm.plain


def test_losses_that_refute_the_products_bring_the_sweeps_back():
    world, decisions, policy, uniform = led("hubs", 8, 5002, of_another_domain)
    start, step = LEFT * world.budget, world.interval
    assert [d.reason for d in decisions if d.position in (start, start + step)] == ["refit", "probe"]
    again = decisions[int(start / step) + 1 :]
    assert again[0].detail.endswith("as losses contradict the gradient products")
    assert fronts(again)[:3] == [["d0", "d1", "d2"], ["d3", "d4", "d5"], ["d6", "d7"]]
    assert {name for front in fronts(again)[3:] for name in front} == set(again[0].weights), "and each of them alone"
    assert policy._now.led is False
    assert world.score() < uniform + 0.002


def test_a_copy_leads_and_is_refuted_as_the_policy_is():
    for name, K, seed, shown in (("hubs", 5, 7002, None), ("hubs", 8, 5002, of_another_domain)):
        rest = {} if shown is None else {"shown": shown}
        assert led(name, K, seed, until=0.2, copied=True, **rest)[1] == led(name, K, seed, until=0.2, **rest)[1]


@pytest.mark.parametrize(
    ("beliefs", "told", "plain", "refuted"),
    [
        ((), False, False, False),
        ((Belief(STRANGE, 1.0), Belief(0.05, 1.0)), True, True, False),
        ((Belief(STRANGE + 0.01, 1.0), Belief(0.05, 1.0)), True, False, False),
        ((Belief(0.05, DOUBTED), Belief(0.05, 1.0)), False, False, False),
        ((Belief(0.05, DOUBTED), Belief(0.4, DOUBTED)), False, False, True),
    ],
)
def test_what_is_believed_of_products(beliefs, told, plain, refuted):
    none = np.zeros(0)
    warm = WarmStart((), (), (), 1.0, 1.0, 1.0, none, none, (), (), (), beliefs)
    assert (warm.told, warm.plain, warm.refuted) == (told, plain, refuted)


def test_refuted_late_they_bring_no_sweeps_back():
    world, _, policy, _ = led("hubs", 5, 7002, until=0.3)
    refuted = dataclasses.replace(policy._now.warm, beliefs=(Belief(0.1, 5.0), Belief(0.1, 5.0)))
    state = dataclasses.replace(policy._now, warm=refuted)
    assert policy._misled(int(0.2 * world.budget), state)
    assert not policy._misled(int(0.2 * world.budget) + world.interval, state)
    assert not policy._misled(1_200, dataclasses.replace(state, led=None)), "they have led nowhere"


def test_a_state_of_before_products_led_is_read():
    old = State(None, 600, {"ct": 1.0}, True, 3, 4_000, told=True).to_dict()
    del old["led"]
    assert State.from_dict(old).led is None
