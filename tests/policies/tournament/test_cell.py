"""One cell: what it reports is what happened, on our worlds and on any that has four names."""

import dataclasses
import json
import math

import numpy as np
import pytest

from policies import BasePolicy, Decision, Domain, LossReport, make_policy
from policies.records import Interval
from policies.tournament import CellResult, run_cell
from policies.tournament.own_power import carried_forward
from policies.worlds import make_world
from policies.worlds.oracle import static_oracle


def as_json(result):
    return json.loads(json.dumps(result.to_dict(), allow_nan=False))


@pytest.mark.parametrize("name", ["hubs", "small_pools", "drift_join"])
def test_uniform_ends_where_uniform_ends(name):
    result = run_cell("uniform", (name, 4, 0.01), seed=3)
    assert result.score == pytest.approx(result.uniform, abs=1e-12)
    assert result.oracle <= result.uniform
    assert result.worst_target == pytest.approx(0, abs=1e-12)
    assert not result.left_baseline
    assert (result.policy, result.world, result.K, result.seed, result.noise) == ("uniform", name, 4, 3, 0.01)
    assert CellResult.from_dict(as_json(result)) == result


def test_proportional_ends_where_proportional_ends():
    result = run_cell("proportional", ("islands", 5, 0.01), seed=1)
    assert result.score == pytest.approx(result.proportional, abs=1e-12)
    assert result.score > result.uniform
    assert result.worst_target > 0
    assert result.left_baseline


def test_the_oracle_s_mixture_reaches_the_oracle():
    world = make_world("one_way_hubs", 5, seed=2, noise=0.01)
    best = static_oracle(world)
    result = run_cell("fixed", world, seed=0, options={"weights": best.weights})
    assert result.score == pytest.approx(result.oracle, abs=1e-9)
    assert world.position == 0


def test_a_policy_with_a_law_learns_publishes_and_is_checked():
    result = run_cell("own_law", ("islands", 2, 0.003), seed=0)
    assert result.refits > 10
    plan = result.plan30
    assert plan["position"] == 6000
    assert set(plan["predicted"]) == set(plan["truth"]) == {"d0", "d1"}
    assert plan["truth_mean"] == pytest.approx(np.log(list(plan["truth"].values())).mean())
    for name, value in plan["predicted"].items():
        assert abs(math.log(value["mean"] / plan["truth"][name])) < 0.1
    ahead = plan["ahead"]
    assert [row["factor"] for row in ahead] == [f for f in (2, 4, 8, 16) for _ in range(2)]
    assert all(row["truth"] < 0 and row["low"] <= row["law"] <= row["high"] for row in ahead)
    assert max(abs(row["own"] - row["truth"]) for row in ahead if row["factor"] == 2) < 0.1
    assert as_json(result) == as_json(CellResult.from_dict(as_json(result)))


class Prober(BasePolicy):
    """Probes the first domain for a fifth of the run, then leaves the baseline, and publishes a gain."""

    name = "prober"

    def _decide(self, position):
        shares = dict(zip(self.names, np.full(len(self.names), 0.5 / (len(self.names) - 1)).tolist(), strict=True))
        shares[self.names[0]] = 0.5
        if position < 0.2 * self.budget:
            return Decision(position, shares, "probe")
        predicted = dict.fromkeys(self.names, Interval(1.0, 0.9, 1.1))
        return Decision(position, shares, "refit", predicted=predicted, gain=Interval(0.1, 0.0, 0.2))


def test_probes_are_counted_and_a_frozen_plan_is_rolled_out():
    world = make_world("hubs", 4, seed=1, noise=0.01)
    result = run_cell(Prober, world, seed=0)
    assert result.policy == "prober"
    assert result.probing == pytest.approx(0.2)
    assert result.left_baseline
    plan = result.plan30
    assert plan["truth_mean"] == pytest.approx(result.score)  # it never changed its mind
    assert plan["gain"] == {"mean": 0.1, "low": 0.0, "high": 0.2}
    assert plan["truth_gain"] == pytest.approx(result.uniform - result.score)
    assert plan["ahead"] == []


def test_the_same_cell_twice_is_the_same():
    cells = [run_cell(Prober, ("plateau", 3, 0.01), seed=4) for _ in range(2)]
    assert cells[0] == cells[1]
    assert run_cell(Prober, ("plateau", 3, 0.01), seed=5).score != cells[0].score


def test_only_probing_does_not_leave_the_baseline():
    class OnlyProbes(Prober):
        def _decide(self, position):
            return dataclasses.replace(super()._decide(0), position=position)

    assert not run_cell(OnlyProbes, ("hubs", 4, 0.01), seed=0).left_baseline


class Hidden:
    """A stranger's world: four names and nothing else."""

    def __init__(self):
        self.domains = [Domain("ct", pool=3000), Domain("pet", pool=50)]
        self.budget = 5000
        self._n = {"ct": 0.0, "pet": 0.0}

    def _losses(self):
        return {name: 0.3 + (n + 20) ** -0.3 for name, n in self._n.items()}

    def advance(self, weights, draws):
        for name, share in weights.items():
            self._n[name] += share * draws
        return LossReport(round(sum(self._n.values())), dict(self._n), self._losses())

    def score(self):
        return float(np.mean(np.log(list(self._losses().values()))))


@pytest.mark.parametrize("policy", ["uniform", "proportional", "own_law"])
def test_four_names_are_enough(policy):
    world = Hidden()
    if policy == "own_law":
        world.interval = 500  # fewer refits
    result = run_cell(policy, world, seed=0)
    assert math.isfinite(result.score)
    assert math.isnan(result.uniform)
    assert math.isnan(result.oracle)
    assert math.isnan(result.worst_target)
    assert result.world == "Hidden"
    assert result.plan30["truth"] is None
    assert math.isfinite(result.plan30["truth_mean"])
    assert CellResult.from_dict(as_json(result)).to_dict() == result.to_dict()


class Leaving(Hidden):
    """A domain leaves in mid-run; the report of that moment still speaks of it. `losses` means something else."""

    losses = "not a function"

    def fresh(self):
        return type(self)()

    def advance(self, weights, draws):
        self._n = {name: self._n[name] for name in weights}
        self._total = getattr(self, "_total", 0) + draws
        for name, share in weights.items():
            self._n[name] += share * draws
        if self._total >= 2000:
            self.domains = [domain for domain in self.domains if domain.name != "pet"]
        return LossReport(self._total, dict(self._n), self._losses())


def test_a_domain_may_leave_a_stranger_s_world():
    result = run_cell("uniform", Leaving(), seed=0)
    assert result.K == 1
    assert result.score == pytest.approx(result.uniform)
    assert result.plan30["truth_gain"] == pytest.approx(0)


def test_a_power_law_carried_forward():
    draws = np.linspace(200, 3000, 15)

    def loss(n):
        return 0.2 + 5 * n**-0.35

    reports = [LossReport(int(3 * n), {"a": n, "b": 2 * n}, {"a": loss(n), "other": loss(3 * n)}) for n in draws]
    ahead = np.array([[3000.0, 6000.0], [24_000.0, 48_000.0]])
    carried = np.exp(carried_forward(reports, ("a", "b"), ("a", "other"), ahead))
    np.testing.assert_allclose(carried[:, 0], loss(ahead[:, 0]), rtol=0.01)
    np.testing.assert_allclose(carried[:, 1], loss(ahead.sum(axis=1)), rtol=0.01)


def test_lr_plans_and_targets_reach_the_policy():
    seen = {}

    def factory(domains, budget, **arguments):
        seen.update(arguments)
        return make_policy("uniform", domains, budget, **arguments)

    run_cell(factory, ("lr_schedule", 3, 0.01), seed=0)
    assert len(seen["lr_plan"]) > 50
    assert seen["interval"] == 400
    assert seen["targets"] is None
