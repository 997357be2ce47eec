"""What training will see of a frame: a handful of numbers on its voxels before and after preprocessing.

Nothing is judged here; `quality` says which numbers are bad.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from trainers.volumes.readers import Array
from trainers.volumes.recipe import INTENSITY_STEPS, Processed, Step, clip_range

BAND = 0.02  # of the clip range; a voxel so close to one of its ends, or beyond it, counts as at that bound
OWN_RANGE = (0.5, 99.5)  # percentiles; the range of values of a volume whose recipe has a fixed window
MOST_DISTINCT = 512  # values; more are counted as this, no label map has so many
AIR_HU, AIR_WIDTH_HU = -1000.0, 100.0
SAMPLED = 2**18  # voxels, evenly spread, that decide whether counting all distinct values is worth it
HEAPS = 256  # equal parts of the range of values, in which the two commonest values are looked for


@dataclasses.dataclass(frozen=True)
class Appearance:
    """Shares are parts of 1. Values in the file's units unless said otherwise. The last four are known after
    preprocessing only; before that they are such that no one minds.

    Attributes
    ----------
    least, most:
        Of all voxels.
    low, high:
        What the recipe clips at, before resampling.
    above_window:
        Share of voxels at or above `high`.
    at_low, at_high:
        Shares of voxels at the two ends of the range, which is low to high, or with a window the volume's own.
    gap_below, gap_above:
        Distance of the smallest (largest) value to the next one, as a multiple of the range of the others; 0 where
        the clip range leaves the value out.
    at_least, at_most:
        Share of voxels that are exactly the smallest (largest) value.
    heaped:
        Where both commonest values lie inside the range, far from each other: of the voxels that are not about the
        commonest one, the share that are about the next.
    air:
        Share of voxels that would be air in Hounsfield units.
    distinct:
        Number of distinct values, counted up to `MOST_DISTINCT`.
    repeated:
        Of the pairs of neighbours that are not both the commonest value, the share that are equal. 0 where
        `distinct` reaches its bound.
    jumps:
        Of the pairs of neighbours that differ, the share with another value of the volume between theirs.
    filled, slices:
        By file axis: slices that are not constant, and all.
    inner_gaps:
        Constant slices between filled ones, along the last axis of the file.
    widened:
        Width of the clip range after resampling, as a multiple of that before.
    spread:
        Standard deviation of the preprocessed voxels.
    farthest:
        Preprocessed value that is farthest from 0, in the units of the recipe.
    foreground:
        Share of the preprocessed voxels that are no background.
    """

    least: float
    most: float
    low: float
    high: float
    above_window: float
    at_low: float
    at_high: float
    gap_below: float
    gap_above: float
    at_least: float
    at_most: float
    heaped: float
    air: float
    distinct: int
    repeated: float
    jumps: float
    filled: tuple[int, ...]
    slices: tuple[int, ...]
    inner_gaps: int
    widened: float = 1.0
    spread: float = math.inf
    farthest: float = 0.0
    foreground: float = 1.0


def split_steps(steps: Sequence[Step]) -> tuple[Sequence[Step], Sequence[Step]]:
    """The steps that move voxels, and those from the first on that changes their values."""
    first = next(n for n, step in enumerate(steps) if step["step"] in INTENSITY_STEPS)
    return steps[:first], steps[first:]


def appearance_of(voxels: Array, step: Step) -> Appearance:
    """Measure a frame as read, any three extents, that `step`, a `window` or `percentiles`, will clip."""
    low, high = clip_range(voxels, step)
    windowed = step["step"] == "window"
    own = _own_range(voxels) if windowed else (low, high)
    band = BAND * (own[1] - own[0])
    least, most = float(voxels.min()), float(voxels.max())
    below, above, at_least, at_most = _gaps(voxels, least, most, own)
    values = distinct_values(voxels)
    repeated, jumps = (0.0, 0.0) if values is None else neighbours(voxels, values)
    filled, inner = _filled(voxels)
    return Appearance(
        least=least,
        most=most,
        low=low,
        high=high,
        above_window=_share(voxels >= high) if windowed else 0.0,
        at_low=_share(voxels <= own[0] + band),
        at_high=_share(voxels >= own[1] - band),
        gap_below=below,
        gap_above=above,
        at_least=at_least,
        at_most=at_most,
        heaped=heaped(voxels, own),
        air=_share(np.abs(voxels - AIR_HU) <= AIR_WIDTH_HU),
        distinct=MOST_DISTINCT if values is None else len(values),
        repeated=repeated,
        jumps=jumps,
        filled=filled,
        slices=tuple(voxels.shape),
        inner_gaps=inner,
    )


def after(raw: Appearance, step: Step, moved: Array, seen: Processed) -> Appearance:
    """The same with what preprocessing makes of it.

    Parameters
    ----------
    raw, step:
        From before.
    moved:
        The frame oriented and resampled, before `step`.
    seen:
        The frame after all steps.
    """
    low, high = clip_range(moved, step)
    ends = float(seen.voxels.min()), float(seen.voxels.max())
    return dataclasses.replace(
        raw,
        widened=(high - low) / (raw.high - raw.low),
        spread=float(seen.voxels.std(dtype=np.float64)),
        farthest=max(ends, key=abs),
        foreground=_share(seen.foreground),
    )


def _share(mask: npt.NDArray[np.bool_]) -> float:
    return np.count_nonzero(mask) / mask.size


def _own_range(voxels: Array) -> tuple[float, float]:
    low, high = (float(v) for v in np.percentile(voxels, OWN_RANGE))
    return (low, high) if low < high else (float(voxels.min()), float(voxels.max()))


def _gaps(voxels: Array, least: float, most: float, own: tuple[float, float]) -> tuple[float, float, float, float]:
    """How far the extremes lie from the rest, where the range reaches them, and the shares of voxels they are."""
    lowest, highest = voxels == least, voxels == most
    second = float(np.min(voxels, where=~lowest, initial=np.inf))
    last = float(np.max(voxels, where=~highest, initial=-np.inf))
    below = (second - least) / (own[1] - second) if own[0] < second < own[1] else 0.0
    above = (most - last) / (last - own[0]) if own[0] < last < own[1] else 0.0
    return below, above, _share(lowest), _share(highest)


def heaped(voxels: Array, own: tuple[float, float]) -> float:
    """Of the voxels outside the fullest part of the range, the share in the next fullest; see `Appearance`.

    A mask that was resampled with splines swings beyond its two values, so that they are no ends of its range. An
    image has its background at one end.
    """
    sample = _sample(voxels).astype(np.float64)  # differences of float32 may overflow
    counts = np.histogram(sample, bins=HEAPS, range=own)[0]
    first = int(counts.argmax())
    around = slice(max(0, first - 1), first + 2)
    others = sample.size - int(counts[around].sum())
    counts[around] = 0
    second = int(counts.argmax())
    ends, apart = HEAPS // 64, HEAPS // 4
    inside = ends <= min(first, second) and max(first, second) < HEAPS - ends
    return int(counts[second]) / max(1, others) if inside and abs(first - second) >= apart else 0.0


def _sample(voxels: Array) -> Array:
    """About `SAMPLED` voxels, evenly spread."""
    step = max(1, round((voxels.size / SAMPLED) ** (1 / 3)))
    return voxels[::step, ::step, ::step]


def distinct_values(voxels: Array) -> Array | None:
    """The distinct values in order, or None for `MOST_DISTINCT` or more; sorts all voxels only where few are likely."""
    found = np.unique(_sample(voxels))
    for plane in np.moveaxis(voxels, int(np.argmin(voxels.shape)), 0):
        if len(found) >= MOST_DISTINCT:
            return None
        if not np.isin(plane, found).all():
            found = np.union1d(found, plane)
    return found if len(found) < MOST_DISTINCT else None


def neighbours(voxels: Array, values: Array) -> tuple[float, float]:
    """(`repeated`, `jumps`) of direct neighbours, from the voxels and their distinct values; see `Appearance`.

    Within the regions of a label map neighbours are equal, and across their borders any label meets any other. In
    an image noise tells neighbours apart, or, where it is smooth and coarsely quantised, the next value follows.
    """
    order = np.searchsorted(values, voxels).astype(np.int16)
    common = order == np.bincount(order.ravel()).argmax()
    both = equal = jumps = pairs = 0
    for axis in range(3):
        step = np.abs(np.diff(order, axis=axis))
        pair = [tuple(s if a == axis else slice(None) for a in range(3)) for s in (slice(1, None), slice(-1))]
        both += int(np.count_nonzero(common[pair[0]] & common[pair[1]]))
        pairs += step.size
        equal += step.size - int(np.count_nonzero(step))
        jumps += int(np.count_nonzero(step > 1))
    return (equal - both) / max(1, pairs - both), jumps / max(1, pairs - equal)


def _filled(voxels: Array) -> tuple[tuple[int, ...], int]:
    """By axis the number of slices that are not constant; along the last one also the constant ones between."""
    counts, places = [], np.empty(0, dtype=np.intp)
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        places = np.flatnonzero(voxels.max(axis=others) > voxels.min(axis=others))
        counts.append(len(places))
    inner = int(places[-1] - places[0] + 1 - len(places)) if len(places) else 0
    return tuple(counts), inner
