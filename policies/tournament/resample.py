"""Intervals of figures over seeds: the bootstrap for means and ratios, Clopper-Pearson for rates."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv

from policies.records import Interval

Array = NDArray[np.float64]

DRAWS = 1000
LEVEL = 0.95


def counts(n: int, rng: np.random.Generator, draws: int = DRAWS) -> Array:
    """(draws, n): how often each of n runs is in each resample of n."""
    return np.asarray(rng.multinomial(n, np.full(n, 1.0 / n), size=draws), dtype=np.float64)


def between(value: float, samples: Array, level: float = LEVEL) -> Interval:
    """`value` with the percentiles of its resamples; NaN ends where there are no finite ones."""
    finite = samples[np.isfinite(samples)]
    if not len(finite):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))


def mean(values: Array, times: Array) -> Interval:
    """Mean of `values` (n,) under resamples `times` (B, n); one run alone has no interval."""
    if len(values) < 2:
        return Interval(float(values.mean()) if len(values) else float("nan"), float("nan"), float("nan"))
    return between(float(values.mean()), times @ values / len(values))


def ratio(above: Array, below: Array, times: Array) -> tuple[float, Array]:
    """sum(above) / sum(below), and the same in each resample (B,); NaN where there is nothing to divide by.

    One run alone tells nothing of other runs: its resamples are NaN.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(above.sum() / below.sum()) if below.sum() > 0 else float("nan")
        bottom = times @ below
        samples = np.where(bottom > 0, times @ above / bottom, np.nan)
    return value, np.asarray(samples if len(above) > 1 else np.full(len(times), np.nan))


def rate(hits: ArrayLike, level: float = LEVEL) -> Interval:
    """Part of `hits` (n,) that is true, with its Clopper-Pearson interval.

    low = B(a/2; k, n-k+1) and high = B(1-a/2; k+1, n-k), quantiles of the beta distribution, a = 1 - level.
    """
    found = np.asarray(hits, dtype=bool)
    n, k = len(found), int(found.sum())
    if n == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    tail = (1 - level) / 2
    low = 0.0 if k == 0 else float(betaincinv(k, n - k + 1, tail))
    high = 1.0 if k == n else float(betaincinv(k + 1, n - k, 1 - tail))
    return Interval(k / n, low, high)
