"""The order of a pool in O(1) memory."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.stream.permutation import permute


def order(pool: int, epoch: int, key: int) -> npt.NDArray[np.int64]:
    n = np.full(pool, pool, dtype=np.int64)
    return permute(np.arange(pool), n, np.full(pool, epoch), np.full(pool, key, dtype=np.uint64))


@settings(max_examples=60, deadline=None)
@given(pool=st.integers(1, 3000), epoch=st.integers(0, 10**9), key=st.integers(0, 2**64 - 1))
def test_every_element_comes_once_an_epoch(pool: int, epoch: int, key: int) -> None:
    assert (np.sort(order(pool, epoch, key)) == np.arange(pool)).all()


@pytest.mark.parametrize("pool", [2, 3, 4, 5])
def test_every_order_of_a_tiny_pool_is_as_likely(pool: int) -> None:
    n, every = 6000, math.factorial(pool)
    epoch = np.repeat(np.arange(n), pool)
    place, size = np.tile(np.arange(pool), n), np.full(n * pool, pool)
    found = permute(place, size, epoch, np.full(n * pool, 99, dtype=np.uint64)).reshape(n, pool)
    ranks = {p: i for i, p in enumerate(itertools.permutations(range(pool)))}
    seen = np.bincount([ranks[tuple(row)] for row in found.tolist()], minlength=every)
    statistic = ((seen - n / every) ** 2 / (n / every)).sum()
    degrees = every - 1
    assert statistic < degrees + 5 * math.sqrt(2 * degrees) + 5


def test_a_pool_too_large_to_list() -> None:
    pool = 10**12
    place = np.arange(10**6, 10**6 + 5000)
    found = permute(place, np.full(5000, pool), np.zeros(5000, np.int64), np.zeros(5000, np.uint64))
    assert len(set(found.tolist())) == 5000
    assert found.min() >= 0
    assert found.max() < pool
    assert abs(found.mean() / pool - 0.5) < 0.03


def test_neighbouring_places_and_epochs_are_unrelated() -> None:
    first, second = order(2000, 0, 7).astype(float), order(2000, 1, 7).astype(float)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.1
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.1
