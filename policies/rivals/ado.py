"""Adaptive Data Optimization: follow the slope of each domain's own scaling law."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from policies.laws.solve import BEND, Batch, minimise
from policies.records import LossReport
from policies.rivals.losses import appended, domain_logs, shares_since
from policies.rivals.mixtures import floored, natural_shares
from policies.rivals.stateful import Rival, State, Step, Tune

TUNE: Tune = {
    "keep": (0.3, 0.99, "linear"),
    "credit": (0.0, 1.0, "linear"),
    "least": (0.001, 0.1, "log"),
    "least_alpha": (0.001, 0.2, "log"),
    "power": (0.0, 1.0, "linear"),
}

Array = NDArray[np.float64]
ALPHA_MOST = 0.8
DELTA = 1e-3  # of the Huber loss on log residuals
DIGITS = 9  # of a log loss: beyond lies the rounding of its unit, which the fit would make larger
ALPHAS = np.linspace(0.04, 0.76, 8)  # starts
FLOORS = np.log(np.linspace(0.02, 0.98, 8))  # starts for e, relative to the lowest loss
STARTS = 3  # best of the grid that are polished


def _grid(log_draws: Array, log_loss: Array) -> Array:
    """Start parameters (STARTS, 3): the grid's points with the least error, the prefactor by the median."""
    floor, alpha = (axis.ravel() for axis in np.meshgrid(FLOORS + log_loss.min(), ALPHAS, indexing="ij"))
    least = max(1e-12 * float(np.exp(log_loss.min())), float(np.finfo(np.float64).tiny))
    excess = np.log(np.maximum(np.exp(log_loss)[None, :] - np.exp(floor)[:, None], least))
    level = np.median(excess + alpha[:, None] * log_draws[None, :], axis=1)
    fitted = np.logaddexp(floor[:, None], level[:, None] - alpha[:, None] * log_draws[None, :])
    error = np.abs(fitted - log_loss[None, :]).sum(axis=1)
    best = np.argsort(error, kind="stable")[:STARTS]
    logit = np.log(alpha / (ALPHA_MOST - alpha))
    return np.column_stack([floor, level, logit])[best]


def fit_power_laws(curves: Sequence[Array]) -> Array:
    """(log eps, log beta, alpha), shape (K, 3), of  L(n) = eps + beta n^-alpha,  alpha in (0, 0.8), for K curves.

    A curve is (N, 2): log draws and log loss. argmin of the sum of pseudo-Huber(log residual, 1e-3), all
    curves and starts at once; weak priors keep what the data do not fix near its start. Draws should be
    of order 1 (divide by a scale), losses may have any unit.
    """
    longest = max(len(curve) for curve in curves)
    padded = np.full((len(curves), longest, 2), np.nan)
    for row, curve in zip(padded, curves, strict=True):
        row[: len(curve)] = curve
    units = np.nanmean(padded[:, :, 1], axis=1)
    relative = np.round(padded[:, :, 1] - units[:, None], DIGITS)
    start = np.concatenate([_grid(c[:, 0], log[: len(c)]) for c, log in zip(curves, relative, strict=True)])
    log_draws = np.repeat(np.nan_to_num(padded[:, :, 0]), STARTS, axis=0)
    observed = np.repeat(relative, STARTS, axis=0)

    def model(theta: Array, which: NDArray[np.int64], jacobian: bool) -> tuple[Array, Array]:
        alpha = ALPHA_MOST / (1.0 + np.exp(-np.clip(theta[:, 2:], -50.0, 50.0)))
        power = theta[:, 1:2] - alpha * log_draws[which]
        fitted = np.logaddexp(theta[:, :1], power)
        part = np.exp(power - fitted)
        steep = -part * log_draws[which] * alpha * (1.0 - alpha / ALPHA_MOST)
        return fitted, np.stack([1.0 - part, part, steep], axis=2)

    precision = np.broadcast_to(np.array([0.1, 1e-4, 0.1]), start.shape).copy()
    lowest = np.nanmin(observed, axis=1) - 1.0
    centre = np.column_stack([lowest, np.zeros(len(start)), np.zeros(len(start))])
    weight = np.full(observed.shape, BEND / DELTA)
    batch = Batch(observed, weight, centre, precision, np.ones(start.shape, dtype=np.bool_))
    near = minimise(model, batch, start, iterations=15, tolerance=1e-6, far=True)
    solution = minimise(model, batch, near.theta, iterations=25, tolerance=1e-9)
    best = np.argmin(solution.cost.reshape(-1, STARTS), axis=1) + STARTS * np.arange(len(curves))
    floor, level, logit = solution.theta[best].T
    return np.column_stack([floor + units, level + units, ALPHA_MOST / (1.0 + np.exp(-logit))])


class Ado(Rival):
    """ADO (Jiang et al., ICLR 2025, 2410.11820, eq. 3 to 7): learning speed under a law of each domain.

    L_k(n) = eps_k + beta_k n^-alpha_k, n all draws so far, refitted every 60th of the budget; rho_k
    proportional to mu_k (alpha_k (L_k - eps_k) / n) hbar_k^0.5 with mu the natural shares, alpha at
    least 0.05, hbar the moving average (0.9) of the shares drawn; shares at least 0.01; p = 0.9 mean of
    rho before, from mu on, + 0.1 rho. Before the part `warmup` = 0.05 of the budget mu is used; losses of the first
    0.02 are not fitted (the released code drops the first 1,000 of 60,000 steps, refits every 1,000).

    Interpretations. Training losses where reported, else held-out ones; no Savitzky-Golay filter, as a
    report is an average already. The code's 512 starts are 64 with the prefactor in closed form, the
    three best polished; its floor eps >= exp(0.5) is for text losses and is left out. The series is
    thinned to 128 points. A domain without a law (under four losses) has the mean speed. `power` bends
    mu towards uniform; 1 is the paper's. Units cancel, since speeds are compared with each other;
    relative sizes of losses count, as in the paper.
    """

    name = "ado"
    OPTIONS: ClassVar[dict[str, Any]] = {
        "keep": 0.9,
        "credit": 0.5,
        "least": 0.01,
        "least_alpha": 0.05,
        "warmup": 0.05,
        "burn_in": 0.02,
        "refit": 1 / 60,
        "power": 1.0,
    }
    LIMITS: ClassVar[dict[str, tuple[float, float]]] = dict.fromkeys(OPTIONS, (0.0, 1.0))

    def _first(self) -> dict[str, float]:
        """mu: the natural shares to the power `power`."""
        bent = {name: share ** self.options["power"] for name, share in natural_shares(self.domains).items()}
        total = math.fsum(sorted(bent.values()))
        return {name: part / total for name, part in bent.items()}

    def _step(self, state: State, report: LossReport, position: int) -> Step:
        mu, names = self._first(), sorted(self.names)
        part = report.position / self.budget
        curves = {name: curve for name, curve in state.get("curves", {}).items() if name in mu}
        if part > self.options["burn_in"]:
            logs = domain_logs(report, names)
            curves.update({name: appended(curves.get(name, []), part, logs[name]) for name in logs})
        drawn = self._credit(state, report, mu)
        now = {**state, "curves": curves, "draws": dict(report.draws), "drawn": drawn}
        now["count"] = count = state.get("count", 0) + 1
        if position < self._boundary(self.options["warmup"]):
            return Step(mu, now, "start", "natural shares before the laws are fitted")
        now["laws"], now["fitted"] = self._laws(now, part)
        speeds = {name: self._speed(law, part) for name, law in now["laws"].items() if name in mu}
        if not speeds:
            return Step(state.get("weights", mu), now, "kept: law not identified")
        rho = self._preference(speeds, mu, drawn)
        mean = {name: state.get("mean", mu).get(name, mu[name]) for name in names}
        mixed = {name: self.options["keep"] * mean[name] + (1.0 - self.options["keep"]) * rho[name] for name in names}
        mean = {name: mean[name] + (rho[name] - mean[name]) / count for name in names}
        shares = floored(mixed, min(self.options["least"], 1.0 / len(names)))
        return Step(shares, {**now, "mean": mean, "weights": shares}, "refit", f"{len(speeds)} laws")

    def _credit(self, state: State, report: LossReport, mu: Mapping[str, float]) -> dict[str, float]:
        """Moving average of the shares really drawn, from the natural ones."""
        old = state.get("drawn", mu)
        recent = shares_since(report.draws, state.get("draws", {})) or old
        return {name: 0.9 * old.get(name, mu[name]) + 0.1 * recent.get(name, 0.0) for name in mu}

    def _laws(self, state: State, part: float) -> tuple[dict[str, list[float]], float]:
        """(log beta, alpha) by domain, and at which part of the budget they were fitted.

        They are fitted again once the part `refit` of the budget was drawn since.
        """
        if state.get("laws") and part < state["fitted"] + self.options["refit"]:
            return state["laws"], state["fitted"]
        curves = {name: np.array(curve) for name, curve in sorted(state["curves"].items()) if len(curve) >= 4}
        if not curves:
            return {}, 0.0
        fitted = fit_power_laws(list(curves.values()))[:, 1:].tolist()
        return dict(zip(curves, fitted, strict=True)), part

    def _speed(self, law: Sequence[float], part: float) -> float:
        """Log of alpha (L - eps) / n, that is of alpha beta n^(-alpha - 1)."""
        log_beta, alpha = law
        slowest = max(alpha, self.options["least_alpha"], 1e-6)
        return math.log(slowest) + log_beta - (alpha + 1.0) * math.log(part)

    def _preference(
        self, speeds: Mapping[str, float], mu: Mapping[str, float], drawn: Mapping[str, float]
    ) -> dict[str, float]:
        """rho, a mixture; a domain without a law has the mean speed."""
        top = max(speeds.values())
        relative = {name: math.exp(speed - top) for name, speed in speeds.items()}
        mean = math.fsum(sorted(relative.values())) / len(relative)
        raw = {name: mu[name] * relative.get(name, mean) * drawn[name] ** self.options["credit"] for name in mu}
        total = math.fsum(sorted(raw.values()))
        rho = {name: part / total for name, part in raw.items()} if total > 0 else dict(mu)
        return floored(rho, min(self.options["least"], 1.0 / len(rho)))
