"""When to probe, and with which mixture: without it the transfer matrix cannot be known.

A run that never changes its mixture shows only one combination of what each domain gives. So
early on every domain in turn gets a larger share for one block, in two sweeps, the second in
reverse order so that a steady trend cancels. Where there are more domains than blocks, several are in
front at once, other ones together in the second sweep: two-way groupings tell all of them apart.
Where gradient products show which domains help each other, the first sweep only has to show whether
they are right: it is a short one, with several in front at once. Where a law can give such products it is
left out as soon as a plan is sure (`phases.py`): any step away from the baseline shows that too.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from policies.bounds import within_bounds
from policies.records import Domain

PASSED = 0.97  # of its fastest fall: from there on it slows down
LONGEST = 0.34  # of a run at most this part is spent on start and probing, ...
LONGEST_SWEEPS = 0.26  # ... and this part on probing alone


@dataclasses.dataclass(frozen=True)
class ProbePlan:
    """Blocks of `block` intervals, the domains in front in each; empty where the run is too short.

    `sweep` is the number of blocks in which each domain has been in front once; `stop` a position at which
    the sweeps were ended early.
    """

    first: int
    block: int
    order: tuple[tuple[str, ...], ...]
    interval: int
    sweep: int = 0
    stop: int | None = None

    def until(self, latest: int) -> ProbePlan:
        """Without the blocks that would end after `latest`; without any, if not even one sweep were over by then."""
        blocks = (latest - self.first) // (self.block * self.interval)
        return dataclasses.replace(self, order=self.order[:blocks] if blocks >= self.sweep else ())

    def shown(self, position: int) -> dict[str, int]:
        """With how few others each domain has been in front by `position`: how many were, at least."""
        fewest: dict[str, int] = {}
        for group in self.order[: max(self.number(min(position, self.end) - 1) + 1, 0)]:
            fewest.update({name: min(len(group), fewest.get(name, len(group))) for name in group})
        return fewest

    @property
    def end(self) -> int:
        """Position at which the last block ends."""
        last = self.first + self.block * len(self.order) * self.interval
        return last if self.stop is None else min(last, self.stop)

    def front(self, position: int) -> tuple[str, ...]:
        """The domains in front at `position`; empty outside the sweeps."""
        if not self.first <= position < self.end:
            return ()
        return self.order[self.number(position)]

    def number(self, position: int) -> int:
        """Which block, from 0, `position` lies in."""
        return (position - self.first) // (self.block * self.interval)

    def once(self, position: int) -> bool:
        """Whether each domain has been in front, and the last sweep is still under way."""
        return self.swept(position) and bool(self.front(position))

    def swept(self, position: int) -> bool:
        """Whether each domain has been in front by `position`."""
        return 0 < self.sweep <= self.number(position)


def plan_probes(
    names: Sequence[str],
    *,
    first: int,
    budget: int,
    interval: int,
    until: float,
    sweeps: int,
    groups: int = 0,
    origin: int = 0,
    stop: int | None = None,
) -> ProbePlan:
    """Sweeps that begin at `first` and end near the part `until` of the budget from `origin` on.

    The first of several sweeps has `groups` blocks, if that is fewer than there are domains and not 0. Blocks are at
    least one interval; if that is too long for the run, later sweeps put domains in front together, then the
    first is like the others and sweeps are given up one by one, and where more than half of the domains would
    have to be in front at once, nothing is probed.
    """
    names = sorted(names)
    left = budget - origin
    most = int(min(origin + LONGEST * left - first, LONGEST_SWEEPS * left) / interval * (1 + 1e-9))
    for together in _ways(len(names), sweeps, groups, most):
        turns = [_sweep(names, some, turn) for turn, some in enumerate(together)]
        order = tuple(group for turn in turns for group in turn)
        if order and len(order) <= most:
            room = (origin + until * left - first) / (interval * len(order))
            block = max(1, int(room))
            if block * len(order) <= most:
                return ProbePlan(first, block, order, interval, len(turns[0]), stop)
    return ProbePlan(first, 1, (), interval)


def _ways(domains: int, sweeps: int, groups: int, most: int) -> list[tuple[int, ...]]:
    """How many domains are in front at once in each sweep: what is tried, best first."""
    alike = [(1,) * n for n in range(sweeps, 0, -1)] + [(n,) * count for count, n in _shared(domains, sweeps, most)]
    short = math.ceil(domains / groups) if groups else 1
    if short < 2 or sweeps < 2:
        return alike
    rest = _shared(domains, 1, most - math.ceil(domains / short))
    later = [(1,) * n for n in range(sweeps - 1, 0, -1)] + [(n,) * count for count, n in rest]
    return [(short, *way) for way in later] + alike


def _shared(domains: int, sweeps: int, most: int) -> list[tuple[int, int]]:
    """(sweeps, domains in front at once) with more than one in front: no more sweeps than two-way groupings."""
    count = min(sweeps, 2)
    if count < 1 or most < 2 * count:
        return []
    together = math.ceil(domains / (most // count))
    return [(count, together)] if 1 < together <= domains // 2 else []


def _sweep(names: Sequence[str], together: int, turn: int) -> list[tuple[str, ...]]:
    """Groups of domains, each domain in one: neighbours in even sweeps, far ones in odd ones, and backwards."""
    groups = math.ceil(len(names) / together)
    if turn % 2 == 0:
        return [tuple(names[k * together : (k + 1) * together]) for k in range(groups)]
    return [tuple(names[k::groups]) for k in range(groups)][::-1]


def probe_mixture(
    fronts: Sequence[str], baseline: Mapping[str, float], domains: Sequence[Domain], amplitude: float
) -> dict[str, float]:
    """`baseline`, with the part `amplitude` of all draws moved to `fronts` in equal parts, within the bounds."""
    mixed = {name: (1.0 - amplitude) * share for name, share in baseline.items()}
    for front in fronts:
        mixed[front] += amplitude / len(fronts)
    return within_bounds(mixed, domains)


def on_plateau(positions: Sequence[float], levels: Sequence[float], slowest: float, *, first: float = 0.0) -> bool:
    """Whether the mean log loss has not begun to fall as it will from now on.

    MAE training can stay on a plateau before it starts to learn; what is probed there says nothing about
    later. What counts is the fall per unit of log position over the last half of the run so far, at each
    position from `first` on: as long as it is less than `slowest`, nothing is being learnt. After that it
    rises above what a power law shows, and only when it has passed its peak is the plateau left behind.
    With fewer than two values nothing can be said: not a plateau.
    """
    falls = [fall for end, fall in _falls(positions, levels) if end >= first]
    if not falls or min(falls) >= slowest:
        return False
    return falls[-1] < slowest or falls[-1] >= PASSED * max(falls)


def _falls(positions: Sequence[float], levels: Sequence[float]) -> list[tuple[float, float]]:
    """(position, fall of the level per unit of log position over the half before it)."""
    found, half = [], 0
    for end in range(1, len(positions)):
        while half < end - 1 and positions[half] < positions[end] / 2:
            half += 1
        if 0 < positions[half] < positions[end]:
            fall = (levels[half] - levels[end]) / math.log(positions[end] / positions[half])
            found.append((positions[end], fall))
    return found
