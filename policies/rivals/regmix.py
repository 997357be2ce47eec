"""RegMix: regress losses on pilot mixtures, simulate many mixtures, take the mean of the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from policies.rivals.blocks import ALIKE, Block, table
from policies.rivals.pilots import PilotPolicy, dirichlet, pilot_prior
from policies.rivals.stateful import Tune

TUNE: Tune = {
    "pilot": (0.15, 0.45, "linear"),
    "power": (0.1, 1.0, "linear"),
    "best": (10, 5_000, "log"),
    "strength": (0.5, 50.0, "log"),
}

Array = NDArray[np.float64]
RIDGES = np.logspace(-4.0, 2.0, 13)  # tried; the one with the least leave-one-out error is kept


def _kernel(a: Array, b: Array) -> Array:
    """(1 + a . b)^2 - 1: all linear and quadratic terms of the shares."""
    values: Array = (1.0 + a @ b.T) ** 2 - 1.0
    return values


def detrended(slopes: Array, middle: Array) -> Array:
    """Slopes (N,) less a straight line in log draws: what the time of a pilot, not its mixture, explains."""
    design = np.column_stack([np.ones_like(middle), middle - middle.mean()])
    rest: Array = slopes - design @ np.linalg.lstsq(design, slopes, rcond=1e-9)[0]
    return rest


def fit_quadratic(shares: Array, values: Array) -> Array:
    """Dual weights (N,) of the ridge regression of values (N,) on `_kernel` of shares (N, K).

    The strength of the ridge, relative to the mean of the kernel's diagonal, has the least
    leave-one-out error: residual_n / (1 - H_nn).
    """
    kernel = _kernel(shares, shares)
    lengths, vectors = np.linalg.eigh(kernel)
    best, least = np.zeros(len(values)), np.inf
    for ridge in RIDGES * float(np.diag(kernel).mean()):
        shrink = 1.0 / (np.maximum(lengths, 0.0) + ridge)
        dual: Array = vectors @ (shrink * (vectors.T @ values))
        error = float(np.sum((dual / ((vectors**2) @ shrink)) ** 2))
        if error < least * (1.0 - 1e-9):
            best, least = dual, error
    return best


def mean_of_best(candidates: Array, gain: Array, best: int) -> Array:
    """Mean of the `best` rows of candidates (C, K) with the highest gain (C,).

    Those that are worse than the last of them by less than `ALIKE` count too, the less the worse they are: so
    the mean does not hang on rounding where gains tie.
    """
    last = len(gain) - min(best, len(gain))
    counts = np.clip(1.0 + (gain - np.partition(gain, last)[last]) / ALIKE, 0.0, 1.0)
    mean: Array = counts @ candidates
    shares: Array = mean / mean.sum()
    return shares


class RegMix(PilotPolicy):
    """RegMix-like static optimum (Liu et al., ICLR 2025, 2407.01492, section 3).

    Train small models on random mixtures, regress the target loss on the mixture, simulate 100,000
    mixtures, take the mean of the 100 best. Defaults from the paper and its generator (`PilotPolicy`).

    Interpretations. The paper trains 512 models of 1M parameters; here the pilots are blocks of this
    run (`pilot` = 0.3 of the budget), and what is regressed is the fall of log loss per unit of log
    draws, less a line in log draws: so pilots at different times compare and units cancel. LightGBM
    is replaced by a ridge regression on all linear and quadratic terms of the shares, its strength
    chosen by leave-one-out error: a dozen pilots would not feed trees. The optimum keeps to what
    pilots may be: candidates are Dirichlet(`strength` x prior), `strength` = 1, no share above 15 times
    the natural one. A block is short, so its fall is nearly linear in its mixture and the optimum
    lies near a corner: a fault of pilots within one run that full pilot runs do not have.
    """

    name = "regmix"
    OPTIONS: ClassVar[dict[str, Any]] = {**PilotPolicy.OPTIONS, "candidates": 100_000, "best": 100, "strength": 1.0}
    LIMITS: ClassVar[dict[str, tuple[float, float]]] = {
        **PilotPolicy.LIMITS,
        "candidates": (10, 1_000_000),
        "best": (1, 1_000_000),
        "strength": (1e-3, 1e6),
    }

    def _optimum(self, blocks: Sequence[Block]) -> tuple[Mapping[str, float], str] | None:
        names = sorted(self.names)
        natural, prior = pilot_prior(self.domains, names, self.options["power"])
        generator = np.random.default_rng([abs(self.seed), len(blocks), 1])
        candidates = dirichlet(generator, self.options["strength"] * prior, int(self.options["candidates"]))
        allowed = candidates[np.all(candidates <= np.minimum(self.options["usage"] * natural, 1.0), axis=1)]
        candidates = allowed if len(allowed) else natural[None, :]
        gain, fitted = np.zeros(len(candidates)), 0
        for target, weight in sorted(self.targets.items()):
            shares, slopes, middle = table(blocks, names, target)
            if weight > 0 and len(slopes) >= 4:
                gain += weight * (_kernel(candidates, shares) @ fit_quadratic(shares, detrended(slopes, middle)))
                fitted += 1
        if not fitted:
            return None
        mixture = mean_of_best(candidates, gain, int(self.options["best"]))
        text = f"mean of the {int(self.options['best'])} best of {len(candidates)} mixtures by {len(blocks)} pilots"
        return dict(zip(names, mixture.tolist(), strict=True)), text
