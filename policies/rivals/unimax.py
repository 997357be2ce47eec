"""UniMax: as uniform as a cap on epochs allows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from policies.records import Decision, LossReport
from policies.rivals.stateful import Rival, State, Step, Tune

TUNE: Tune = {"epochs": (1.0, 32.0, "log")}


def unimax_draws(pools: Mapping[str, float], budget: float, epochs: float) -> dict[str, float]:
    """Draws by domain: from the smallest pool on, each gets an equal part of what is left, at most `epochs` pools.

    Algorithm 1 of Chung et al. (2023). The sum falls short of `budget` where all caps bind.
    """
    left, draws = budget, {}
    for rank, name in enumerate(sorted(pools, key=lambda name: (pools[name], name))):
        draws[name] = min(left / (len(pools) - rank), epochs * pools[name])
        left -= draws[name]
    return draws


class UniMax(Rival):
    """UniMax (Chung et al., ICLR 2023, 2304.09151, Algorithm 1): uniform, but no pool is seen more than N times.

    Default: N = 1 epoch (umT5; the paper also tries 5 and 10). Interpretation: where the budget is
    more than N epochs of everything, all caps bind and the shares are those of the caps, that is
    proportional; an endless pool has no cap. No loss is looked at, so the rule is free of units.
    """

    name = "unimax"
    OPTIONS: ClassVar[dict[str, Any]] = {"epochs": 1.0}
    LIMITS: ClassVar[dict[str, tuple[float, float]]] = {"epochs": (1e-6, 1e6)}

    def _first(self) -> dict[str, float]:
        pools = {domain.name: math.inf if domain.pool is None else float(domain.pool) for domain in self.domains}
        return unimax_draws(pools, float(self.budget), self.options["epochs"])

    def _step(self, state: State, report: LossReport, position: int) -> Step:
        return Step(self._first(), state, self.name)

    def _changed(self, decision: Decision) -> Decision:
        return Decision(decision.position, self._mixture(self._first()), self.name)
