"""Drift: in mid-run a hub stops giving and another domain starts to, or a floor rises, or both.

Causes in practice: a new scanner or intensity normalisation at one site. Base: hubs.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from policies.worlds import hubs
from policies.worlds.draw import Spec, ample_pools, effective_data, fields, log_uniform, spec, uniform
from policies.worlds.regimes import TwoRegimes, boundary

AT = (0.3, 0.6)  # of the budget
FADES = (0.05, 0.3)  # what the hub's draws are worth to others afterwards, of before; log-uniform
WAKES = (3.0, 8.0)  # the same for the domain that gave least
FLOOR_RISES = (1.2, 1.8)  # of one domain


def build(rng: np.random.Generator, K: int) -> Spec:
    pools = ample_pools(rng, K)
    base = effective_data(rng, hubs.transfer(rng, K), pools=pools)
    at, kind = boundary(rng, AT), rng.integers(3)
    factor, floor = np.ones((K, K)), base.floor.copy()
    given = base.tau.sum(axis=0)
    fades, wakes = float(log_uniform(rng, FADES)), float(log_uniform(rng, WAKES))
    if kind != 1:
        factor[:, int(given.argmax())] = fades
        factor[:, int(given.argmin())] = wakes
        np.fill_diagonal(factor, 1.0)
    risen, by = int(rng.integers(K)), float(uniform(rng, FLOOR_RISES))
    if kind != 0:
        floor[risen] *= by
    truth = TwoRegimes(**fields(base), at=at, factor=factor, floor_after=floor)
    return dataclasses.replace(spec(truth, pools, K), changes=(at,))
