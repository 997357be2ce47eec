"""The exponential mixing law, fitted to pilots, and its static optimum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from policies.laws.solve import BEND, Batch, minimise
from policies.rivals.blocks import Block, table
from policies.rivals.mixtures import lowest_on_simplex
from policies.rivals.pilots import PilotPolicy, pilot_prior
from policies.rivals.stateful import Tune

TUNE: Tune = {
    "pilot": (0.15, 0.45, "linear"),
    "power": (0.1, 1.0, "linear"),
    "spread": (0.1, 10.0, "log"),
    "anchor": (1e-4, 1.0, "log"),
}

Array = NDArray[np.float64]
FLOORS = np.log(np.linspace(0.05, 0.95, 5))  # starts for c, in units of the lowest loss seen
FLOOR_SD = 2.0  # of log c around its start


def fit_exponential(shares: Array, losses: Array, own: Array, *, spread: float, delta: float) -> Array:
    """Parameters (log c, log k, t_1 .. t_K) of  L(r) = c + k exp(sum_j t_j r_j), from N mixtures.

    argmin of the sum of pseudo-Huber(log residuals, `delta`), of several starts the best; weak
    Gaussian priors: t_j with standard deviation `spread`, log c wide around its start. shares (N, K),
    losses (N,) positive; `own` (K,) is True for the target's own domain, whose t starts negative.
    """
    rows, count = shares.shape
    lowest = losses.min()

    def model(theta: Array, which: NDArray[np.int64], jacobian: bool) -> tuple[Array, Array]:
        floor, power = theta[:, :1], theta[:, 1:2] + theta[:, 2:] @ shares.T
        fitted = np.logaddexp(floor, power)
        part = np.exp(power - fitted)
        slopes = np.concatenate([(1 - part)[:, :, None], part[:, :, None], part[:, :, None] * shares[None]], axis=2)
        return fitted, slopes

    tries = len(FLOORS)
    start = np.zeros((tries, count + 2))
    start[:, 0] = FLOORS + np.log(lowest)
    start[:, 1] = np.log(np.maximum(losses.mean() - np.exp(start[:, 0]), 1e-3 * lowest))
    start[:, 2:] = np.where(own, -0.3, 0.0)
    precision = np.zeros((tries, count + 2))
    precision[:, 0], precision[:, 1], precision[:, 2:] = FLOOR_SD**-2, 1e-8, spread**-2
    centre = np.where(np.arange(count + 2) < 2, start, 0.0)
    weight = np.full((tries, rows), BEND / delta)
    observed = np.broadcast_to(np.log(losses), (tries, rows)).copy()
    batch = Batch(observed, weight, centre, precision, np.ones((tries, count + 2), dtype=np.bool_))
    near = minimise(model, batch, start, iterations=30, tolerance=1e-6, far=True)
    solution = minimise(model, batch, near.theta, iterations=50, tolerance=1e-12)
    best: Array = solution.theta[int(np.argmin(solution.cost))]
    return best


def predicted(theta: Array, shares: Array) -> Array:
    """c + k exp(t . r) for shares (..., K)."""
    value: Array = np.exp(theta[0]) + np.exp(theta[1] + shares @ theta[2:])
    return value


class MixingLaw(PilotPolicy):
    """Data mixing laws (Ye et al., ICLR 2025, 2403.16952, eq. 6): L_i(r) = c_i + k_i exp(sum_j t_ij r_j).

    Fitted to pilots by Huber regression (delta = 0.01), then the mixture with the lowest weighted mean
    of predicted losses. Interpretations. Pilots are blocks of this run, their mixtures drawn as
    RegMix draws them (`PilotPolicy`). A pilot's loss is what one unit of log draws of its mixture would make
    of a loss of 1: exp(-slope). So the nesting with a step law and a size law falls away, pilots at
    different times compare, and units cancel. With fewer pilots than parameters the fit needs a
    prior: t_ij normal with standard deviation `spread` = 1. Five starts for c, not hundreds. `anchor`
    times KL(r || prior) may be added to the mean loss, as in Olmix (2602.12237); 0 is the paper's rule.
    """

    name = "mixing_law"
    OPTIONS: ClassVar[dict[str, Any]] = {**PilotPolicy.OPTIONS, "delta": 0.01, "spread": 1.0, "anchor": 0.0}
    LIMITS: ClassVar[dict[str, tuple[float, float]]] = {
        **PilotPolicy.LIMITS,
        "delta": (1e-6, 1.0),
        "spread": (1e-3, 1e3),
        "anchor": (0.0, 1e3),
    }

    def _optimum(self, blocks: Sequence[Block]) -> tuple[Mapping[str, float], str] | None:
        names, laws = sorted(self.names), []
        for target, weight in sorted(self.targets.items()):
            shares, slopes, _ = table(blocks, names, target)
            if weight > 0 and len(slopes) >= 4:
                own = np.array([name == target for name in names])
                spread, delta = self.options["spread"], self.options["delta"]
                laws.append((weight, fit_exponential(shares, np.exp(-slopes), own, spread=spread, delta=delta)))
        if not laws:
            return None

        prior, anchor = pilot_prior(self.domains, names, self.options["power"])[1], self.options["anchor"]

        def mean_loss(shares: Array) -> tuple[float, Array]:
            ratio = np.log(np.maximum(shares, 1e-300) / prior)
            value, slope = anchor * float(shares @ ratio), anchor * (ratio + 1.0)
            for weight, theta in laws:
                value += weight * float(predicted(theta, shares))
                slope += weight * np.exp(theta[1] + shares @ theta[2:]) * theta[2:]
            return value, slope

        mixture = lowest_on_simplex(mean_loss, np.full(len(names), 1.0 / len(names)))
        text = f"optimum of {len(laws)} mixing laws fitted to {len(blocks)} pilots"
        return dict(zip(names, mixture.tolist(), strict=True)), text
