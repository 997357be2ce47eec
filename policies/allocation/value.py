"""Prices: what a draw gives to its own domain and to others, and what a larger pool would give."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from policies.allocation.outlook import Outlook
from policies.laws.pools import worth_slopes
from policies.records import Interval

Array = NDArray[np.float64]

HUB = 0.5  # a hub gives to others at least this much of what a draw is worth on average, ...
HUB_RATIO = 1.25  # ... and so many times what all domains give away on average
ISLAND = 0.25  # an island gets from others, and gives to them, less than this part of its own


@dataclasses.dataclass(frozen=True)
class HubScores:
    """By domain: what its draws give to other targets and to its own, relative to the mean worth of
    a draw; who is a hub (more likely than not), who an island."""

    given: dict[str, Interval]
    own: dict[str, Interval]
    hubs: tuple[str, ...]
    islands: tuple[str, ...]


def _intervals(names: tuple[str, ...], values: Array, samples: Array) -> dict[str, Interval]:
    """By name: values (K,) with the 90 % intervals of their samples (S, K)."""
    low, high = np.quantile(samples, [0.05, 0.95], axis=0)
    ends = np.array([values, np.minimum(low, values), np.maximum(high, values)]).T.tolist()
    return {name: Interval(*each) for name, each in zip(names, ends, strict=True)}


def _parts(gains: Array, own: NDArray[np.int64], place: NDArray[np.int64]) -> tuple[Array, Array, Array]:
    """Of marginal gains (..., M, K): given to others (..., k), to itself, and got from others."""
    total = np.maximum(gains[..., place].sum(axis=-2), 1e-300)
    mean = total.mean(axis=-1, keepdims=True)
    itself, got = np.zeros_like(total), np.zeros_like(total)
    for k, j in enumerate(place):
        for i in np.flatnonzero(own == j):
            itself[..., k] += gains[..., i, j]
            got[..., k] += gains[..., i, place].sum(axis=-1) - gains[..., i, j]
    return (total - itself) / mean, itself / mean, got / mean


def hub_scores(outlook: Outlook, n: Array, place: NDArray[np.int64], names: tuple[str, ...]) -> HubScores:
    """Split the marginal gain of each domain's draws at `n` into its own part and the part given away.

        g_ij = -w_i d value_i / d n_j;   given_j = sum_{i != j} g_ij / mean_k sum_i g_ik

    A hub gives to others at least half of what a draw is worth on average, and more than
    `HUB_RATIO` times what all give away in the mean. An island neither gives nor gets a quarter of
    what its own draws give to it.
    """
    gains = -outlook.weights[:, None] * outlook.targets(n)[1]
    given, itself, _ = _parts(gains, outlook.law.own, place)
    sampled = outlook.samples(n)
    given_s, itself_s, got_s = _parts(sampled, outlook.law.own, place)
    is_hub = np.mean((given_s >= HUB) & (given_s > HUB_RATIO * given_s.mean(axis=-1, keepdims=True)), axis=0) > 0.5
    is_island = np.mean((given_s < ISLAND * itself_s) & (got_s < ISLAND * itself_s), axis=0) > 0.5
    return HubScores(
        _intervals(names, given, given_s),
        _intervals(names, itself, itself_s),
        tuple(name for k, name in enumerate(names) if is_hub[k]),
        tuple(name for k, name in enumerate(names) if is_island[k]),
    )


def pool_values(
    outlook: Outlook, n: Array, place: NDArray[np.int64], names: tuple[str, ...], caps: Array
) -> dict[str, Interval]:
    """Fall of the objective for one more distinct draw in each pool, the draws n being kept.

        -dF/dU_j = (-dF/dn_j) (dS/dU_j) / (dS/dn_j)  +  price of the cap on epochs

    `caps` (k,) is the price of one more draw allowed by the cap.
    """
    slope, _, by_pool = worth_slopes(n, outlook.law.pools)
    by_pool = by_pool - worth_slopes(outlook.law.since, outlook.law.pools)[2]
    ratio = (by_pool / np.maximum(slope, 1e-12))[place]
    gains = (-outlook.weights[:, None] * outlook.targets(n)[1]).sum(axis=0)[place]
    if not np.any(ratio):  # endless pools
        return {name: Interval(*[float(cap)] * 3) for name, cap in zip(names, caps, strict=True)}
    sampled = outlook.samples(n).sum(axis=1)[:, place]
    return _intervals(names, gains * ratio + caps, sampled * ratio + caps)
