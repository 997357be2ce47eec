"""When two measures are the same: by their distance, never by rounding both.

Two numbers that differ in the last digit can round to two different ones, however coarse the rounding, so
equality of rounded values calls equal things different. Everything that compares geometry asks here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

DIRECTION_TOLERANCE = 1e-4  # difference of direction cosines; 0.05 voxels over 512
POSITION_TOLERANCE_MM = 1e-2  # mm; positions are written with two to six digits
SPACING_TOLERANCE = 1e-3  # of the larger one; half a voxel over 512

Vector = Sequence[float] | npt.NDArray[np.float64]


def same_direction(one: Vector, other: Vector) -> bool:
    """Whether all cosines agree within `DIRECTION_TOLERANCE`."""
    return bool(np.abs(np.asarray(one) - np.asarray(other)).max() <= DIRECTION_TOLERANCE)


def same_spacing(one: Vector, other: Vector, tolerance: float = SPACING_TOLERANCE) -> bool:
    """Whether lengths in mm agree within `tolerance` of the larger one."""
    a, b = np.abs(np.asarray(one, dtype=float)), np.abs(np.asarray(other, dtype=float))
    return bool((np.abs(a - b) <= tolerance * np.maximum(a, b)).all())
