"""Forgetting on top of hubs: what was not trained on lately is partly forgotten.

    log L_i = log L_i(hubs) + c_i exp(-K r_i),   r_i = sum_j tau_ij recent_j

recent: exponentially weighted share. Freshly trained domains look better for a while, so one-hot
probes flatter themselves and a myopic policy runs after its own tail.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from policies.worlds import hubs, settings
from policies.worlds.draw import Spec, ample_pools, effective_data, log_uniform, spec, uniform
from policies.worlds.state import State
from policies.worlds.truth import Wrapped

MEMORY = (0.02, 0.1)  # of the budget, log-uniform
LOST = (0.03, 0.12)  # c: log loss of a domain that has not been seen for long


@dataclasses.dataclass(frozen=True)
class Forgetting(Wrapped):
    """span: memory in draws; reach (M, K): what recent draws keep fresh; lost (M,)."""

    span: float
    reach: NDArray[np.float64]
    lost: NDArray[np.float64]

    @property
    def memory(self) -> float:
        return self.span

    def losses(self, state: State) -> NDArray[np.float64]:
        fresh = state.recent @ self.reach.T * len(self.lost)
        return np.asarray(self.inner.losses(state) * np.exp(self.lost * np.exp(-fresh)))


def build(rng: np.random.Generator, K: int) -> Spec:
    tau, pools = hubs.transfer(rng, K), ample_pools(rng, K)
    span = float(log_uniform(rng, MEMORY)) * settings.BUDGET
    truth = Forgetting(effective_data(rng, tau, pools=pools), span, tau, uniform(rng, LOST, K))
    return dataclasses.replace(spec(truth, pools, K), changes=(settings.BUDGET - 2 * span,))
