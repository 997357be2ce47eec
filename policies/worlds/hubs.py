"""Hubs: one to three domains exchange much with all others, as much one way as the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from policies.worlds.draw import Spec, ample_pools, effective_data, off_diagonal, spec, uniform

HUBS = (1, 3)  # how many, at most a third of the domains
HUB_TRANSFER = (0.2, 0.5)  # worth of a hub's draw to another domain and back, own draw = 1
OTHER_TRANSFER = (0.0, 0.1)  # between the others: the typical value of language tables is 0.03 to 0.09


def hub_count(rng: np.random.Generator, K: int) -> int:
    return int(rng.integers(HUBS[0], max(min(HUBS[1], K // 3), HUBS[0]) + 1))


def transfer(rng: np.random.Generator, K: int) -> NDArray[np.float64]:
    """tau (K, K), symmetric; which domains are hubs is drawn too."""
    tau = uniform(rng, OTHER_TRANSFER, (K, K))
    hubs = rng.permutation(K)[: hub_count(rng, K)]
    tau[:, hubs] = uniform(rng, HUB_TRANSFER, (K, len(hubs)))
    tau[hubs, :] = tau[:, hubs].T
    upper = np.triu(tau, 1)
    return off_diagonal(upper + upper.T)


def build(rng: np.random.Generator, K: int) -> Spec:
    tau, pools = transfer(rng, K), ample_pools(rng, K)
    return spec(effective_data(rng, tau, pools=pools), pools, K)
