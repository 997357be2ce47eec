"""Arithmetic on mixtures that the rivals share; weights are kept as logarithms, so nothing overflows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from policies.records import Domain

Array = NDArray[np.float64]


def natural_shares(domains: Sequence[Domain]) -> dict[str, float]:
    """Shares in proportion to the pools; an endless pool counts as the largest that has an end."""
    largest = max((domain.pool for domain in domains if domain.pool is not None), default=1)
    pools = {domain.name: float(domain.pool or largest) for domain in domains}
    total = math.fsum(pools.values())
    return {name: pool / total for name, pool in pools.items()}


def uniform_shares(names: Iterable[str]) -> dict[str, float]:
    listed = list(names)
    return dict.fromkeys(listed, 1.0 / len(listed))


def normal_logs(scores: Mapping[str, float]) -> dict[str, float]:
    """`scores` less their log-sum-exp: the logarithms of a mixture."""
    top = max(scores.values())
    level = top + math.log(math.fsum(math.exp(score - top) for score in scores.values()))
    return {name: score - level for name, score in scores.items()}


def softmax(scores: Mapping[str, float]) -> dict[str, float]:
    """The mixture proportional to exp(score), for scores of any size."""
    top = max(scores.values())
    parts = {name: math.exp(score - top) for name, score in scores.items()}
    total = math.fsum(parts.values())
    return {name: part / total for name, part in parts.items()}


def exponentiated_gradient(
    logs: Mapping[str, float], gains: Mapping[str, float], rate: float, *, smoothing: float = 0.0
) -> dict[str, float]:
    """One step `log p_j += rate * gain_j`, made a mixture again; returns its logarithms.

    With `smoothing` c the mixture becomes (1 - c) p + c / K, so that no share dies out. A domain
    without a gain stays as it is, relative to one with gain 0.
    """
    moved = normal_logs({name: log + rate * gains.get(name, 0.0) for name, log in logs.items()})
    if smoothing <= 0:
        return moved
    count = len(moved)
    return {name: math.log((1.0 - smoothing) * math.exp(log) + smoothing / count) for name, log in moved.items()}


def known_logs(logs: Mapping[str, float], names: Iterable[str]) -> dict[str, float]:
    """Log weights of `names`: those that left are dropped, newcomers start at the mean log weight."""
    listed = list(names)
    stay = sorted(logs[name] for name in listed if name in logs)
    mean = math.fsum(stay) / len(stay) if stay else 0.0
    return normal_logs({name: logs.get(name, mean) for name in listed})


def floored(shares: Mapping[str, float], least: float) -> dict[str, float]:
    """Every share raised to `least` where it is below, then divided by the sum."""
    raised = {name: max(share, least) for name, share in shares.items()}
    total = math.fsum(raised.values())
    return {name: share / total for name, share in raised.items()}


def smoothed_one_hot(front: str, names: Sequence[str], share: float) -> dict[str, float]:
    """`share` for one domain, the rest equally for the others."""
    if len(names) == 1:
        return {front: 1.0}
    rest = (1.0 - share) / (len(names) - 1)
    return {name: share if name == front else rest for name in names}


def lowest_on_simplex(function: Callable[[Array], tuple[float, Array]], start: Array, *, steps: int = 400) -> Array:
    """argmin of a smooth function over the simplex, by exponentiated gradient with a growing or halved rate.

    `function` maps shares (K,) to (value, gradient (K,)). Exact for a convex function up to the last
    step's length; for others a local minimum.
    """
    shares: Array = start / start.sum()
    rate = 1.0
    value, slope = function(shares)
    for _ in range(steps):
        move = -rate * (slope - slope.min())
        trial = np.maximum(shares, 1e-300) * np.exp(np.maximum(move, -50.0))
        trial /= trial.sum()
        new_value, new_slope = function(trial)
        if new_value <= value:
            if np.abs(trial - shares).max() < 1e-12:
                break
            shares, value, slope, rate = trial, new_value, new_slope, rate * 1.5
        else:
            rate /= 2.0
            if rate < 1e-12:
                break
    return shares
