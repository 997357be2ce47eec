"""Skill-It and Aioli: what they do with a graph, and that they learn it from their probes."""

import math

import numpy as np
import pytest

from policies.rivals.aioli import aioli_shares, learn_params, normalised
from policies.rivals.blocks import Block
from policies.rivals.mixtures import smoothed_one_hot
from policies.rivals.skill_it import skill_it_shares
from tests.policies.rivals.training import effective, follow, make

NAMES = ("a", "b", "c")
POOLS = dict.fromkeys(NAMES)
EQUAL = dict.fromkeys(NAMES, 1 / 3)
HUB = [[1.0, 0.0, 0.0], [0.9, 1.0, 0.0], [0.9, 0.0, 1.0]]  # a helps b and c


def test_skill_it_on_the_chain_of_the_paper():
    """a -> b -> c, weight 0.5 for an edge: p_j ~ exp(eta (L_j + 0.5 L_child)); a prerequisite is trained first."""
    chain = {"a": {"a": 1.0}, "b": {"a": 0.5, "b": 1.0}, "c": {"b": 0.5, "c": 1.0}}
    start = skill_it_shares(chain, {"a": 3.0, "b": 3.0, "c": 3.0}, EQUAL, 0.5, NAMES)
    assert start["a"] / start["c"] == pytest.approx(math.exp(0.5 * 1.5))
    assert start["a"] == pytest.approx(start["b"])
    later = skill_it_shares(chain, {"a": 0.3, "b": 0.3, "c": 3.0}, EQUAL, 0.5, NAMES)
    assert later["c"] > later["b"] > later["a"]


def test_skill_it_out_of_domain_trains_on_what_helps_the_only_target():
    graph = {"target": {"a": 1.0, "b": 0.2}}
    shares = skill_it_shares(graph, {"target": 3.0}, {"target": 1.0}, 1.0, ("a", "b"))
    assert shares["a"] / shares["b"] == pytest.approx(math.exp(3 * 0.8))


def test_skill_it_learns_a_planted_hub():
    policy = make("skill_it", POOLS, eta=2.0)
    decisions = follow(policy, effective(HUB))
    assert [d.reason for d in decisions[1:4]] == ["probe"] * 3
    graph = policy._now["graph"]
    assert graph["b"]["a"] > 0.3
    assert graph["c"]["a"] > 0.3
    assert graph["a"]["b"] < 0.05
    assert decisions[-1].weights["a"] > 0.5


def test_skill_it_without_room_for_probes_takes_the_identity():
    policy = make("skill_it", POOLS, intervals=5)
    assert follow(policy, effective(HUB))[-1].reason == "refit"
    assert policy._now["graph"] == {name: {name: 1.0} for name in NAMES}


def test_learn_params_solves_for_a_planted_matrix():
    """drop_i = A_i . p for each of the probes' mixtures p: A comes back exactly."""
    planted = np.array([[0.5, 0.1, 0.0], [0.3, 0.4, 0.05], [-0.02, 0.2, 0.6]])
    blocks = []
    for front in NAMES:
        mixture = smoothed_one_hot(front, NAMES, 0.5)
        drops = planted @ [mixture[name] for name in NAMES]
        blocks.append(Block(front, mixture, dict(zip(NAMES, drops, strict=True)), 0.0))
    graph = learn_params(blocks, NAMES, NAMES)
    assert [list(graph[i].values()) for i in NAMES] == pytest.approx(planted, abs=1e-12)
    assert learn_params(blocks[:2], NAMES, NAMES) == {}


def test_normalised_graph_has_no_negative_entry_and_sums_to_one():
    graph = normalised({"a": {"a": 0.4, "b": -0.1}, "b": {"a": 0.3, "b": 0.2}})
    assert graph["a"]["b"] == 0.0
    assert graph["a"]["a"] == pytest.approx(0.5 / 1.2)
    assert sum(value for row in graph.values() for value in row.values()) == pytest.approx(1.0)


def test_aioli_shares_by_hand():
    graph = {"a": {"a": 0.4, "b": 0.0}, "b": {"a": 0.4, "b": 0.2}}
    shares = aioli_shares(graph, {"a": 0.5, "b": 0.5}, 2.0, ("a", "b"))
    assert shares["a"] / shares["b"] == pytest.approx(math.exp(2 * (0.8 - 0.2)))


def test_aioli_probes_most_of_the_run_and_finds_the_hub():
    policy = make("aioli", POOLS, eta=20.0)
    decisions = follow(policy, effective(HUB))
    probes = [d.reason == "probe" for d in decisions[:50]]
    assert 0.5 < np.mean(probes) < 0.75
    column = {name: sum(row[name] for row in policy._now["graph"].values()) for name in NAMES}
    assert max(column, key=column.get) == "a"
    assert decisions[-1].weights["a"] > 0.5


def test_aioli_visits_every_domain_once_a_round_in_a_seeded_order():
    fronts = {}
    for seed in (0, 1, 2):
        policy = make("aioli", POOLS, seed=seed)
        decisions = [d for d in follow(policy, effective(HUB)) if d.reason == "probe"]
        fronts[seed] = [max(d.weights, key=d.weights.get) for d in decisions]
        assert {frozenset(fronts[seed][k : k + 3]) for k in range(0, 30, 3)} == {frozenset(NAMES)}
        assert decisions[0].weights[fronts[seed][0]] == pytest.approx(0.75)
    assert len({tuple(order) for order in fronts.values()}) == 3
