"""The allocation is the optimum, keeps every bound, and its prices are slopes."""

import dataclasses

import numpy as np
import pytest
from scipy.optimize import minimize

from policies import BadSetup, Domain, fit_joint_law, plan_allocation
from policies.allocation.plan import optimise
from policies.allocation.problem import make_problem, published_gain
from tests.policies.worlds import World

NAMES = [str(j) for j in range(5)]


@pytest.fixture(scope="module")
def fitted():
    world = World("hub", 5, 1, 0.002)
    draws, losses = world.stream(0.4)
    law = fit_joint_law(draws, losses, pools=[1_000.0, np.inf, np.inf, np.inf, np.inf])
    return law, dict(zip(NAMES, draws[-1].tolist(), strict=True)), world.budget


def domains(**first):
    return [Domain("0", **{"pool": 1_000, **first}), *(Domain(name, min_share=0.02) for name in NAMES[1:])]


@pytest.mark.parametrize("objective", ["mean_log", "mean_excess"])
@pytest.mark.parametrize("first", [{}, {"max_epochs": 4}, {"max_share": 0.3}, {"cost": 3.0}])
def test_agrees_with_a_general_solver(fitted, objective, first):
    law, spent, budget = fitted
    problem = make_problem(law, domains=domains(**first), spent=spent, budget=budget, objective=objective)
    y, found, _ = optimise(problem)
    assert found.kkt < 1e-9
    G, h, _ = problem.feasible.linear()
    scale = problem.feasible.remaining / problem.feasible.cost

    def value(z):
        return problem.outlook.mean(problem.final_of(z))[0]

    general = minimize(
        value,
        np.full(5, 0.2),
        jac=lambda z: problem.outlook.mean(problem.final_of(z))[1] * scale,
        constraints=[
            {"type": "eq", "fun": lambda z: z.sum() - 1},
            {"type": "ineq", "fun": lambda z: h - G @ z, "jac": lambda _: -G},
        ],
        method="SLSQP",
        options={"ftol": 1e-13, "maxiter": 500},
    )
    assert value(y) <= general.fun + 1e-7
    assert np.all(G @ y <= h + 1e-8)


def test_bounds_are_kept_and_named(fitted):
    law, spent, budget = fitted
    plan = plan_allocation(law, domains=domains(max_share=0.25), spent=spent, budget=budget)
    assert sum(plan.weights.values()) == pytest.approx(1.0)
    assert plan.weights["0"] <= 0.25 + 1e-9
    assert all(plan.weights[name] >= 0.02 - 1e-9 for name in NAMES[1:])
    assert "max_share of 0" in plan.binding
    capped = plan_allocation(law, domains=domains(max_epochs=2.5), spent=spent, budget=budget)
    rest = budget - sum(spent.values())
    assert spent["0"] + capped.weights["0"] * rest <= 2_500 * (1 + 1e-6)
    assert "pool of 0" in capped.binding


def test_worst_excess_is_a_minimax(fitted):
    law, spent, budget = fitted
    arguments = {"domains": domains(), "spent": spent, "budget": budget, "objective": "worst_excess"}
    baseline = {"0": 0.6, "1": 0.1, "2": 0.1, "3": 0.1, "4": 0.1}
    problem = make_problem(law, **arguments, baseline=baseline)
    y, found, _ = optimise(problem)
    best = problem.outlook.score(problem.final_of(y))
    assert found.kkt < 1e-9
    rng = np.random.default_rng(0)
    for _ in range(200):
        other = problem.feasible.mixture(rng.dirichlet(np.ones(5)))
        assert problem.outlook.score(problem.final(other)) >= best - 1e-9


def test_marginal_gain_and_pool_value_are_slopes(fitted):
    law, spent, budget = fitted
    plan = plan_allocation(law, domains=domains(), spent=spent, budget=budget)
    problem = make_problem(law, domains=domains(), spent=spent, budget=budget)
    n = problem.final(np.array([plan.weights[name] for name in NAMES]))
    for j, name in enumerate(NAMES):
        step = np.zeros(5)
        step[j] = 0.5
        difference = problem.outlook.mean(n - step)[0] - problem.outlook.mean(n + step)[0]
        assert plan.marginal_gain[name] == pytest.approx(difference, rel=1e-4)
    wider = dataclasses.replace(problem.outlook.law, pools=problem.outlook.law.pools + 0.5)
    smaller = dataclasses.replace(problem.outlook.law, pools=problem.outlook.law.pools - 0.5)
    difference = (
        dataclasses.replace(problem.outlook, law=smaller).mean(n)[0]
        - dataclasses.replace(problem.outlook, law=wider).mean(n)[0]
    )
    assert plan.pool_value["0"].mean == pytest.approx(difference, rel=1e-3)
    assert plan.pool_value["0"].low <= plan.pool_value["0"].mean <= plan.pool_value["0"].high


def test_hub_is_named_and_gains(fitted):
    law, spent, budget = fitted
    plan = plan_allocation(law, domains=[Domain(name) for name in NAMES], spent=spent, budget=budget)
    assert plan.hubs == ("0",)
    assert plan.weights["0"] > 0.4
    assert plan.gain.low > 0
    assert plan.hub_score["0"].mean > 2 * max(plan.hub_score[name].mean for name in NAMES[1:])
    assert plan.predicted["1"].mean < plan.predicted_baseline["1"].mean


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"domains": [Domain("x")]}, "the law knows no domain 'x'"),
        ({"targets": {"x": 1.0}}, "the law knows no target 'x'"),
        ({"budget": 10}, "is spent"),
        ({"budget": np.nan}, "budget is nan"),
        ({"budget": np.inf}, "budget is inf"),
        ({"spent": {"0": np.nan}}, "spent of '0' is nan"),
        ({"targets": {"0": np.nan}}, "weight of target '0' is nan"),
        ({"time": 0.0}, "time is 0.0"),
        ({"anneal": np.nan}, "anneal is nan"),
        ({"objective": "mean"}, "objective is 'mean'"),
    ],
)
def test_bad_input_is_named(fitted, change, message):
    law, spent, budget = fitted
    with pytest.raises(BadSetup, match=message):
        plan_allocation(law, **{"domains": domains(), "spent": spent, "budget": budget, **change})


def test_a_law_that_changed_its_mind_is_less_sure(fitted):
    """Where the law without its latest rows says something else, the difference counts as uncertainty."""
    law, spent, budget = fitted
    shifted = [dataclasses.replace(family, theta=family.theta + 0.1) for family in law.families]
    setup = {"domains": domains(), "spent": spent, "budget": budget}
    alone, same, changed = (
        make_problem(law, **setup, earlier=earlier)
        for earlier in (None, law, dataclasses.replace(law, families=tuple(shifted)))
    )
    plan, base = alone.final(np.array([0.6, 0.1, 0.1, 0.1, 0.1])), alone.final(alone.baseline)
    assert same.gain(plan, base) == pytest.approx(alone.gain(plan, base))
    mean, sd = alone.gain(plan, base)
    assert changed.gain(plan, base)[0] == mean
    assert changed.gain(plan, base)[1] == pytest.approx(np.hypot(sd, mean - changed.earlier.gain(plan, base)[0]))
    assert changed.gain(plan, base)[1] > sd
    assert np.all(changed.log_final(plan)[1] > alone.log_final(plan)[1])
    assert np.array_equal(changed.log_final(plan)[0], alone.log_final(plan)[0])


def test_a_published_gain_is_as_wide_as_gains_have_been_off():
    """Wider than what the law says of itself, also where it says that it is sure; the same for a loss."""
    gain, loss, nothing = published_gain(0.05, 0.01), published_gain(-0.05, 0.01), published_gain(0.0, 0.01)
    assert gain.high - gain.low == pytest.approx(2 * 1.6449 * np.hypot(0.013, 0.0075), rel=1e-4)
    assert (loss.low, loss.high) == pytest.approx((-gain.high, -gain.low))
    assert nothing.high == pytest.approx(1.6449 * 0.013, rel=1e-4)
    assert published_gain(0.05, 0.0).low < 0.05
