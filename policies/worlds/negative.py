"""Negative transfer on top of hubs: some domains' draws undo part of what others have learnt.

In tables of language models such effects are at noise level; supervised 3D pretraining shows targets
that end below training from scratch. Our laws know tau >= 0 only: what do they do here?
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from policies.worlds import hubs
from policies.worlds.draw import Spec, ample_pools, effective_data, fields, spec, uniform
from policies.worlds.truth import EffectiveData

PAIRS = 0.12  # part of the pairs, at least one
HARM = (0.05, 0.3)  # minus tau, own draw = 1
MOST = 0.5  # largest sum of harm to one target: with equal shares every loss still falls


@dataclasses.dataclass(frozen=True, kw_only=True)
class Interfering(EffectiveData):
    """What is left of x is never less than nothing: start log(1 + exp(x / start))."""

    def effective(self, distinct: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self.start * np.logaddexp(0.0, super().effective(distinct) / self.start))


def transfer(rng: np.random.Generator, K: int) -> NDArray[np.float64]:
    """tau (K, K) of hubs, with a few entries below zero."""
    tau = hubs.transfer(rng, K)
    struck = (rng.random((K, K)) < PAIRS) & ~np.eye(K, dtype=bool)
    first = int(rng.integers(K))
    struck[first, (first + 1) % K] = True
    harm = np.where(struck, uniform(rng, HARM, (K, K)), 0.0)
    harm *= np.minimum(1.0, MOST / np.maximum(harm.sum(axis=1, keepdims=True), 1e-12))
    return np.where(struck, -harm, tau)


def build(rng: np.random.Generator, K: int) -> Spec:
    pools = ample_pools(rng, K)
    return spec(Interfering(**fields(effective_data(rng, transfer(rng, K), pools=pools))), pools, K)
