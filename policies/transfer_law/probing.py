"""When to probe, and with which mixture: without it the transfer matrix cannot be known.

A run that never changes its mixture shows only one combination of what each domain gives. So
early on every domain in turn gets a larger share for one block, in two sweeps, the second in
reverse order so that a steady trend cancels.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from policies.bounds import within_bounds
from policies.records import Domain

LONGEST = 0.34  # of a short run at most this part is spent on start and probing


@dataclasses.dataclass(frozen=True)
class ProbePlan:
    """Blocks of `block` intervals, one domain in front in each; empty where the run is too short."""

    first: int
    block: int
    order: tuple[str, ...]
    interval: int

    @property
    def end(self) -> int:
        """Position at which the last block ends."""
        return self.first + self.block * len(self.order) * self.interval

    def front(self, position: int) -> str | None:
        """The domain in front at `position`; None outside the sweeps."""
        if not self.first <= position < self.end:
            return None
        return self.order[(position - self.first) // (self.block * self.interval)]


def plan_probes(
    names: Sequence[str], *, first: int, budget: int, interval: int, until: float, sweeps: int, origin: int = 0
) -> ProbePlan:
    """Sweeps that begin at `first` and end near the part `until` of the budget from `origin` on.

    Blocks are at least one interval; if that is too long for the run, sweeps are given up one by
    one, at last all of them.
    """
    order: tuple[str, ...] = ()
    names = sorted(names)
    for sweep in range(sweeps):
        order = (*order, *(names if sweep % 2 == 0 else names[::-1]))
    while order:
        room = (origin + until * (budget - origin) - first) / (interval * len(order))
        block = max(1, int(room))
        if first + block * len(order) * interval <= origin + LONGEST * (budget - origin):
            return ProbePlan(first, block, order, interval)
        order = order[: -len(names)]
    return ProbePlan(first, 1, (), interval)


def probe_mixture(
    front: str, baseline: Mapping[str, float], domains: Sequence[Domain], amplitude: float
) -> dict[str, float]:
    """`baseline`, with the part `amplitude` of all draws moved to `front`, within the bounds."""
    mixed = {name: (1.0 - amplitude) * share for name, share in baseline.items()}
    mixed[front] += amplitude
    return within_bounds(mixed, domains)


def on_plateau(positions: Sequence[float], levels: Sequence[float], slowest: float) -> bool:
    """Whether the mean log loss falls by less than `slowest` per unit of log position, by its last half.

    MAE training can stay on a plateau before it starts to learn; what is probed there says nothing
    about later. With fewer than two values nothing can be said: not a plateau.
    """
    half = positions[-1] / 2 if positions else 0.0
    first = next((k for k, position in enumerate(positions) if position >= half), 0)
    if len(positions) < 2 or first >= len(positions) - 1:
        first = max(len(positions) - 2, 0)
    if len(positions) < 2 or positions[first] <= 0:
        return False
    run = math.log(positions[-1] / positions[first])
    return run > 0 and (levels[first] - levels[-1]) / run < slowest
