"""Drift: a shard goes bad in mid-run. Most of one domain's draws are worthless from then on, and spoil it.

Its held-out loss rises with the part of its draws that were bad and becomes noisy, its training loss
jumps. Base: hubs; any domain may be struck.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from policies.worlds import hubs
from policies.worlds.draw import Spec, ample_pools, effective_data, fields, spec, uniform
from policies.worlds.regimes import TwoRegimes, boundary
from policies.worlds.state import State
from policies.worlds.truth import Wrapped

AT = (0.3, 0.6)  # of the budget
BAD = (0.5, 1.0)  # part of the domain's draws that are worthless afterwards
SPOILS = (0.1, 0.3)  # log loss if all its draws had been bad
NOISE = (2.0, 4.0)  # times the noise of the others
TRAIN = (1.2, 2.0)  # times its training loss


@dataclasses.dataclass(frozen=True)
class Spoiled(Wrapped):
    """spoils (K,): rise of log L_j if all draws of j had been bad; start in draws."""

    spoils: NDArray[np.float64]
    start: float

    def losses(self, state: State) -> NDArray[np.float64]:
        bad = state.counts[..., 1, :] / (state.draws + self.start)
        return np.asarray(self.inner.losses(state) * np.exp(self.spoils * bad))


def build(rng: np.random.Generator, K: int) -> Spec:
    pools = ample_pools(rng, K)
    base = effective_data(rng, hubs.transfer(rng, K), pools=pools)
    at, struck, bad = boundary(rng, AT), int(rng.integers(K)), float(uniform(rng, BAD))
    factor, spoils, noise, train = np.ones((K, K)), np.zeros(K), np.ones(K), np.ones(K)
    factor[:, struck] = 1.0 - bad
    spoils[struck] = bad * uniform(rng, SPOILS)
    noise[struck], train[struck] = uniform(rng, NOISE), uniform(rng, TRAIN)
    truth = TwoRegimes(**fields(base), at=at, factor=factor, floor_after=base.floor)
    return dataclasses.replace(
        spec(Spoiled(truth, spoils, base.start), pools, K),
        noise_factor=noise,
        noisy_from=at,
        train_factor=train,
        changes=(at,),
    )
