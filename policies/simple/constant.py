"""Mixtures that never change."""

from __future__ import annotations

from typing import Any, ClassVar

from policies.bounds import within_bounds
from policies.policy import BasePolicy
from policies.records import BadSetup, Decision, check_mixture


class _Constant(BasePolicy):
    def _weights(self) -> dict[str, float]:
        raise NotImplementedError

    def _decide(self, position: int) -> Decision:
        return Decision(position, self._weights(), self.name)

    def _changed(self, decision: Decision) -> Decision:
        return Decision(decision.position, self._weights(), self.name)


class Uniform(_Constant):
    """Every domain the same share, moved as little as the domains' bounds demand."""

    name = "uniform"

    def _weights(self) -> dict[str, float]:
        return within_bounds(dict.fromkeys(self.names, 1.0 / len(self.domains)), self.domains)


class Proportional(_Constant):
    """Shares in proportion to the pools. An endless pool counts as the largest that has an end."""

    name = "proportional"

    def _weights(self) -> dict[str, float]:
        largest = max((domain.pool for domain in self.domains if domain.pool is not None), default=1)
        pools = {domain.name: float(domain.pool or largest) for domain in self.domains}
        total = sum(pools.values())
        return within_bounds({name: pool / total for name, pool in pools.items()}, self.domains)


class Fixed(_Constant):
    """The mixture given as option `weights`; by default the baseline."""

    name = "fixed"
    OPTIONS: ClassVar[dict[str, Any]] = {"weights": None}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.options["weights"] is not None:
            weights = check_mixture(self.options["weights"], self.names)
            self.options["weights"] = {name: float(share) for name, share in weights.items()}

    def _weights(self) -> dict[str, float]:
        weights = self.options["weights"]
        return self.baseline if weights is None else within_bounds(weights, self.domains)

    def _changed(self, decision: Decision) -> Decision:
        weights = self.options["weights"]
        if weights is not None and set(weights) != set(self.names):
            self.options = {**self.options, "weights": dict(decision.weights)}
        try:
            return Decision(decision.position, self._weights(), self.name)
        except BadSetup as error:  # pragma: no cover - `carry_over` makes it valid
            raise BadSetup(f"fixed mixture after the change of domains: {error}") from error
