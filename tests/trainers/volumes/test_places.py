"""Crop places are distinct, on the foreground, inside their box, and a slab is never touched."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.volumes.places import choose_places, effective_crops, foreground_box, spread, whole_box
from trainers.volumes.refused import Refused
from trainers.volumes.slab import cut_slab

EXTENTS = st.tuples(*[st.integers(4, 40)] * 3)
CROPS = st.tuples(*[st.integers(4, 20)] * 3)


def window(centre, box, crop):
    """The voxels that the reader takes for a centre: the crop, clamped to the box."""
    out = []
    for middle, (low, high), extent in zip(centre, box, crop, strict=True):
        take = min(extent, high - low)
        first = min(max(int(middle) - extent // 2, low), high - take)
        out.append((first, first + take))
    return out


@settings(deadline=None)
@given(EXTENTS, CROPS, st.integers(0, 2**32 - 1))
def test_places_are_distinct_windows_inside_the_box(extents, crop, seed):
    mask = np.random.default_rng(seed).random(extents) < 0.5
    box = whole_box(extents)
    centres = choose_places(mask, box, crop)
    windows = {tuple(window(c, box, crop)) for c in centres}
    assert len(windows) == len(centres) >= 1
    for spans in windows:
        assert all(0 <= low < high <= n for (low, high), n in zip(spans, extents, strict=True))
    np.testing.assert_array_equal(centres, choose_places(mask.copy(), box, crop))


def test_places_lie_on_the_foreground():
    mask = np.zeros((64, 64, 64), dtype=bool)
    mask[40:60, 5:25, 30:50] = True
    centres = choose_places(mask, whole_box(mask.shape), (16, 16, 16))
    shares = [
        mask[tuple(slice(a, b) for a, b in window(c, whole_box(mask.shape), (16, 16, 16)))].mean() for c in centres
    ]
    assert len(centres) == 4  # ceil(1.5 ** 3)
    assert min(shares) == 1


def test_an_empty_foreground_still_has_one_place():
    assert len(choose_places(np.zeros((20, 20, 20), dtype=bool), whole_box((20, 20, 20)), (8, 8, 8))) == 1


def test_the_formula():
    assert effective_crops(32**3, (32, 32, 32), (32, 32, 32)) == 1
    assert effective_crops(64**3, (64, 64, 64), (32, 32, 32)) == 27
    assert effective_crops(64**3 / 2, (64, 64, 64), (32, 32, 32)) == 14
    assert effective_crops(100, (10, 10, 10), (32, 32, 32)) == 1
    assert effective_crops(128 * 8 * 8, (128, 8, 8), (32, 32, 32)) == 7


@settings(deadline=None)
@given(EXTENTS, CROPS, st.integers(0, 2**32 - 1), st.floats(0.05, 0.9))
def test_training_windows_never_touch_the_held_out_slab(extents, crop, seed, fraction):
    mask = np.random.default_rng(seed).random(extents) < 0.5
    try:
        slab = cut_slab(foreground_box(mask), crop, fraction)
    except Refused:  # too short, which has a test of its own
        return
    train, held = slab.boxes(extents)
    assert held[slab.axis][0] - train[slab.axis][1] >= 2
    ends = [window(c, train, crop)[slab.axis][1] for c in choose_places(mask, train, crop)]
    starts = [window(c, held, crop)[slab.axis][0] for c in choose_places(mask, held, crop)]
    assert min(starts) - max(ends) >= 2


def test_a_slab_holds_a_crop_where_there_is_room():
    slab = cut_slab(((0, 100), (0, 60), (0, 60)), (32, 32, 32), 0.2)
    assert (slab.axis, slab.train_end, slab.held_start) == (0, 60, 68)
    short = cut_slab(((0, 38), (0, 20), (0, 20)), (32, 32, 32), 0.2)
    assert (short.axis, short.train_end, short.held_start) == (0, 20, 28)
    with pytest.raises(Refused, match="second subject"):
        cut_slab(((0, 12), (0, 12), (0, 12)), (32, 32, 32), 0.2)


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(0, 200))
def test_spread_gives_distinct_indices_in_order(count, wanted):
    found = spread(count, wanted)
    assert len(found) == min(count, wanted)
    assert (np.diff(found) > 0).all()
    assert all(0 <= n < count for n in found)
