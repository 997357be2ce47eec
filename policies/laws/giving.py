"""What a fitted law expects of the next report's gradient products."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from policies.laws.joint import JointLaw
from policies.laws.products import DIRECTED, Products, compositions, directions

Array = NDArray[np.float64]


def expected(law: JointLaw, draws: Array, which: Sequence[int]) -> Array:
    """(M, W): products with the domains `which` that the law expects after `draws` (K,) of the whole run, in root mean
    squares of each target's over these domains; NaN where no family is one that products can be compared with."""
    here = np.maximum(draws - law.since, 0.0)[None]
    nothing = np.full((1, len(law.targets), len(law.domains)), np.nan)
    given = directions(Products(nothing, nothing, here, 1.0), law.pools, law.start, law.since)
    whole, weight = np.zeros((len(law.targets), len(which))), 0.0
    for family in law.families:
        if family.name in DIRECTED:
            p = compositions(family.theta, given, family.name, False)[0][:, 0, which]
            size = np.sqrt((p * p).mean(axis=1, keepdims=True))
            whole, weight = whole + family.weight * p / np.maximum(size, 1e-300), weight + family.weight
    return np.asarray(whole / weight if weight > 0 else np.full(whole.shape, np.nan))
