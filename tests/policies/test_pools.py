"""Repetition: the worth of draws from a finite pool."""

import numpy as np
import pytest

from policies.laws.pools import REPEAT_EPOCHS, distinct_worth, worth_slopes


def test_first_epoch_counts_in_full_and_later_ones_less():
    worth = distinct_worth(np.array([50.0, 100.0, 200.0, 1e9]), np.array(100.0))
    assert worth[:2].tolist() == [50.0, 100.0]
    assert 190 < worth[2] < 200
    assert worth[3] == pytest.approx(100 * (1 + REPEAT_EPOCHS))


def test_endless_pool_never_repeats():
    assert distinct_worth(np.array([1e12]), np.array([np.inf]))[0] == 1e12


@pytest.mark.parametrize("n", [30.0, 150.0, 900.0])
def test_slopes_agree_with_differences(n):
    slope, curvature, by_pool = worth_slopes(np.array(n), np.array(100.0))

    def worth(draws, pool):
        return float(distinct_worth(np.array(draws), np.array(pool)))

    h = 1e-3
    assert slope == pytest.approx((worth(n + h, 100.0) - worth(n - h, 100.0)) / (2 * h), rel=1e-6)
    second = (worth(n + h, 100.0) - 2 * worth(n, 100.0) + worth(n - h, 100.0)) / h**2
    assert curvature == pytest.approx(second, abs=1e-4)
    assert by_pool == pytest.approx((worth(n, 100.0 + h) - worth(n, 100.0 - h)) / (2 * h), abs=1e-6)
