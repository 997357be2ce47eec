"""What n draws from a finite pool are worth in distinct draws."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

REPEAT_EPOCHS = 10.0  # R*, the decay of a repeated epoch's value, in epochs (Muennighoff et al., 2305.16264: about 15)


def distinct_worth(draws: Array | float, pools: Array, repeat: float = REPEAT_EPOCHS) -> Array:
    """Worth of `draws` from `pools` (infinite where endless), in distinct draws.

        S(n; U) = n                                    for n <= U
                  U (1 + R* (1 - exp(-(n/U - 1)/R*)))  beyond

    Concave and once differentiable in n; at most U (1 + R*). Shapes broadcast.
    """
    over = np.maximum(draws / pools - 1.0, 0.0)
    with np.errstate(invalid="ignore"):
        beyond = pools * (1.0 - repeat * np.expm1(-over / repeat))
    return np.asarray(np.where(over > 0, beyond, draws))


def worth_since(draws: Array, since: Array | float, pools: Array) -> Array:
    """Distinct draws that the draws from `since` on, up to cumulative `draws`, are worth."""
    return distinct_worth(draws, pools) - distinct_worth(since, pools)


def worth_slopes(draws: Array | float, pools: Array, repeat: float = REPEAT_EPOCHS) -> tuple[Array, Array, Array]:
    """dS/dn, d2S/dn2 and dS/dU of `distinct_worth`; 0 for dS/dU where the pool is not exhausted."""
    over = np.maximum(draws / pools - 1.0, 0.0)
    decay = np.exp(-over / repeat)
    curvature = np.where(over > 0, -decay / (repeat * pools), 0.0)
    by_pool = np.where(over > 0, 1.0 - repeat * np.expm1(-over / repeat) - (over + 1.0) * decay, 0.0)
    return decay, curvature, by_pool
