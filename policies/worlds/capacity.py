"""Wrong form: domains compete for the model's capacity (the re-analysis in law_notes 2.12).

    L_i = E_i + C_i x_i(h)^-b_i + A_i ((n_i + start)/reference)^-a_i
    x(h) = argmin sum_i h_i C_i x_i^-b_i   subject to   sum_i x_i = K

A domain drawn more gets more of the model, at the cost of all others; its own draws lower the second
term. There is no transfer, yet every share matters to every loss.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from policies.worlds import settings
from policies.worlds.draw import START, Spec, ample_pools, levels, spec, uniform
from policies.worlds.state import State
from policies.worlds.truth import Plain

FLOOR = (0.1, 0.6)  # part of the loss that stays, at equal shares
CAPACITY_PART = (0.2, 0.8)  # of what is left, the part that capacity decides
CAPACITY_POWER = (0.1, 1.2)  # b: published exponents of model size lie about 0.35
DATA_POWER = (0.15, 0.6)  # a: as on islands
NEWTON_STEPS = 8


@dataclasses.dataclass(frozen=True)
class Capacity(Plain):
    """All arrays (K,); start and reference in draws."""

    floor: NDArray[np.float64]
    strain: NDArray[np.float64]
    strain_power: NDArray[np.float64]
    size: NDArray[np.float64]
    alpha: NDArray[np.float64]
    start: float
    reference: float

    def losses(self, state: State) -> NDArray[np.float64]:
        data = state.draws + self.start
        part = self.parts(data / data.sum(axis=-1, keepdims=True))
        own = self.size * (data / self.reference) ** -self.alpha
        return np.asarray(self.floor + self.strain * part**-self.strain_power + own)

    def parts(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """x (..., K): the conditions of optimality give x_i = (h_i C_i b_i / lambda)^(1/(b_i + 1)).

        Newton on log lambda, where log sum x_i is convex and falling.
        """
        K = shares.shape[-1]
        power = 1.0 / (self.strain_power + 1.0)
        log_need = np.log(shares * self.strain * self.strain_power)
        log_lambda = log_need.mean(axis=-1, keepdims=True)
        for _ in range(NEWTON_STEPS):
            x = np.exp(power * (log_need - log_lambda))
            total = x.sum(axis=-1, keepdims=True)
            log_lambda = log_lambda + np.log(total / K) * total / (power * x).sum(axis=-1, keepdims=True)
        return np.asarray(np.exp(power * (log_need - log_lambda)))


def build(rng: np.random.Generator, K: int) -> Spec:
    pools, level = ample_pools(rng, K), levels(rng, K)
    floor, capacity = uniform(rng, FLOOR, K), uniform(rng, CAPACITY_PART, K)
    reference = settings.BUDGET / K
    truth = Capacity(
        level * floor,
        level * (1 - floor) * capacity,
        uniform(rng, CAPACITY_POWER, K),
        level * (1 - floor) * (1 - capacity),
        uniform(rng, DATA_POWER, K),
        float(uniform(rng, START)) * reference,
        reference,
    )
    return spec(truth, pools, K)
