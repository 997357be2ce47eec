"""The learning rate, read off its running sum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PEAK = 0.95  # part of the highest rate from which the warm-up counts as over


def stretch_rates(position: Array, total: Array) -> Array:
    """(N,): mean rate of the stretch that ends at each position, from the sums of rates up to there."""
    rate: Array = np.diff(total, prepend=0.0) / np.maximum(np.diff(position, prepend=0.0), 1e-300)
    return rate


def fallen(position: Array, total: Array) -> Array:
    """(N,): how far the rate of each stretch has come down from the highest before it, 0 to 1."""
    rate = stretch_rates(position, total)
    peak = np.maximum.accumulate(rate)
    return np.asarray(np.where(peak > 0, 1.0 - rate / np.maximum(peak, 1e-300), 0.0))


def first_at_peak(rate: Array) -> int:
    """Index of the first stretch in which the rate is up."""
    return int(np.argmax(rate >= PEAK * rate.max()))
