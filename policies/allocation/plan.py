"""The best mixture for the rest of a budget, and what it is worth."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from policies.allocation import convex
from policies.allocation.feasible import Feasible
from policies.allocation.problem import Problem, make_problem, published_gain
from policies.allocation.value import HubScores, hub_scores, pool_values
from policies.caps import UNMET
from policies.laws import JointLaw
from policies.records import BadSetup, Domain, Interval
from policies.records.checks import named

Array = NDArray[np.float64]

EXACT = 1e-8  # a plan with a larger residual of the optimality conditions is not called exact
NOTHING = 1e-300  # an excess that is none
LEVEL = 0.9
_Z = NormalDist().inv_cdf(0.5 + LEVEL / 2)


@dataclasses.dataclass(frozen=True)
class Allocation:
    """The planned mixture for the rest of a budget, and the prices that go with it.

    weights: by domain, shares of the remaining draws. predicted, predicted_baseline: by target,
    final loss under the plan and under the baseline. gain: baseline's final objective minus the
    plan's, as wide as gains have been off in simulated worlds (see `published_gain`). better: probability that the gain
    is positive, if the law is true. marginal_gain: by domain, fall of the
    objective per further draw. pool_value: by domain, fall per further *distinct* draw in its pool.
    hub_score: by domain, what its draws give to other targets, relative to the mean worth of a
    draw; `own_score` what they give to itself. hubs, islands: names, by the rule in `value`.
    binding: constraints that hold with equality. kkt: largest residual of the optimality
    conditions: below 1e-9, but for rounding where costs differ a million times (4e-9 at most in 1,400
    random problems) or a budget is millions of times what the law was fitted to. exact: False where kkt
    is above 1e-8, where caps had to be widened, and with unequal costs.
    """

    weights: dict[str, float]
    predicted: dict[str, Interval]
    predicted_baseline: dict[str, Interval]
    gain: Interval
    better: float
    marginal_gain: dict[str, float]
    pool_value: dict[str, Interval]
    hub_score: dict[str, Interval]
    own_score: dict[str, Interval]
    hubs: tuple[str, ...]
    islands: tuple[str, ...]
    binding: tuple[str, ...]
    kkt: float
    exact: bool


def optimise(problem: Problem) -> tuple[Array, convex.Optimum, list[str]]:
    """Best cost shares y (K,): argmin of the objective at the end of the budget, within the constraints."""
    feasible = problem.feasible
    G, _, labels = feasible.linear()
    start, h, size, beyond = feasible.inside(clip_start(feasible, problem.baseline))
    solve = _minimax if problem.outlook.objective == "worst_excess" else _mean
    found = solve(problem, G / size[:, None], h / size, start, feasible.remaining / feasible.cost)
    multipliers = found.multipliers[: len(G)] / size
    best = feasible.kept(found.point[: start.size])
    return best, dataclasses.replace(found, multipliers=multipliers, kkt=max(found.kkt, beyond)), labels


def _mean(problem: Problem, G: Array, h: Array, start: Array, scale: Array) -> convex.Optimum:
    """Minimise the weighted mean over the targets."""
    at = problem.place

    def objective(y: Array) -> tuple[float, Array, Array]:
        value, gradient, hessian = problem.outlook.mean(problem.final_of(np.maximum(y, 0.0)))
        return value, gradient[at] * scale, hessian[np.ix_(at, at)] * np.outer(scale, scale)

    return convex.minimise(objective, start, linear=(G, h), equality=(np.ones(start.size), 1.0))


def _minimax(problem: Problem, G: Array, h: Array, start: Array, scale: Array) -> convex.Optimum:
    """Minimise t subject to log excess_i(y) <= t for every target that counts: the logarithm is convex too, and its
    slopes are of one size however far excesses differ. Multipliers are those of the largest excess itself."""
    outlook, K, at = problem.outlook, start.size, problem.place
    counted = np.flatnonzero(outlook.weights > 0)

    def top(z: Array) -> tuple[float, Array, Array]:
        gradient = np.zeros(K + 1)
        gradient[K] = 1.0
        return float(z[K]), gradient, np.zeros((K + 1, K + 1))

    def excess(z: Array, multipliers: Array) -> tuple[Array, Array, Array]:
        n = problem.final_of(np.maximum(z[:K], 0.0))
        every, gradient, _ = outlook.targets(n)
        value = np.maximum(every[counted], NOTHING)
        slopes = gradient[counted][:, at] * scale / value[:, None]
        weights = np.zeros(outlook.weights.size)
        weights[counted] = multipliers / value
        _, _, hessian = outlook.mean(n, weights)
        bend = np.zeros((K + 1, K + 1))
        bend[:K, :K] = hessian[np.ix_(at, at)] * np.outer(scale, scale) - (slopes.T * multipliers) @ slopes
        return np.log(value) - z[K], np.column_stack([slopes, -np.ones(counted.size)]), bend

    first = np.log(max(outlook.score(problem.final_of(np.maximum(start, 0.0))), NOTHING)) + 1.0
    found = convex.minimise(
        top,
        np.append(start, first),
        linear=(np.column_stack([G, np.zeros(len(G))]), h),
        equality=(np.append(np.ones(K), 0.0), 1.0),
        curved=excess,
        curved_count=counted.size,
    )
    return dataclasses.replace(found, multipliers=found.multipliers * np.exp(found.point[K]))


def clip_start(feasible: Feasible, mixture: Array) -> Array:
    """A mixture near `mixture`, off the edges of the simplex."""
    inside = 0.9 * mixture + 0.1 / mixture.size
    return feasible.mixture(inside * feasible.cost)


def plan_allocation(
    law: JointLaw,
    *,
    domains: Sequence[Domain],
    spent: Mapping[str, float],
    budget: float,
    targets: Mapping[str, float] | None = None,
    objective: str = "mean_log",
    baseline: Mapping[str, float] | None = None,
    time: float | None = None,
    anneal: float = 0.0,
) -> Allocation:
    """Spend the rest of a budget best:

        argmin over m >= 0 of F(n + m)   subject to   sum_j cost_j m_j = budget - sum_j n_j,
        min_share_j <= m_j / sum m <= max_share_j,   n_j + m_j <= max_epochs_j pool_j

    where F is the weighted mean of log loss (`mean_log`), of the excess over the floor relative to
    that under the baseline (`mean_excess`), or its largest (`worst_excess`). Convex, so solved
    exactly; with unequal costs the separable law's share of the total is held at the baseline's.

    Parameters
    ----------
    law, domains:
        The fitted law; the domains to draw from (all known to it).
    targets, objective:
        Weights of the law's targets (by default its domains, equally); F as above.
    spent:
        By domain: draws so far (n).
    budget:
        Draws of the whole run, those spent included.
    baseline:
        The mixture the gain is counted against; uniform if not given.
    time, anneal:
        Cumulative learning rate at the end, and how far the rate will have come down by then.

    Caps that cannot be kept while the budget is spent are widened: `binding` says so. Raises `BadSetup` for names
    that the law does not know, a budget already spent, what is no number of draws, costs too far apart to reckon, and
    what is no law.
    """
    if not isinstance(law, JointLaw):
        raise BadSetup(f"law is {law!r}; give a JointLaw, as fit_joint_law or JointLaw.from_dict returns it")
    for name in named("spent", spent):
        if name not in law.domains:
            raise BadSetup(f"spent: the law knows no domain '{name}'; it was fitted to {', '.join(law.domains)}")
    problem = make_problem(
        law,
        domains=domains,
        spent=spent,
        budget=budget,
        targets=targets,
        objective=objective,
        baseline=baseline,
        time=time,
        anneal=anneal,
    )
    return describe(problem)


def describe(problem: Problem, mixture: Array | None = None) -> Allocation:
    """The optimum of `problem`, or `mixture` in its stead, with all prices."""
    y, found, labels = optimise(problem)
    weights = problem.feasible.mixture(y) if mixture is None else mixture
    plan, base = problem.final(weights), problem.final(problem.baseline)
    outlook, names = problem.outlook, problem.feasible.names
    mean, sd = problem.gain(plan, base)
    _, gradient, _ = outlook.mean(plan)
    caps = _cap_prices(problem, found, labels)
    hubs = scores(problem)
    return Allocation(
        dict(zip(names, weights.tolist(), strict=True)),
        intervals(problem, plan),
        intervals(problem, base),
        published_gain(mean, sd),
        probability(mean, sd),
        {name: float(-gradient[j]) for name, j in zip(names, problem.place, strict=True)},
        pool_values(outlook, plan, problem.place, names, caps),
        hubs.given,
        hubs.own,
        hubs.hubs,
        hubs.islands,
        binding(problem, weights, labels),
        found.kkt,
        found.kkt < EXACT and bool(np.ptp(problem.feasible.cost) == 0) and not problem.feasible.relaxed,
    )


def scores(problem: Problem) -> HubScores:
    """Hub scores where the baseline mixture would end."""
    return hub_scores(problem.outlook, problem.outlook.reference, problem.place, problem.feasible.names)


def probability(mean: float, sd: float) -> float:
    """P(gain > 0) of a normal gain."""
    if sd <= 0:
        return float(mean > 0)
    return NormalDist().cdf(mean / sd)


def intervals(problem: Problem, final: Array) -> dict[str, Interval]:
    """Final loss by target, with 90 % intervals."""
    mean, sd = problem.log_final(final)
    return {
        name: Interval(*(float(np.exp(mean[i] + k * sd[i])) for k in (0.0, -_Z, _Z)))
        for i, name in enumerate(problem.outlook.law.targets)
    }


def binding(problem: Problem, weights: Array, labels: list[str]) -> tuple[str, ...]:
    """Constraints that hold with equality at `weights`; a floor of 0 counts as one."""
    G, h, _ = problem.feasible.linear()
    slack = h - G @ problem.feasible.cost_shares(weights)
    bound = tuple(label for label, room in zip(labels, slack, strict=True) if room < 1e-6)
    return (*bound, UNMET) if problem.feasible.relaxed else bound


def _cap_prices(problem: Problem, found: convex.Optimum, labels: list[str]) -> Array:
    """(K,) fall of the objective for one more draw allowed by a domain's cap."""
    price = np.zeros(len(problem.feasible.names))
    for label, multiplier in zip(labels, found.multipliers, strict=False):
        if label.startswith("pool of "):
            j = problem.feasible.names.index(label.removeprefix("pool of "))
            price[j] = multiplier * problem.feasible.cost[j] / problem.feasible.remaining
    return price
