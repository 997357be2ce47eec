"""Islands: no transfer; domains differ in exponent and floor, so draws belong where loss still falls."""

from __future__ import annotations

import numpy as np

from policies.worlds.draw import Spec, ample_pools, effective_data, spec

ALPHA = (0.15, 0.60)  # wider than the pilot's 0.25 to 0.40: fits of single curves move two- to six-fold
FLOOR = (0.1, 0.7)


def build(rng: np.random.Generator, K: int) -> Spec:
    pools = ample_pools(rng, K)
    return spec(effective_data(rng, np.eye(K), alpha=ALPHA, floor=FLOOR, pools=pools), pools, K)
