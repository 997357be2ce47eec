"""Reported gradient products, averaged into a few groups of neighbouring reports.

The inner product of target i's gradient with domain j's says how much i's loss falls by the next draw of j. Only
which domains help a target more than others is kept: each target's products are divided by their root mean
square, so neither units nor the learning rate matter.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from policies.laws.products import Products
from policies.records import LossReport
from policies.thinning import thinned

GROUPS = 8
NOISE, NOISE_DOF = 0.3, 10.0  # of one report's product, in units of its target's root mean square, before any was seen


@dataclasses.dataclass(frozen=True)
class Group:
    """Average of neighbouring reports.

    first, position: of the earliest report, and their mean; draws: mean, cumulative; mean, count: by target, then
    domain; scatter, freedom: squared differences between reports that were averaged, and how many.
    """

    first: float
    position: float
    reports: int
    draws: Mapping[str, float]
    mean: Mapping[str, Mapping[str, float]]
    count: Mapping[str, Mapping[str, int]]
    scatter: float = 0.0
    freedom: int = 0

    @classmethod
    def of(cls, report: LossReport) -> Group | None:
        """One report's products; None where it holds none that can be compared."""
        mean = {}
        for target, row in (report.grad_dot or {}).items():
            known = {name: value for name, value in row.items() if math.isfinite(value) and name in report.draws}
            size = math.hypot(*(value / math.sqrt(len(known)) for value in known.values()))
            if len(known) > 1 and 0 < size < math.inf:
                mean[target] = {name: value / size for name, value in known.items()}
        if not mean:
            return None
        count = {target: dict.fromkeys(row, 1) for target, row in mean.items()}
        position = float(report.position)
        return cls(position, position, 1, dict(report.draws), mean, count)

    def merged(self, later: Group) -> Group:
        """The average of two groups, each entry counting as many times as it was reported."""
        reports = self.reports + later.reports

        def middle(a: float, b: float) -> float:
            return (self.reports * a + later.reports * b) / reports

        names = [*self.draws, *(name for name in later.draws if name not in self.draws)]
        draws = {
            name: middle(self.draws.get(name, 0.0), later.draws.get(name, self.draws.get(name, 0.0))) for name in names
        }
        mean: dict[str, dict[str, float]] = {}
        count: dict[str, dict[str, int]] = {}
        scatter, freedom = [self.scatter, later.scatter], self.freedom + later.freedom
        for target in sorted({*self.mean, *later.mean}):
            ours, theirs = self.mean.get(target, {}), later.mean.get(target, {})
            mean[target], count[target] = {}, {}
            for name in sorted({*ours, *theirs}):
                a, b = (side.count.get(target, {}).get(name, 0) for side in (self, later))
                value = (a * ours.get(name, 0.0) + b * theirs.get(name, 0.0)) / (a + b)
                mean[target][name], count[target][name] = value, a + b
                if a and b:
                    scatter.append(a * b / (a + b) * (ours[name] - theirs[name]) ** 2)
                    freedom += 1
        return Group(
            self.first, middle(self.position, later.position), reports, draws, mean, count, math.fsum(scatter), freedom
        )


def with_report(groups: Sequence[Group], report: LossReport) -> tuple[Group, ...]:
    """The groups with one report more."""
    new = Group.of(report)
    return tuple(groups) if new is None else thinned((*groups, new), GROUPS)


def as_products(
    groups: Sequence[Group],
    domains: Sequence[str],
    targets: Sequence[str],
    *,
    after: float,
    before: np.ndarray[Any, Any],
) -> Products | None:
    """The groups that begin after the position `after`, as arrays; draws count from `before` (K,)."""
    kept = [group for group in groups if group.first > after]
    if not kept or len(domains) < 2:
        return None
    shape = len(kept), len(targets), len(domains)
    mean, count, draws = np.full(shape, np.nan), np.zeros(shape), np.zeros((len(kept), len(domains)))
    for g, group in enumerate(kept):
        draws[g] = [group.draws.get(name, 0.0) for name in domains]
        for i, target in enumerate(targets):
            row, counted = group.mean.get(target, {}), group.count.get(target, {})
            mean[g, i] = [row.get(name, np.nan) for name in domains]
            count[g, i] = [counted.get(name, 0) for name in domains]
    freedom = sum(group.freedom for group in kept)
    square = (NOISE_DOF * NOISE**2 + math.fsum(group.scatter for group in kept)) / (NOISE_DOF + freedom)
    return Products(mean, count, np.maximum(draws - before, 0.0), math.sqrt(square))
