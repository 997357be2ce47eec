"""Noise trap: one domain with a high loss, nearly all of it floor, and measured badly. Base: islands.

Whoever draws where the loss is highest (ODM) or furthest above a reference (DoReMi) draws there.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from policies.worlds.draw import Spec, ample_pools, effective_data, spec, uniform
from policies.worlds.islands import ALPHA, FLOOR

TRAP_FLOOR = (0.9, 0.98)  # part of its loss that stays
TRAP_LEVEL = (3.0, 10.0)  # times the loss it would have
TRAP_NOISE = (4.0, 8.0)  # times the noise of the others


def build(rng: np.random.Generator, K: int) -> Spec:
    pools = ample_pools(rng, K)
    base = effective_data(rng, np.eye(K), alpha=ALPHA, floor=FLOOR, pools=pools)
    trap, part, level = int(rng.integers(K)), uniform(rng, TRAP_FLOOR), uniform(rng, TRAP_LEVEL)
    floor, size, noise = base.floor.copy(), base.size.copy(), np.ones(K)
    whole = (floor[trap] + size[trap]) * level
    floor[trap], size[trap] = whole * part, whole * (1 - part)
    noise[trap] = uniform(rng, TRAP_NOISE)
    return dataclasses.replace(spec(dataclasses.replace(base, floor=floor, size=size), pools, K), noise_factor=noise)
