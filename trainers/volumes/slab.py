"""Holding out a slab: what to do with a domain that has one subject only.

Along the axis on which the foreground is longest (in crops), the far end is held out and a gap is left
between the two parts, so that no held-out voxel was trained on and none is next to one that was.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from trainers.volumes.records import Box
from trainers.volumes.refused import Refused

SMALLEST = 4


@dataclasses.dataclass(frozen=True)
class Slab:
    """Train below `train_end`, hold out from `held_start` on, along `axis`; voxels."""

    axis: int
    train_end: int
    held_start: int

    def boxes(self, shape: Sequence[int]) -> tuple[Box, Box]:
        """(training, held out)."""
        train, held = [(0, n) for n in shape], [(0, n) for n in shape]
        train[self.axis] = (0, self.train_end)
        held[self.axis] = (self.held_start, shape[self.axis])
        return (train[0], train[1], train[2]), (held[0], held[1], held[2])


def cut_slab(foreground: Box, crop: Sequence[int], fraction: float) -> Slab:
    """Cut the foreground of a volume in two.

    The held-out part is as thick as the fraction says, but at least a crop and leaving at least a crop to
    train on; the gap is a quarter of a crop. In a volume too short for two crops and the gap, the parts share
    what the gap leaves, one to two. Raises `Refused` where even then a part is under four voxels.
    """
    lengths = [high - low for low, high in foreground]
    axis = max(range(3), key=lambda a: lengths[a] / crop[a])
    low = foreground[axis][0]
    gap = max(2, crop[axis] // 4)
    room = lengths[axis] - gap
    if room >= 2 * crop[axis]:
        held = min(max(crop[axis], round(fraction * lengths[axis])), room - crop[axis])
    else:
        held = max(0, room) // 3
    train = room - held
    if min(held, train) < SMALLEST:
        raise Refused(
            f"{lengths[axis]} voxels of foreground along its longest axis",
            f"too short to hold out a slab with a gap of {gap}; add a second subject or lower spacing or crop",
        )
    return Slab(axis, train_end=low + train, held_start=low + train + gap)
