"""How far from the best a plan can be at most, by a linear program; and problems at the edge of what is possible.

The objective is convex, so it lies above its tangent: what the tangent at the plan could still gain within the
constraints bounds what any mixture could. That holds for 100 domains as for three, where a general solver is slow.
"""

import numpy as np
import pytest
from scipy.optimize import linprog

from policies import BadSetup, Domain, plan_allocation
from policies.allocation.plan import optimise
from policies.allocation.problem import make_problem
from policies.laws.form import ALPHA, BETA, FLOOR, HEAD, KINDS, LATE, SCALE, G
from policies.laws.joint import Family, JointLaw

OBJECTIVES = ("mean_log", "mean_excess", "worst_excess")
RELAXED = "max_epochs cannot be met"
HIGHS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


def family(kind, weight, K, rng):
    theta = np.zeros((K, HEAD + K + 1))
    theta[:, FLOOR], theta[:, SCALE] = rng.uniform(-6.0, -0.5, K), rng.uniform(-0.5, 0.5, K)
    theta[:, ALPHA], theta[:, BETA] = np.log(rng.uniform(0.1, 0.8, K)), np.log(rng.uniform(0.05, 0.5, K))
    theta[:, G], theta[:, LATE] = rng.normal(1.0, 1.5, K), rng.normal(-2.0, 0.5, K)
    theta[:, HEAD:-1] = rng.normal(np.log(0.3 / max(1.0, K / 5)), 1.2, (K, K))
    theta[np.arange(K), HEAD + np.arange(K)] = 0.0
    theta[:, -1] = rng.normal(-2.0, 1.0, K)
    return Family(kind, weight, theta, np.tile(1e-4 * np.eye(HEAD + K + 1), (K, 1, 1)), 1.0)


def made_law(K, rng, kinds=KINDS):
    """A law of K domains with parameters drawn at random."""
    chosen = rng.choice(kinds, size=min(2, len(kinds)), replace=False)
    names = tuple(f"d{j}" for j in range(K))
    families = tuple(
        family(str(kind), weight, K, rng)
        for kind, weight in zip(chosen, rng.dirichlet(np.ones(chosen.size)), strict=True)
    )
    none, known = np.zeros(K), (1e4, 1e4, 500.0)
    return JointLaw(
        names, names, np.arange(K), np.full(K, np.inf), *known, none, none + 0.01, families, 0.0, 20, none
    )  # fmt: skip


def drawn(seed):
    """A law and a problem: up to 100 domains, costs over six decades, floors, ceilings, caps."""
    rng = np.random.default_rng([7, seed])
    K = round(float(np.exp(rng.uniform(0.0, np.log(100)))))
    law = made_law(K, rng)
    cost = np.full(K, rng.choice([1.0, 0.11, 3.0, 1e3])) if seed % 3 == 0 else 10.0 ** rng.uniform(-3, 3, K)
    budget = 10 ** rng.uniform(2, 6)
    spent = rng.dirichlet(np.ones(K)) * budget * rng.uniform(0.0, 0.8)
    left = budget - spent.sum()
    low = np.where(rng.random(K) < 0.4, rng.dirichlet(np.ones(K)) * rng.uniform(0.0, 0.9), 0.0)
    high = np.where(rng.random(K) < 0.4, np.minimum(1.0, low + rng.uniform(0.0, 3.0) / K), 1.0)
    high[0] = 1.0
    cap = spent + left / cost / K * 10 ** rng.uniform(-1, 1.5, K)
    pool = np.maximum(cap * rng.uniform(0.05, 2, K), 1.0).astype(int)
    domains = [
        Domain(name, int(pool[j]) if rng.random() < 0.4 else None, cost=cost[j], max_epochs=cap[j] / pool[j],
               min_share=low[j], max_share=high[j])
        for j, name in enumerate(law.domains)
    ]  # fmt: skip
    named = dict(zip(law.domains, spent.tolist(), strict=True))
    return law, {"domains": domains, "spent": named, "budget": budget, "objective": OBJECTIVES[seed % 7 % 3]}


class Judge:
    """The constraints in units of an equal share of the cost each, for draws x (K,) >= 0."""

    def __init__(self, law, setup):
        self.law, self.setup, domains = law, setup, setup["domains"]
        self.low, self.high, self.cost = (
            np.array([getattr(d, field) for d in domains]) for field in ("min_share", "max_share", "cost")
        )
        self.left = setup["budget"] - sum(setup["spent"].values())
        self.unit = self.left / self.cost / len(domains)
        self.caps = np.array([max(d.cap - setup["spent"][d.name], 0.0) for d in domains])
        self.most = np.minimum(self.caps / self.unit, 1.001 * len(domains))
        ceilings = np.diag(self.unit) - self.high[:, None] * self.unit
        rows = np.concatenate([self.low[:, None] * self.unit - np.diag(self.unit), ceilings[self.high < 1]])
        self.rows = rows / np.maximum(np.abs(rows).max(axis=1, keepdims=True), 1e-300)

    def least(self, slopes, above=None, spend=True):
        """Least of slopes @ x, or with `above` (M,) of max(slopes @ x + above), within the constraints."""
        A, b, c, bounds = self.rows, np.zeros(len(self.rows)), slopes, [(0.0, most) for most in self.most]
        equal = np.full(self.cost.size, 1.0 / self.cost.size)
        if above is not None:
            A = np.block([[slopes, -np.ones((len(above), 1))], [A, np.zeros((len(A), 1))]])
            b, c, equal = np.append(-above, b), np.append(np.zeros(self.cost.size), 1.0), np.append(equal, 0.0)
            bounds = [*bounds, (None, None)]
        exactly = {"A_eq": equal[None], "b_eq": [1.0]} if spend else {}
        found = linprog(c, A_ub=A, b_ub=b, bounds=bounds, options=HIGHS, **exactly)
        assert found.status == 0
        return found.fun

    def reach(self):
        """The largest part of what is left that the constraints let one spend: mixtures can be scaled down."""
        return -self.least(-np.full(self.cost.size, 1.0 / self.cost.size), spend=False)

    def draws(self, weights):
        return weights * self.left / (weights @ self.cost)

    def gap(self, weights):
        """How much lower than at `weights` the objective can be at most, relative to it."""
        problem = make_problem(self.law, **self.setup)
        n, x = problem.final(weights), self.draws(weights) / self.unit
        value, slopes, _ = problem.outlook.targets(n)
        slopes = slopes[:, problem.place] * self.unit
        if self.setup["objective"] == "worst_excess":
            return (value.max() - self.least(slopes, value - slopes @ x)) / value.max()
        mean, slope = problem.outlook.weights @ value, problem.outlook.weights @ slopes
        return (slope @ x - self.least(slope)) / max(abs(mean), 1.0)


def checked(law, setup):
    """The plan, after it was found to keep every bound."""
    judge, plan = Judge(law, setup), plan_allocation(law, **setup)
    weights = np.array(list(plan.weights.values()))
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert np.all(weights >= judge.low - 1e-12)
    assert np.all(weights <= judge.high + 1e-12)
    if RELAXED not in plan.binding:
        assert np.all(judge.draws(weights) <= judge.caps * (1 + 1e-12) + 1e-12)
        assert plan.kkt < (1e-9 if np.ptp(judge.cost) == 0 else 1e-8)
    assert plan.exact == (RELAXED not in plan.binding and np.ptp(judge.cost) == 0)
    return judge, plan, weights


@pytest.mark.parametrize("seed", range(80))
def test_no_mixture_is_better(seed):
    judge, plan, weights = checked(*drawn(seed))
    possible = judge.reach() >= 1
    assert (RELAXED not in plan.binding) == possible
    assert not possible or judge.gap(weights) < 1e-6


def four(**of):
    """Four domains; each value of `of` is a field's, of all of them or one each."""
    each = {field: given if isinstance(given, tuple) else (given,) * 4 for field, given in of.items()}
    return [Domain(f"d{j}", **{field: given[j] for field, given in each.items()}) for j in range(4)]


EDGES = {
    "floors that sum to 1": four(min_share=(0.1, 0.2, 0.3, 0.4)),
    "floors that sum to 1, at a cost": four(min_share=(0.7, 0.1, 0.1, 0.1), cost=(1e-3, 1.0, 1e3, 3.0)),
    "ceilings that sum to 1": four(max_share=(0.7, 0.1, 0.1, 0.1)),
    "ceilings that sum to 1, at a cost": four(max_share=(0.1, 0.2, 0.3, 0.4), cost=(1e-3, 1.0, 1e3, 3.0)),
    "a share that is given": four(min_share=(0.3, 0.0, 0.0, 0.0), max_share=(0.3, 1.0, 1.0, 1.0)),
    "a ceiling of 0": four(max_share=(0.0, 1.0, 1.0, 1.0), cost=(7.0, 1.0, 1.0, 1.0)),
    "one that may be drawn from": four(max_share=(1.0, 0.0, 0.0, 0.0)),
    "a pool that is exhausted": four(pool=(500, None, None, None), max_epochs=(2.0, None, None, None)),
    "pools that are exhausted but for one": four(pool=(None, 500, 500, 500), max_epochs=1.0),
    "caps that sum to the budget": four(pool=25_000, max_epochs=1.0),
    "caps of next to nothing": four(pool=(1001, None, None, None), max_epochs=(1.0, None, None, None)),
    "pools of one draw": four(pool=1),
    "costs far apart": four(cost=(1e-3, 1.0, 3.0, 1e3), min_share=0.1, max_share=0.5),
    "costs that are no sums of powers of 2": four(cost=0.11),
    "huge costs": four(cost=1e18),
}


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", EDGES)
def test_edges(name, objective):
    law = made_law(4, np.random.default_rng(5), ("effective", "separable"))
    spent = dict.fromkeys(law.domains, 1000.0)
    judge, plan, weights = checked(law, {"domains": EDGES[name], "spent": spent, "budget": 1e5, "objective": objective})
    assert RELAXED not in plan.binding
    assert judge.gap(weights) < 1e-6


@pytest.mark.parametrize("mixture", [(0.7, 0.1, 0.1, 0.1), (0.1, 0.2, 0.3, 0.4), (1 / 3, 1 / 3, 1 / 3, 0.0)])
def test_a_trust_region_of_one_point_is_that_point(mixture):
    """Also where its shares sum to 1 but for rounding."""
    law, point = made_law(4, np.random.default_rng(5)), np.array(mixture)
    for cost in (1.0, (1e-3, 1.0, 1e3, 3.0)):
        problem = make_problem(law, domains=four(cost=cost), spent={}, budget=1e5, trust=(point, point))
        y, found, _ = optimise(problem)
        assert problem.feasible.mixture(y) == pytest.approx(point, abs=1e-12)
        assert found.kkt < 1e-8


@pytest.mark.parametrize("budget", [4000.0000001, 4001, 1e12, 1e18])
def test_any_budget_that_is_a_number_of_draws(budget):
    law = made_law(4, np.random.default_rng(5), ("effective", "separable"))
    setup = {"domains": four(), "spent": dict.fromkeys(law.domains, 1000.0), "budget": budget, "objective": "mean_log"}
    judge, _, weights = checked(law, setup)
    assert judge.gap(weights) < 1e-6


@pytest.mark.parametrize(
    ("domains", "message"),
    [
        (four(cost=(1e-12, 1.0, 1.0, 1.0)), "cost of 'd1' is 1, that of 'd0' 1e-12; the largest may be at most 1e"),
        (four(cost=1e-300), "cost of 'd0' is 1e-300; what is left of the budget, 100000, would buy more"),
    ],
)
def test_costs_that_cannot_be_reckoned_with_are_named(domains, message):
    law = made_law(4, np.random.default_rng(5))
    with pytest.raises(BadSetup, match=message):
        plan_allocation(law, domains=domains, spent={}, budget=1e5)


def test_a_domain_alone_is_never_short_of_its_own_budget():
    law = made_law(1, np.random.default_rng(5))
    for cost in (0.1, 0.11, 0.3, 1e-3, 7e5):
        _, plan, weights = checked(law, {"domains": [Domain("d0", cost=cost)], "spent": {"d0": 1.0}, "budget": 1e5})
        assert weights.tolist() == [1.0]
        assert plan.exact


@pytest.mark.parametrize("law", ["a law", None, {"families": []}])
def test_what_is_no_law_is_named(law):
    with pytest.raises(BadSetup, match="give a JointLaw"):
        plan_allocation(law, domains=four(), spent={}, budget=1e5)
