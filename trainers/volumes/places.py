"""Where crops are taken: fixed places over the foreground, and how many of them count as distinct.

The number of effective crops of a volume is

    n = ceil( V / prod_a b_a * prod_a max(1, 2 b_a / c_a - 1) ),

with c the crop, b the extents of the smallest box around the foreground (at least c) and V the foreground
voxels: the windows that overlap by half with their neighbours along each axis, times the part of the box
that is foreground. It is at least 1, and at most the number of places whose window is foreground to
`ENOUGH` or more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from trainers.volumes.records import Box

Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int32]

ENOUGH = 0.2


def effective_crops(foreground: float, extents: Sequence[float], crop: Sequence[int]) -> int:
    """The formula above, without its upper bound. `foreground` counts voxels, `extents` are the box's."""
    filled = foreground / math.prod(extents)
    windows = math.prod(max(1.0, 2 * b / c - 1) for b, c in zip(extents, crop, strict=True))
    return max(1, math.ceil(filled * windows - 1e-9))


def whole_box(shape: Sequence[int]) -> Box:
    x, y, z = shape
    return (0, x), (0, y), (0, z)


def foreground_box(mask: Mask) -> Box:
    """The smallest box around the foreground; all of the volume if there is none."""
    if not mask.any():
        return whole_box(mask.shape)
    spans = [np.flatnonzero(mask.any(axis=tuple(b for b in range(3) if b != axis))) for axis in range(3)]
    x, y, z = [(int(span[0]), int(span[-1]) + 1) for span in spans]
    return x, y, z


def choose_places(mask: Mask, box: Box, crop: Sequence[int]) -> Places:
    """Centres (n, 3) of the crops of a box, in voxels of the volume, distinct and in order of space.

    The candidates are the half-overlap grid over the foreground in the box; those with the most
    foreground stay. A window is the crop clamped to the box, as the reader clamps it.
    """
    inner = mask[tuple(slice(low, high) for low, high in box)]
    extents = inner.shape
    take = [min(c, s) for c, s in zip(crop, extents, strict=True)]
    around = foreground_box(inner)
    starts = [_starts(low, high, c, s) for (low, high), c, s in zip(around, take, extents, strict=True)]
    share = _window_sums(inner, starts, take) / math.prod(take)
    order = np.argsort(-share, axis=None, kind="stable")
    enough = int((share >= ENOUGH).sum())
    count = max(1, min(enough, effective_crops(int(inner.sum()), [b - a for a, b in around], take)))
    chosen = np.stack(np.unravel_index(np.sort(order[:count]), share.shape), axis=1)
    corners = np.stack([starts[a][chosen[:, a]] + box[a][0] for a in range(3)], axis=1)
    centres: Places = (corners + np.array([t // 2 for t in take])).astype(np.int32)
    return centres


def _starts(low: int, high: int, crop: int, extent: int) -> npt.NDArray[np.int64]:
    """First voxels of windows that cover [low, high) with half a crop between them, inside [0, extent)."""
    if high - low <= crop:
        middle = (low + high - crop) // 2
        return np.array([min(max(middle, 0), extent - crop)])
    steps = math.ceil((high - low - crop) / max(1, crop // 2)) + 1
    return np.unique(np.linspace(low, high - crop, steps).round().astype(np.int64))


def _window_sums(mask: Mask, starts: Sequence[npt.NDArray[np.int64]], take: Sequence[int]) -> npt.NDArray[np.int64]:
    """Foreground voxels in every window of the grid; one axis after the other keeps memory small."""
    sums: npt.NDArray[Any] = mask.view(np.int8)
    for axis in range(3):
        parts = [sums.take(range(s, s + take[axis]), axis=axis).sum(axis=axis, dtype=np.int64) for s in starts[axis]]
        sums = np.stack(parts, axis=axis)
    return sums


def spread(count: int, wanted: int) -> npt.NDArray[np.int64]:
    """`wanted` of `count` indices, evenly spread, in order."""
    if wanted >= count:
        return np.arange(count)
    return ((np.arange(wanted) + 0.5) * count / wanted).astype(np.int64)
