"""Flat: all domains alike with weak transfer. No mixture beats uniform; only harm can be done."""

from __future__ import annotations

import numpy as np

from policies.worlds.draw import Spec, ample_pools, effective_data, off_diagonal, spec, uniform

ALPHA = (0.25, 0.40)  # one exponent for all domains of a seed; the pilot's range
FLOOR = (0.2, 0.6)
TRANSFER = (0.0, 0.15)  # one for all pairs; language tables show 0.03 to 0.25


def build(rng: np.random.Generator, K: int) -> Spec:
    tau = off_diagonal(np.full((K, K), uniform(rng, TRANSFER)))
    alpha, floor = float(uniform(rng, ALPHA)), float(uniform(rng, FLOOR))
    pools = ample_pools(rng, K)
    truth = effective_data(rng, tau, alpha=(alpha, alpha), floor=(floor, floor), pools=pools)
    return spec(truth, pools, K, has_gap=False)
