"""Temperature sampling."""

from __future__ import annotations

from typing import Any, ClassVar

from policies.records import Decision, LossReport
from policies.rivals.mixtures import natural_shares
from policies.rivals.stateful import Rival, State, Step, Tune

TUNE: Tune = {"temperature": (1.0, 10.0, "log")}


class Temperature(Rival):
    """p_j proportional to U_j^(1/T), U_j the pool (Conneau et al. 2020, 1911.02116, section 3.1; mT5, 2010.11934).

    Default: 1/T = 0.3, as in XLM-R and mT5. T = 1 is proportional, T to infinity is uniform.
    Interpretation: an endless pool counts as the largest that has an end. No loss is looked at, so
    the rule is free of units.
    """

    name = "temperature"
    OPTIONS: ClassVar[dict[str, Any]] = {"temperature": 1 / 0.3}
    LIMITS: ClassVar[dict[str, tuple[float, float]]] = {"temperature": (1e-2, 1e6)}

    def _first(self) -> dict[str, float]:
        power = 1.0 / self.options["temperature"]
        natural = natural_shares(self.domains)
        most = max(natural.values())
        return {name: (share / most) ** power for name, share in natural.items()}

    def _step(self, state: State, report: LossReport, position: int) -> Step:
        return Step(self._first(), state, self.name)

    def _changed(self, decision: Decision) -> Decision:
        return Decision(decision.position, self._mixture(self._first()), self.name)
