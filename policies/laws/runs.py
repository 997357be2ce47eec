"""What the losses of one run have in common: their residuals hang together.

No law has quite the shape of a real loss curve, so residuals of neighbouring rows are alike. A fit
that takes them for independent noise blames the mixture for the shape. So each row is compared with
the one before: with residuals r_n and their correlation rho, the fit is to

    (r_n - rho r_(n-1)) / sqrt(1 - rho^2)

which are uncorrelated and as wide as r_n (Cochrane and Orcutt 1949). What a block of draws did to the
next loss then counts, and a slow misfit does not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from policies.laws.rows import Rows

Array = NDArray[np.float64]

MOST = 0.95  # a correlation of 1 would leave nothing to learn a level from
SHRINK = 5.0  # observations without correlation that are added to those made
LEAST_TRUST, MOST_TRUST = 0.5, 4.0  # ratio of a row's stated error to the usual one


def links(rows: Rows) -> NDArray[np.bool_]:
    """(M, N): whether a target was measured in this row and in the row before it, of the same run."""
    known = ~np.isnan(rows.log_loss.T)
    linked = np.zeros_like(known)
    linked[:, 1:] = known[:, 1:] & known[:, :-1] & (rows.run[1:] == rows.run[:-1])
    return linked


def correlation(residual: Array, linked: NDArray[np.bool_]) -> Array:
    """(M, N): by target the correlation of residuals (M, N) with those before, at rows that have one."""
    now, before, pair = residual[:, 1:], residual[:, :-1], linked[:, 1:]
    product = np.where(pair, now * before, 0.0).sum(axis=1)
    power = 0.5 * np.where(pair, now**2 + before**2, 0.0).sum(axis=1)
    count = pair.sum(axis=1)
    rho = product / np.maximum(power, 1e-300) * count / (count + SHRINK)
    return np.where(linked, np.clip(rho, 0.0, MOST)[:, None], 0.0)


def whiten(values: Array, rho: Array) -> Array:
    """Values (B, N) or (B, N, P), each less its correlated part of the row before."""
    rho = rho.reshape(rho.shape + (1,) * (values.ndim - 2))
    before = np.zeros_like(values)
    before[:, 1:] = values[:, :-1]
    white: Array = (values - np.where(rho > 0, rho * before, 0.0)) / np.sqrt(1.0 - rho**2)
    return white


def relative_error(sem: Array) -> Array:
    """(N, M): how much less than usual a row is to be trusted, from the errors (N, M) that reports state.

    Those are errors over held-out crops. The crops are the same at every report, so most of such an
    error is the same each time and is no noise between reports: only its ratios count here.
    """
    usual = np.array([np.median(column[column > 0]) if np.any(column > 0) else np.nan for column in sem.T])
    ratio = sem / usual
    return np.where(np.isnan(ratio), 1.0, np.clip(ratio, LEAST_TRUST, MOST_TRUST))
