"""The textures that phantoms are made of, and which domain has which.

A pattern is a standing wave with a period of four voxels along the axes that it runs along, so that every patch of
4 or 8 voxels sees the same stretch of it: a masked autoencoder that knows the pattern can carry it from the patches it
sees to the hidden ones, and one that does not know it cannot. Different patterns are orthogonal; to know one is of no
use for another. So the part of its patterns that a domain has in common with another is what the other can teach it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

PERIOD = 4

Shared = Sequence[Sequence[float]]


def _waves() -> tuple[tuple[int, int, int], ...]:
    """One wave vector of each pair (v, -v), in quarter turns a voxel; those equal to their own mirror have no phase."""
    kept: list[tuple[int, int, int]] = []
    for a, b, c in itertools.product(range(PERIOD), repeat=3):
        mirror = ((-a) % PERIOD, (-b) % PERIOD, (-c) % PERIOD)
        if mirror != (a, b, c) and mirror not in kept:
            kept.append((a, b, c))
    order = np.random.default_rng(3).permutation(len(kept))  # neighbours in number are no neighbours in direction
    return tuple(kept[i] for i in order)


WAVES = _waves()


def texture(
    regions: npt.NDArray[np.int64], patterns: Sequence[int], random: np.random.Generator
) -> npt.NDArray[np.float32]:
    """A sum of `patterns` over the volume with mean 0 and variance 1, float32 of the shape of `regions`.

    In each region every pattern has its own random height and phase (a complex normal), so no crop is like another.
    """
    heights = random.normal(size=(len(patterns), 2, int(regions.max()) + 1))
    out: npt.NDArray[np.float32] = np.zeros(regions.shape, dtype=np.float32)
    for pattern, (real, imaginary) in zip(patterns, heights, strict=True):
        quarter = sum(
            wave * np.arange(extent).reshape(shape)
            for wave, extent, shape in zip(
                WAVES[pattern], regions.shape, ((-1, 1, 1), (1, -1, 1), (1, 1, -1)), strict=True
            )
        )
        values = np.stack([real, -imaginary, -real, imaginary]).astype(np.float32)  # Re(h i^q), q quarter turns
        out += values[np.mod(quarter, PERIOD), regions]
    out -= out.mean()
    out /= max(float(out.std()), 1e-6)
    return out


def dictionaries(names: Sequence[str], counts: Sequence[int], shared: Shared) -> tuple[tuple[int, ...], ...]:
    """Which patterns each domain has, so that domain i has the part `shared[i][j]` of its own in common with j.

    Parameters
    ----------
    names:
        (K,) for messages.
    counts:
        (K,) patterns of each domain.
    shared:
        (K, K) parts in [0, 1]; the diagonal does not matter. Each pair shares patterns of its own:
        `shared[i][j] * counts[i]` must be a whole number, the same as `shared[j][i] * counts[j]`.

    Raises ValueError where no such sets exist.
    """
    free = iter(range(len(WAVES)))
    sets: list[list[int]] = [[] for _ in names]
    for i, j in itertools.combinations(range(len(names)), 2):
        here, there = shared[i][j] * counts[i], shared[j][i] * counts[j]
        if abs(here - round(here)) > 1e-6 or abs(here - there) > 1e-6:
            raise ValueError(
                f"'{names[i]}' and '{names[j]}' would share {here:g} and {there:g} patterns; "
                "shared[i][j] * counts[i] must be a whole number and equal shared[j][i] * counts[j]"
            )
        common = _take(free, round(here))
        sets[i] += common
        sets[j] += common
    for name, count, patterns in zip(names, counts, sets, strict=True):
        if len(patterns) > count:
            raise ValueError(f"'{name}' would share {len(patterns)} of its {count} patterns; raise its count")
        patterns += _take(free, count - len(patterns))
    return tuple(tuple(sorted(patterns)) for patterns in sets)


def _take(free: Iterator[int], count: int) -> list[int]:
    taken = list(itertools.islice(free, count))
    if len(taken) < count:
        raise ValueError(f"there are {len(WAVES)} patterns, too few for these domains; lower the counts or share more")
    return taken


def shared_parts(dictionary: Mapping[str, Sequence[int]]) -> dict[str, dict[str, float]]:
    """By domain: the part of its patterns that each other domain has too."""
    return {
        i: {j: len(set(own) & set(other)) / len(own) for j, other in dictionary.items() if j != i}
        for i, own in dictionary.items()
    }
