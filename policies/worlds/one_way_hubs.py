"""One-way hubs: some domains give others from little to more than those give themselves, and get little.

The pilot on real volumes: off-diagonal over own weight between 0.2 and 5; EPI and T2 are worth more
to T1 than T1 itself; T1 and PET give little to others; opposite directions are hardly correlated.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from policies.worlds.draw import Spec, ample_pools, effective_data, log_uniform, off_diagonal, spec
from policies.worlds.hubs import hub_count

HUB_GIVES = (0.2, 3.0)  # log-uniform over the pairs
HUB_GETS = (0.005, 0.05)
OTHER_TRANSFER = (0.01, 0.2)


def transfer(rng: np.random.Generator, K: int) -> NDArray[np.float64]:
    """tau (K, K), not symmetric."""
    tau = log_uniform(rng, OTHER_TRANSFER, (K, K))
    hubs = rng.permutation(K)[: hub_count(rng, K)]
    tau[hubs, :] = log_uniform(rng, HUB_GETS, (len(hubs), K))
    others = np.setdiff1d(np.arange(K), hubs)
    tau[np.ix_(others, hubs)] = log_uniform(rng, HUB_GIVES, (len(others), len(hubs)))
    return off_diagonal(tau)


def build(rng: np.random.Generator, K: int) -> Spec:
    tau, pools = transfer(rng, K), ample_pools(rng, K)
    return spec(effective_data(rng, tau, pools=pools), pools, K)
