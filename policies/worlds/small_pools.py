"""Small pools: distinct draws over three decades. In half of the seeds too many epochs do harm.

Repetition as in 2305.16264: up to 4 epochs nearly as good as fresh draws, R* 5 to 15, nothing gained
beyond about 16. Within mixtures 15 to 20 repeats are borne, and beyond a frontier the loss rises
(2605.12715); the published text has no formula for the rise, so the one here is ours.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from policies.worlds import settings
from policies.worlds.draw import Spec, effective_data, log_uniform, off_diagonal, spec, uniform
from policies.worlds.state import State
from policies.worlds.truth import Wrapped

POOL_DECADES = (-2.0, 1.0)  # log10 of pool / equal share of the budget
REPEAT = (5.0, 20.0)  # R*, epochs, one for all domains of a seed
TRANSFER = (0.0, 0.2)
RISING = 0.5  # part of the seeds where loss rises past the frontier
FRONTIER = (10.0, 30.0)  # epochs
RISE = (0.02, 0.1)  # in log loss at e times the frontier


@dataclasses.dataclass(frozen=True)
class Overworked(Wrapped):
    """log L_j grows by rise_j log(epochs_j / frontier)^2 beyond the frontier."""

    pools: NDArray[np.float64]
    frontier: float
    rise: NDArray[np.float64]

    def losses(self, state: State) -> NDArray[np.float64]:
        beyond = np.log(np.maximum(state.draws / (self.pools * self.frontier), 1.0))
        return np.asarray(self.inner.losses(state) * np.exp(self.rise * beyond**2))


def build(rng: np.random.Generator, K: int) -> Spec:
    pools = np.maximum(np.round(settings.BUDGET / K * 10.0 ** uniform(rng, POOL_DECADES, K)), 1.0)
    tau = off_diagonal(uniform(rng, TRANSFER, (K, K)))
    truth = effective_data(rng, tau, pools=pools, repeat=float(log_uniform(rng, REPEAT)))
    if rng.random() < RISING:
        return spec(Overworked(truth, pools, float(uniform(rng, FRONTIER)), uniform(rng, RISE, K)), pools, K)
    return spec(truth, pools, K)
