"""DoGE: weight domains by how well their gradient agrees with the targets' gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from policies.records import LossReport
from policies.rivals.mixtures import exponentiated_gradient, known_logs, softmax, uniform_shares
from policies.rivals.stateful import Rival, State, Step, Tune, added, averaged

TUNE: Tune = {"rate": (0.01, 5.0, "log"), "until": (0.1, 0.5, "linear")}

Products = Mapping[str, Mapping[str, float]]


def doge_scores(products: Products, weights: Mapping[str, float], domains: tuple[str, ...]) -> dict[str, float]:
    """W_j = <g_j, sum_i w_i g_i> over targets i other than j, in units of the mean squared gradient norm.

    `products[target][domain]` is the inner product of their gradients. With equal weights w_i counts 1.
    Where no target is a domain the unit is the mean absolute score. Values that are not finite count as not measured.
    """
    count = sum(weight > 0 for weight in weights.values())
    scores: dict[str, list[float]] = {}
    own = []
    for target, row in products.items():
        for name in domains:
            value = row.get(name, math.nan)
            if math.isfinite(value) and name == target:
                own.append(value)
            elif math.isfinite(value) and weights.get(target, 0.0) > 0:
                scores.setdefault(name, []).append(count * weights[target] * value)
    total = {name: math.fsum(sorted(parts)) for name, parts in scores.items()}
    sizes = own if own and max(own) > 0 else [abs(score) for score in total.values()]
    unit = math.fsum(sorted(sizes)) / len(sizes) if sizes else 0.0
    return {name: score / unit for name, score in total.items()} if unit > 0 else {}


class Doge(Rival):
    """DoGE (Fan et al., ICML 2024, 2310.15393, eq. 6 and Algorithm 1): mirror descent on gradient agreement.

    W_j = <g_j, sum_i g_i>; p_j <- p_j exp(lr W_j / mu), normalised; then the average over the steps.
    Defaults of the released code: lr = 5e-4, mu = 0.01 (so `rate` = 0.05), W in units of the gradient
    norm, clipped to [0, 5], the own term left out where training and target domains are the same,
    10,000 proxy steps from uniform.

    Interpretations. The proxy is this run's first part (`until` = 0.3 of the budget), one report is
    one step, so with the published rate the mixture moves little: `rate` may be tuned. The code
    divides a product of two gradients by one norm, which has units; here the mean squared norm
    divides. The products come with the reports (`grad_dot`); without them the baseline is kept.
    """

    name = "doge"
    OPTIONS: ClassVar[dict[str, Any]] = {"rate": 0.05, "least": 0.0, "most": 5.0, "until": 0.3}
    LIMITS: ClassVar[dict[str, tuple[float, float]]] = {
        "rate": (0.0, 1e3),
        "least": (-1e3, 1e3),
        "most": (-1e3, 1e3),
        "until": (0.0, 1.0),
    }

    def _first(self) -> dict[str, float]:
        return uniform_shares(self.names)

    def _step(self, state: State, report: LossReport, position: int) -> Step:
        if position >= self._boundary(self.options["until"]):
            return self._settled(state)
        scores = doge_scores(report.grad_dot or {}, self.targets, self.names)
        logs, steps = known_logs(state.get("logs", {}), self.names), state.get("steps", 0)
        if not scores:
            shares = softmax(logs) if steps else self.baseline
            return Step(shares, state, "kept: no gradient products reported")
        low, high = self.options["least"], self.options["most"]
        clipped = {name: min(max(score, low), high) for name, score in scores.items()}
        logs = exponentiated_gradient(logs, clipped, self.options["rate"])
        shares = softmax(logs)
        total, seen = added(state, shares)
        return Step(
            shares,
            {**state, "logs": logs, "sum": total, "seen": seen, "steps": steps + 1},
            "refit",
            f"step {steps + 1}",
        )

    def _settled(self, state: State) -> Step:
        """The average of the mixtures so far, for the rest of the run."""
        if not state.get("steps"):
            return Step(self.baseline, state, "kept: no gradient products reported")
        shares = state.get("weights") or averaged(state, self.names)
        return Step(shares, {**state, "weights": dict(shares)}, "fixed", f"mean over {state['steps']} steps")
