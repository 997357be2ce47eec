"""A family's excess over its floor as a function of the final draws, with two derivatives: what plans need."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from policies.laws.form import ALPHA, BETA, FLOOR, FREE_TIME, HEAD, LATE, SCALE, SHARE_FLOOR, mixing_power
from policies.laws.pools import worth_since, worth_slopes

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class End:
    """Where a run ends: draws in all, log of them and of the learning-rate sum over their references.

    pools: (K,); start: unit of what the model knew at the draws `since` (K,), in draws; total and log_time
    count from there.
    """

    pools: Array
    total: float
    start: float
    log_total: float
    log_time: float
    since: Array | float = 0.0


@dataclasses.dataclass(frozen=True)
class Excess:
    """log excess q (B,) of B sets of parameters at draws n (K,), with

        dq/dn = -rate first,    d2q/dn2 = rate (g first first' - diag(second))

    rate, g: (B,); first >= 0 and second <= 0: (B, K). So q is convex in n.
    """

    q: Array
    rate: Array
    first: Array
    second: Array
    g: Array


def excess(theta: Array, kind: str, n: Array, end: End) -> Excess:
    """`Excess` of the parameters `theta` (B, P) of a family of the given `kind` at final draws n (K,)."""
    worth = worth_since(n, end.since, end.pools)
    slope, curve, _ = worth_slopes(n, end.pools)
    share = worth / end.total + SHARE_FLOOR
    q = theta[:, SCALE] - (np.exp(theta[:, BETA]) * end.log_time if kind in FREE_TIME else 0.0)
    if kind == "exponential":
        tau, one = np.exp(theta[:, HEAD:-1]), np.ones(len(theta))
        return Excess(q - tau @ share, one, tau * slope / end.total, tau * curve / end.total, 0.0 * one)
    alpha, g = np.exp(theta[:, ALPHA]), mixing_power(theta)[:, None]
    scaled = theta[:, HEAD:-1] + g * np.log(share)
    known = theta[:, -1:] + g * np.log(end.start / end.total + SHARE_FLOOR)
    top = np.maximum(scaled.max(axis=1, keepdims=True), known)
    part = np.exp(scaled - top)
    total = part.sum(axis=1, keepdims=True) + np.exp(known - top)
    reach = ((top + np.log(total)) / g)[:, 0] + (end.log_total if kind == "effective" else 0.0)
    part /= total
    rate = slope / (end.total * share)
    second = part * (curve / (end.total * share) + (g - 1.0) * rate**2)
    return Excess(q - alpha * reach, alpha, part * rate, second, g[:, 0])


def log_floor(theta: Array, kind: str, end: End) -> Array:
    """(B,) log of what no mixture changes: E, and in the additive law the time's term."""
    if kind != "additive":
        floor: Array = theta[:, FLOOR]
        return floor
    return np.asarray(np.logaddexp(theta[:, FLOOR], theta[:, LATE] - np.exp(theta[:, BETA]) * end.log_time))
