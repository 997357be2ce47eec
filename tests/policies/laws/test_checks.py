"""What a law may be fitted to and asked for: the rest is refused with the bad value and its place."""

import math

import numpy as np
import pytest

from policies import BadReport, BadSetup, fit_joint_law
from policies.laws.rows import from_arrays

N, K = 12, 3
DRAWS = np.cumsum(np.random.default_rng(0).uniform(50, 150, (N, K)), axis=0)
LOSSES = 0.2 + 3.0 * (DRAWS @ (np.eye(K) + 0.2)) ** -0.35
TIME = DRAWS.sum(axis=1)
CROSSED = {"draws": np.concatenate([DRAWS, 1.1 * DRAWS[:, ::-1]]), "losses": np.concatenate([LOSSES, LOSSES])}
TWICE = {"draws": np.concatenate([DRAWS, DRAWS]), "losses": np.concatenate([LOSSES, LOSSES])}


def rows(**given):
    asked = dict.fromkeys(("pools", "time", "sem", "run", "domains", "targets"))
    return from_arrays(**{"draws": DRAWS, "losses": LOSSES, **asked, **given})


def put(array, value, *at):
    changed = np.array(array, dtype=object)
    changed[at or (2, 1)] = value
    return changed


@pytest.fixture(scope="module")
def law():
    return fit_joint_law(DRAWS, LOSSES)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"draws": put(DRAWS, -1.0)}, BadReport, r"draws\[2, 1\] is -1"),
        ({"draws": put(DRAWS, math.inf)}, BadReport, r"draws\[2, 1\] is inf"),
        ({"draws": put(DRAWS, None)}, BadReport, r"draws\[2, 1\] is nan"),
        ({"draws": put(DRAWS, "1")}, BadReport, r"draws\[2, 1\] is '1'"),
        ({"draws": put(DRAWS, 10**400)}, BadReport, r"draws\[2, 1\] is too large"),
        ({"draws": DRAWS > 0}, BadReport, r"draws\[0, 0\] is True"),
        ({"draws": "abc"}, BadReport, "draws is 'abc'"),
        ({"draws": [[1.0, 2.0], [3.0]]}, BadSetup, "draws has rows of different lengths"),
        ({"draws": DRAWS[None]}, BadSetup, r"draws has the shape \(1, 12, 3\)"),
        ({"draws": []}, BadSetup, r"draws has the shape \(1, 0\)"),
        ({"draws": np.zeros((0, K)), "losses": np.zeros((0, K))}, BadSetup, "draws have no rows"),
        ({"draws": np.zeros((N, K))}, BadSetup, "no measured loss after the first draw"),
        ({"losses": put(LOSSES, 1e308)}, BadReport, r"losses\[2, 1\] is 1e.308"),
        ({"losses": put(LOSSES, 0.0)}, BadReport, r"losses\[2, 1\] is 0"),
        ({"losses": LOSSES[:, :0]}, BadSetup, r"losses has the shape \(12, 0\)"),
        ({"losses": LOSSES[:, 0]}, BadSetup, "draws have 12 rows and losses 1"),
        ({"pools": 5}, BadSetup, r"pools has the shape \(\) where \(3,\) is needed"),
        ({"pools": [5, 5]}, BadSetup, r"pools has the shape \(2,\)"),
        ({"pools": [5, 5, -5]}, BadSetup, r"pools\[2\] is -5"),
        ({"pools": [0, 5, 5]}, BadSetup, r"pools\[0\] is 0"),
        ({"pools": ["5", 5, 5]}, BadSetup, r"pools\[0\] is '5'"),
        ({"time": 5.0}, BadSetup, r"time has the shape \(\)"),
        ({"time": TIME[:5]}, BadSetup, r"time has the shape \(5,\)"),
        ({"time": TIME[:, None]}, BadSetup, r"time has the shape \(12, 1\)"),
        ({"time": put(TIME, math.inf, 3)}, BadReport, r"time\[3\] is inf"),
        ({"time": put(TIME, -1.0, 3)}, BadReport, r"time\[3\] is -1"),
        ({"time": TIME[::-1]}, BadReport, r"time\[1\] is .*, less than .* in row 0 of the same run"),
        ({"time": 0 * TIME}, BadSetup, "at least one row needs draws, and time, above 0"),
        ({"sem": 0.01}, BadSetup, r"sem has the shape \(\)"),
        ({"sem": LOSSES[:5]}, BadSetup, r"sem has the shape \(5, 3\)"),
        ({"sem": put(LOSSES, -1.0)}, BadReport, r"sem\[2, 1\] is -1"),
        ({"run": -1}, BadSetup, r"run has the shape \(\)"),
        ({"run": "x"}, BadSetup, r"run has the shape \(\)"),
        ({"run": [0] * 5}, BadSetup, r"run has the shape \(5,\)"),
        ({"run": [None] * N}, BadSetup, r"run\[0\] is None"),
        ({"run": [0.0] * 11 + [math.nan]}, BadSetup, r"run\[11\] is nan"),
        ({**CROSSED, "run": [0] * 24}, BadReport, r"draws\[\d+, \d\] is .*, less than .* of the same run"),
        ({"domains": ["a", "b"]}, BadSetup, "domains has 2 names"),
        ({"domains": "abc"}, BadSetup, "domains is 'abc'"),
        ({"domains": ["a", "b", 3]}, BadSetup, r"domains\[2\] is 3"),
        ({"targets": ["a", "b", "a"]}, BadSetup, r"targets\[2\] is 'a', which is there already"),
        ({"targets": ["a", "b", ""]}, BadSetup, r"targets\[2\] is ''"),
    ],
)
def test_what_no_law_can_be_fitted_to_is_named_with_its_place(given, error, message):
    with pytest.raises(error, match=message):
        rows(**given)


def test_null_is_not_measured_and_endless():
    read = rows(losses=put(LOSSES, None), sem=put(LOSSES, None), pools=[None, 900, math.inf])
    assert np.isnan(read.log_loss[2, 1])
    assert np.isnan(read.sem[2, 1])
    assert read.pools.tolist() == [math.inf, 900.0, math.inf]
    assert np.isnan(read.log_loss).sum() == 1


@pytest.mark.parametrize("labels", [(-1, 5), ("x", "y"), (1, "x"), (0.5, 2.5), (False, True)])
def test_runs_may_bear_any_labels(labels):
    run = [labels[0]] * N + [labels[1]] * N
    assert rows(**TWICE, run=run).run.tolist() == [0] * N + [1] * N
    assert rows(**TWICE, run=run[::-1]).run.tolist() == [0] * N + [1] * N


def test_rows_may_come_in_any_order():
    """One run shuffled, and two runs row by row in turn, are what they are in order."""
    run, mixed = [0] * N, np.random.default_rng(3).permutation(N)
    ordered = fit_joint_law(DRAWS, LOSSES, run=run)
    shuffled = fit_joint_law(DRAWS[mixed], LOSSES[mixed], run=run, time=TIME[mixed])
    assert np.array_equal(ordered.predict(3 * DRAWS).mean, shuffled.predict(3 * DRAWS).mean)
    turns = np.arange(2 * N).reshape(2, N).T.ravel()
    one_by_one = rows(**{name: values[turns] for name, values in CROSSED.items()}, run=[0, 1] * N)
    assert np.array_equal(one_by_one.draws, CROSSED["draws"])
    assert np.array_equal(one_by_one.steps(), rows(**CROSSED, run=[0] * N + [1] * N).steps())


def test_two_measurements_after_the_same_draws_are_no_fault():
    assert np.all(np.isfinite(fit_joint_law(**TWICE, run=[0] * 2 * N).predict(3 * DRAWS).high))


def test_a_huge_error_of_a_small_loss_stays_finite():
    assert np.all(np.isfinite(rows(losses=1e-50 * LOSSES, sem=np.full(LOSSES.shape, 1e300)).sem))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"draws": put(DRAWS, -1.0)}, r"draws\[2, 1\] is -1"),
        ({"draws": put(DRAWS, math.nan)}, r"draws\[2, 1\] is nan"),
        ({"draws": DRAWS.astype(str)}, r"draws\[0, 0\] is '"),
        ({"draws": DRAWS[:, :2]}, "draws have 2 columns; the law knows 3 domains"),
        ({"draws": [[1.0, 2.0], [3.0]]}, "rows of different lengths"),
        ({"time": 5.0}, r"time has the shape \(\)"),
        ({"time": TIME[:5]}, r"time has the shape \(5,\)"),
        ({"time": put(TIME, math.inf, 3)}, r"time\[3\] is inf"),
        ({"time": put(TIME, -1.0, 3)}, r"time\[3\] is -1"),
        ({"anneal": math.nan}, "anneal is nan"),
        ({"anneal": 5}, "anneal is 5"),
        ({"anneal": [0.0] * 5}, r"anneal has the shape \(5,\)"),
        ({"level": "x"}, "level is 'x'"),
        ({"level": None}, "level is None"),
        ({"level": 1 - 1e-16}, "level is 0.99"),
    ],
)
def test_what_no_law_can_be_asked_is_named_with_its_place(law, asked, message):
    with pytest.raises(BadSetup, match=message):
        law.predict(**{"draws": DRAWS, **asked})


def test_one_mixture_or_none_may_be_asked_for(law):
    assert law.predict(DRAWS[-1]).mean.shape == (1, K)
    assert law.predict(np.zeros((0, K))).mean.shape == (0, K)
    assert np.all(np.isfinite(law.predict(np.zeros((2, K)), np.zeros(2), anneal=[0.0, 1.0]).high))
