"""DoReMi: group DRO on the excess loss over a reference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from policies.records import LossReport
from policies.rivals.losses import NATS, appended, domain_logs, level, ratio
from policies.rivals.mixtures import exponentiated_gradient, known_logs, natural_shares
from policies.rivals.stateful import Rival, State, Step, Tune, added, averaged

TUNE: Tune = {"eta": (0.01, 5.0, "log"), "reference": (0.04, 0.2, "linear"), "until": (0.22, 0.5, "linear")}


def excess_losses(losses: Mapping[str, float], reference: Mapping[str, float]) -> dict[str, float]:
    """lam_k = max(L_k - L_k^ref, 0), of the domains known in both."""
    return {name: max(loss - reference[name], 0.0) for name, loss in losses.items() if name in reference}


def dro_step(
    logs: Mapping[str, float], excess: Mapping[str, float], *, eta: float, smoothing: float
) -> dict[str, float]:
    """p <- p exp(eta lam), normalised, then (1 - c) p + c / K; in and out as logarithms (Algorithm 1)."""
    return exponentiated_gradient(logs, excess, eta, smoothing=smoothing)


def forecast(series: Sequence[Sequence[float]], log_draws: float) -> float:
    """Log loss at `log_draws`: the straight line through the later half of (log draws, log loss), never rising."""
    later = np.array(series[len(series) // 2 :] if len(series) > 3 else series)
    x, y = later[:, 0] - later[:, 0].mean(), later[:, 1]
    spread = float(x @ x)
    slope = min(float(x @ y) / spread, 0.0) if spread > 0 else 0.0
    return float(y.mean() + slope * (log_draws - later[:, 0].mean()))


class DoReMi(Rival):
    """DoReMi (Xie et al., NeurIPS 2023, 2305.10429, Algorithm 1): minimise the worst excess loss, use the mean weights.

    log p += eta max(L - L_ref, 0), normalise, p = (1 - c) p + c/K; afterwards the average of p over
    the steps. Defaults: eta = 1, c = 1e-3, reference on the natural shares, DRO from uniform.

    Interpretations, all because one run pays for everything. The reference is this run's first part
    (`reference` = 0.1 of the budget); L_ref is its forecast, along a power law, for the end of the DRO
    phase (`until` = 0.3): so the excess is what a domain still has to learn, as it is for a proxy
    that starts afresh. The proxy weighs losses by p; here p is the mixture drawn. One report is one
    step (the paper: 200,000). The rule is not free of units: the mean first loss counts as 10 nats
    (`nats`). After `until` the averaged mixture stays. Training losses, or held-out ones where there are none.
    """

    name = "doremi"
    OPTIONS: ClassVar[dict[str, Any]] = {"eta": 1.0, "smoothing": 1e-3, "reference": 0.1, "until": 0.3, "nats": NATS}
    LIMITS: ClassVar[dict[str, tuple[float, float]]] = {
        "eta": (0.0, 1e3),
        "smoothing": (0.0, 1.0),
        "reference": (0.0, 1.0),
        "until": (0.0, 1.0),
        "nats": (1e-3, 100.0),
    }

    def _step(self, state: State, report: LossReport, position: int) -> Step:
        options = self.options
        if position < self._boundary(options["reference"]):
            return Step(natural_shares(self.domains), self._referenced(state, report), "start", "reference phase")
        if position < self._boundary(options["until"]):
            return self._robust(state, report)
        if not state.get("steps"):
            return Step(self.baseline, state, "kept: no loss measured")
        shares = state.get("weights") or averaged(state, self.names)
        return Step(shares, {**state, "weights": dict(shares)}, "fixed", f"mean over {state['steps']} steps")

    def _referenced(self, state: State, report: LossReport) -> State:
        """One more point on the reference's curves."""
        logs = domain_logs(report, self.names)
        now = dict(state)
        if "unit" not in now and logs:
            now["unit"] = level(logs)
        curves = dict(state.get("curves", {}))
        if report.position > 0:
            curves.update({name: appended(curves.get(name, []), report.position, log) for name, log in logs.items()})
        return {**now, "curves": curves}

    def _robust(self, state: State, report: LossReport) -> Step:
        """One step of group DRO; the first report after the reference phase still counts as its last point."""
        steps, names = state.get("steps", 0), self.names
        if steps == 0:
            state = self._referenced(state, report)
        if "unit" not in state:
            return Step(self.baseline, state, "kept: no loss measured")
        unit, end = state["unit"], math.log(max(self._boundary(self.options["until"]), 1))
        logs = domain_logs(report, names)
        losses = {name: self.options["nats"] * ratio(log, unit) for name, log in logs.items()}
        known = {name: curve for name, curve in state["curves"].items() if curve}
        reference = {name: self.options["nats"] * ratio(forecast(known[name], end), unit) for name in known}
        weights = known_logs(state.get("logs", {}), names)
        excess = excess_losses(losses, reference)
        weights = dro_step(weights, excess, eta=self.options["eta"], smoothing=self.options["smoothing"])
        shares = {name: math.exp(log) for name, log in weights.items()}
        total, seen = added(state, shares)
        now = {**state, "logs": weights, "sum": total, "seen": seen, "steps": steps + 1}
        return Step(shares, now, "refit", f"DRO step {steps + 1}")
