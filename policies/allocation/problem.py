"""One allocation problem: what the law says of the end, what is allowed, and where its domains stand."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from policies.allocation.feasible import Feasible
from policies.allocation.outlook import Outlook
from policies.laws import JointLaw
from policies.records import MOST, BadSetup, Domain, Interval, check_domains, check_mixture, number
from policies.records.checks import named
from policies.setup import check_objective, check_targets

Array = NDArray[np.float64]

APART = 1e7  # the largest cost over the smallest: plans are exact to 1e-8 that far
PUBLISHED = 0.5  # part of a change of mind that widens the interval of an end; a decision takes the whole of it
GAIN_WIDER, GAIN_OFF = 1.3, 0.15  # times the sd of a gain; and part of the gain that a law of another form is off by
_Z90 = NormalDist().inv_cdf(0.95)


@dataclasses.dataclass(frozen=True)
class Problem:
    """One allocation problem: outlook, constraints, and where its domains stand in the law.

    `earlier` is the outlook under the law as it was fitted without its latest rows: where the two
    disagree about the end, the law has changed its mind, and that counts as uncertainty.
    """

    outlook: Outlook
    feasible: Feasible
    place: NDArray[np.int64]
    spent: Array
    baseline: Array
    earlier: Outlook | None = None

    def gain(self, plan: Array, other: Array) -> tuple[float, float]:
        """Mean and standard deviation of the objective at `other` less that at `plan`, final draws (K,)."""
        mean, sd = self.outlook.gain(plan, other)
        if self.earlier is None:
            return mean, sd
        return mean, math.hypot(sd, mean - self.earlier.gain(plan, other)[0])

    def log_final(self, final: Array) -> tuple[Array, Array]:
        """Mean and standard deviation (M,) of the log losses at final draws (K,), as they are published."""
        at, anneal = np.array([self.outlook.time]), self.outlook.anneal
        mean, sd = self.outlook.law.published(final, at, anneal)
        if self.earlier is None:
            return mean[0], sd[0]
        before, _ = self.earlier.law.log_predict(final, at, anneal)
        return mean[0], np.hypot(sd[0], PUBLISHED * (mean[0] - before[0]))

    def final(self, mixture: Array) -> Array:
        """Final cumulative draws (K of the law,) if the rest is drawn from `mixture`."""
        return self.final_of(self.feasible.cost_shares(mixture))

    def never_left(self) -> Array:
        """Final cumulative draws had the whole budget been drawn from the baseline mixture."""
        n = np.zeros_like(self.spent)
        n[self.place] = self.feasible.draws(self.feasible.cost_shares(self.baseline))
        return np.asarray(n * (self.outlook.total / n.sum()))

    def final_of(self, y: Array) -> Array:
        """Final cumulative draws for cost shares y."""
        n = self.spent.copy()
        n[self.place] += self.feasible.draws(y)
        return n


def published_gain(mean: float, sd: float) -> Interval:
    """90 % interval of a gain. What a plan gains is known less well than a law that were true would say: the plan was
    chosen for it, and the truth has another form. Decisions go by `sd` itself."""
    wide = math.hypot(GAIN_WIDER * sd, GAIN_OFF * mean)
    return Interval(mean, mean - _Z90 * wide, mean + _Z90 * wide)


def make_problem(
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
    trust: tuple[Array, Array] | None = None,
    earlier: JointLaw | None = None,
) -> Problem:
    """Checked inputs of `plan_allocation` as arrays in the law's order; `earlier`: see `Problem`."""
    domains = check_domains(domains)
    names = tuple(d.name for d in domains)
    objective = check_objective(objective)
    for name in names:
        if name not in law.domains:
            raise BadSetup(f"the law knows no domain '{name}'; it was fitted to {', '.join(law.domains)}")
    weights = _target_weights(law, names, targets)
    spent_K = _spent(law, spent)
    budget, anneal = (_finite(what, value) for what, value in (("budget", budget), ("anneal", anneal)))
    if time is not None and _finite("time", time) <= 0:
        raise BadSetup(f"time is {time}; it must be > 0")
    remaining = budget - float(sum(spent_K))
    if remaining <= 0:
        raise BadSetup(f"the budget of {budget:g} draws is spent ({sum(spent_K):g}); nothing is left to allocate")
    _check_costs(domains, remaining)
    base = np.full(len(names), 1.0 / len(names))
    if baseline is not None:
        shares = check_mixture(baseline, names)
        base = np.array([shares[name] for name in names])
    place = np.array([law.domains.index(name) for name in names], dtype=np.int64)
    feasible = Feasible.of(domains, {name: spent_K[law.domains.index(name)] for name in names}, remaining, trust)
    law = _with_pools(law, domains)
    reference = spent_K.copy()
    reference[place] += feasible.draws(feasible.cost_shares(base))
    total = float(reference.sum())
    counted = (total - float(np.sum(law.since))) / law.total_ref
    time = law.time_since + counted * law.time_ref if time is None else float(time)
    outlook = Outlook(law, weights, objective, time, total, reference, anneal)
    before = None if earlier is None else dataclasses.replace(outlook, law=_with_pools(earlier, domains))
    return Problem(outlook, feasible, place, spent_K, base, before)


def _finite(what: str, value: float) -> float:
    """`value` as a number that can be reckoned with."""
    plain = float(number(what, value))
    if not abs(plain) <= MOST:
        raise BadSetup(f"{what} is {plain:g}; it must be finite, and at most {MOST:.0e}")
    return plain


def _check_costs(domains: Sequence[Domain], remaining: float) -> None:
    """Raise `BadSetup` for costs that numbers of 64 bits cannot plan with."""
    cheap, dear = (pick(domains, key=lambda domain: domain.cost) for pick in (min, max))
    if dear.cost > APART * cheap.cost:
        raise BadSetup(
            f"cost of '{dear.name}' is {dear.cost:g}, that of '{cheap.name}' {cheap.cost:g}; the largest may be at "
            f"most {APART:.0e} times the smallest"
        )
    if remaining > MOST * cheap.cost * APART:
        raise BadSetup(
            f"cost of '{cheap.name}' is {cheap.cost:g}; what is left of the budget, {remaining:g}, would buy more "
            f"draws of it than {MOST * APART:.0e}"
        )


def _spent(law: JointLaw, spent: Mapping[str, float]) -> Array:
    """Draws so far (K of the law,)."""
    given = named("spent", spent)
    for name, draws in given.items():
        if not 0 <= draws <= MOST:
            raise BadSetup(f"spent of '{name}' is {draws}; draws must be finite and >= 0, and at most {MOST:.0e}")
    return np.array([float(given.get(name, 0.0)) for name in law.domains])


def _target_weights(law: JointLaw, names: tuple[str, ...], targets: Mapping[str, float] | None) -> Array:
    if targets is None:
        targets = {name: 1.0 for name in law.targets if name in names} or dict.fromkeys(law.targets, 1.0)
    given = check_targets(targets)
    for name in given:
        if name not in law.targets:
            raise BadSetup(f"the law knows no target '{name}'; it was fitted to {', '.join(law.targets)}")
    weights: Array = np.array([given.get(name, 0.0) for name in law.targets])
    return np.asarray(weights / weights.sum())


def _with_pools(law: JointLaw, domains: Sequence[Domain]) -> JointLaw:
    """Pools as the domains have them now: one may have grown since the fit."""
    pools = law.pools.copy()
    for domain in domains:
        pools[law.domains.index(domain.name)] = np.inf if domain.pool is None else float(domain.pool)
    return dataclasses.replace(law, pools=pools)
