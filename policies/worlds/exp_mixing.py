"""Wrong form: the exponential mixing law (2403.16952, Data Mixing Laws), with a power of time beside it.

    L_i = E_i + A_i ((T + start)/budget)^-alpha_i exp(-sum_j t_ij h_j),   h: cumulative shares

No draw ever gets worth less by being repeated, and what counts is the share, not the amount.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from policies.worlds import settings
from policies.worlds.draw import ALPHA, FLOOR, START, Spec, ample_pools, levels, log_uniform, spec, uniform
from policies.worlds.state import State
from policies.worlds.truth import Plain

OWN_FALL = (0.8, 3.0)  # t_ii: a share of 1 divides the excess by 2 to 20, as in fits of the mixing laws
TRANSFER = (0.02, 0.8)  # t_ij / t_ii, log-uniform


@dataclasses.dataclass(frozen=True)
class ExpMixing(Plain):
    """floor, size, alpha (M,); fall (M, K); start in draws."""

    floor: NDArray[np.float64]
    size: NDArray[np.float64]
    alpha: NDArray[np.float64]
    fall: NDArray[np.float64]
    start: float

    def losses(self, state: State) -> NDArray[np.float64]:
        time = (state.position + self.start) / settings.BUDGET
        return np.asarray(self.floor + self.size * time**-self.alpha * np.exp(-state.shares @ self.fall.T))


def build(rng: np.random.Generator, K: int) -> Spec:
    pools = ample_pools(rng, K)
    own = uniform(rng, OWN_FALL, K)
    fall = own[:, None] * np.where(np.eye(K, dtype=bool), 1.0, log_uniform(rng, TRANSFER, (K, K)))
    level, part = levels(rng, K), uniform(rng, FLOOR, K)
    size = level * (1 - part) * np.exp(fall.mean(axis=1))  # at its level under the uniform mixture
    start = float(uniform(rng, START)) * settings.BUDGET
    return spec(ExpMixing(level * part, size, uniform(rng, ALPHA, K), fall, start), pools, K)
