"""Drift: a domain joins in mid-run, as when a new site is connected. Base: hubs; it may be one."""

from __future__ import annotations

import dataclasses

import numpy as np

from policies.worlds import hubs
from policies.worlds.draw import Spec
from policies.worlds.regimes import boundary

AT = (0.2, 0.5)  # of the budget


def build(rng: np.random.Generator, K: int) -> Spec:
    base = hubs.build(rng, K)
    at, joins = boundary(rng, AT), np.zeros(K)
    joins[int(rng.integers(K))] = at
    return dataclasses.replace(base, joins=joins, changes=(at,))
