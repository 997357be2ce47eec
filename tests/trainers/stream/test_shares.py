"""Shares are served in whole draws, honestly over time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.stream.shares import StageWalk, Standing, block_size, share_out


@pytest.mark.parametrize(
    ("interval", "block"),
    [(8, 8), (256, 256), (640, 160), (1024, 256), (10_000, 250), (8 * 1009, 1009), (1009, 1009), (1, 1)],
)
def test_block_divides_the_interval(interval: int, block: int) -> None:
    assert block_size(interval) == block
    assert interval % block == 0


def fresh(domains: int) -> Standing:
    return Standing(np.zeros(domains, np.int64), np.zeros(domains))


@st.composite
def mixtures(draw: st.DrawFn) -> np.ndarray:
    count = draw(st.integers(1, 12))
    share = st.one_of(st.just(0.0), st.floats(1e-6, 1e-3), st.floats(0.01, 1.0))
    weights = np.array([draw(share) for _ in range(count)])
    weights[draw(st.integers(0, count - 1))] += 0.5
    return weights / weights.sum()


@settings(max_examples=80, deadline=None)
@given(weights=mixtures(), size=st.sampled_from([1, 8, 32, 100, 256]), blocks=st.integers(1, 60))
def test_under_one_mixture_no_domain_is_a_whole_draw_off(weights: np.ndarray, size: int, blocks: int) -> None:
    walk = StageWalk(weights, size, fresh(len(weights)))
    counts = walk.counts(0, blocks)
    assert (counts >= 0).all()
    assert (counts.sum(axis=1) == size).all()
    served = np.cumsum(counts, axis=0)
    target = np.arange(1, blocks + 1)[:, None] * weights * size
    assert np.abs(served - target).max() < 1.13  # below 1 but for many domains with nearly equal shares
    assert (served[:, weights == 0] == 0).all()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_error_is_carried_over_changes_of_the_mixture(data: st.DataObject) -> None:
    count, size = data.draw(st.integers(2, 8)), data.draw(st.sampled_from([8, 64, 256]))
    standing, target = fresh(count), np.zeros(count)
    for _ in range(data.draw(st.integers(1, 15))):
        weights = np.array([data.draw(st.floats(1e-4, 1.0)) for _ in range(count)])
        weights, blocks = weights / weights.sum(), data.draw(st.integers(1, 7))
        standing = StageWalk(weights, size, standing).standing(blocks)
        target += weights * size * blocks
        assert np.abs(standing.served - target).max() < 1.5  # a change of mixture may cost a little over a draw
    assert standing.served.sum() == round(target.sum())


def test_a_share_of_one_in_a_million_is_served() -> None:
    walk = StageWalk(np.array([1 - 2e-6, 1e-6, 1e-6]), 256, fresh(3))
    assert walk.standing(3_000_000 // 256).served[1:].tolist() == [3, 3]


def test_a_share_of_zero_is_zero_even_where_draws_were_owed() -> None:
    before = Standing(np.array([3, 5]), np.array([0.6, -0.6]))
    walk = StageWalk(np.array([0.0, 1.0]), 8, before)
    assert (walk.counts(0, 20)[:, 0] == 0).all()
    back = StageWalk(np.array([0.5, 0.5]), 8, walk.standing(20))
    assert back.counts(0, 1)[0, 0] == 5  # the 0.6 of a draw was kept for its return


def test_looking_far_ahead_or_piece_by_piece_gives_the_same_counts() -> None:
    weights = np.array([0.61, 0.2, 0.1234, 0.0666])
    whole = StageWalk(weights, 32, fresh(4)).counts(0, 3000)
    pieces = StageWalk(weights, 32, fresh(4))
    late = pieces.counts(2100, 3000)
    assert (late == whole[2100:]).all()
    assert (pieces.counts(100, 1300) == whole[100:1300]).all()
    assert (pieces.standing(1300).served == whole[:1300].sum(axis=0)).all()


def test_counts_that_would_exceed_the_block_are_cut_where_it_hurts_least() -> None:
    need = np.array([-0.9, -0.9, 5.2, 4.6])
    assert share_out(need, np.full(4, 0.25), 8).tolist() == [0, 0, 4, 4]
