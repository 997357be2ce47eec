"""RegMix and the mixing law: the regression finds what was planted, and the pilots are paid from the run."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from policies.rivals.mixing_law import fit_exponential, predicted
from policies.rivals.mixtures import lowest_on_simplex
from policies.rivals.regmix import _kernel, detrended, fit_quadratic, mean_of_best
from tests.policies.rivals.training import effective, follow, make

NAMES = ("a", "b", "c", "d")
POOLS = dict.fromkeys(NAMES)
HUB = np.eye(4) + 0.8 * np.outer([0, 1, 1, 1], [1, 0, 0, 0])  # a helps all others


def mixtures(count, seed=0):
    return np.random.default_rng(seed).dirichlet(np.full(4, 0.6), count)


def test_regression_ranks_new_mixtures_of_planted_linear_data():
    """The paper's check: rank correlation between predicted and true values of unseen mixtures."""
    slope = np.array([0.5, 0.1, -0.2, 0.05])
    pilots, fresh = mixtures(40), mixtures(200, seed=1)
    noise = 0.02 * np.random.default_rng(2).standard_normal(40)
    dual = fit_quadratic(pilots, pilots @ slope - np.mean(pilots @ slope) + noise)
    assert spearmanr(_kernel(fresh, pilots) @ dual, fresh @ slope).statistic > 0.97


def test_regression_sees_that_two_domains_together_are_best():
    pilots, fresh = mixtures(80), mixtures(5_000, seed=1)
    dual = fit_quadratic(pilots, pilots[:, 0] * pilots[:, 1])
    best = mean_of_best(fresh, _kernel(fresh, pilots) @ dual, 50)
    assert best[:2] == pytest.approx([0.5, 0.5], abs=0.08)


def test_noise_alone_is_shrunk_away():
    pilots = mixtures(40)
    dual = fit_quadratic(pilots, np.random.default_rng(3).standard_normal(40))
    assert np.std(_kernel(pilots, pilots) @ dual) < 0.5


def test_the_time_of_a_pilot_is_taken_out():
    middle = np.linspace(3.0, 5.0, 9)
    assert detrended(0.4 - 0.03 * middle, middle) == pytest.approx(np.zeros(9), abs=1e-12)


def test_exponential_law_is_recovered():
    t, pilots, fresh = np.array([-1.2, -0.3, 0.1, -0.6]), mixtures(60), mixtures(100, seed=1)

    def truth(shares):
        return 0.3 + 0.6 * np.exp(shares @ t)

    theta = fit_exponential(pilots, truth(pilots), np.array([True, False, False, False]), spread=3.0, delta=0.01)
    assert predicted(theta, fresh) == pytest.approx(truth(fresh), rel=0.003)
    found = theta[2:] - theta[2:].mean()
    assert np.argsort(found).tolist() == np.argsort(t).tolist()


def test_an_outlier_among_the_pilots_is_shrugged_off():
    t, pilots = np.array([-1.2, -0.3, 0.1, -0.6]), mixtures(60)
    losses = 0.3 + 0.6 * np.exp(pilots @ t)
    spoilt = losses.copy()
    spoilt[7] *= 1.5
    theta = fit_exponential(pilots, spoilt, np.zeros(4, bool), spread=3.0, delta=0.01)
    assert predicted(theta, pilots) == pytest.approx(losses, rel=0.01)


def test_static_optimum_agrees_with_a_fine_grid():
    t = np.array([[-2.0, 0.3], [0.2, -1.0]])

    def mean_loss(shares):
        parts = np.exp(t @ shares)
        return float(parts.sum()), parts @ t

    grid = np.linspace(0, 1, 100_001)
    values = np.exp(np.outer(grid, t[0])[:, :1] + np.outer(1 - grid, t[0])[:, 1:]).ravel()
    values += np.exp(grid * t[1, 0] + (1 - grid) * t[1, 1])
    best = lowest_on_simplex(mean_loss, np.full(2, 0.5))
    assert best[0] == pytest.approx(grid[np.argmin(values)], abs=1e-4)


def test_a_corner_is_reached():
    best = lowest_on_simplex(lambda p: (float(p @ [1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0])), np.full(3, 1 / 3))
    assert best[0] == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("name", ["regmix", "mixing_law"])
def test_pilots_are_paid_by_the_run_and_the_optimum_stays(name):
    decisions = follow(make(name, POOLS), effective(HUB))
    reasons = [d.reason for d in decisions]
    assert reasons[:2] == ["start", "probe"]
    assert set(reasons[1:15]) == {"probe"}
    assert set(reasons[15:]) == {"fixed"}
    assert decisions[15].weights == decisions[50].weights
    assert decisions[50].weights["a"] > 0.5


@pytest.mark.parametrize("name", ["regmix", "mixing_law"])
def test_pilots_come_from_the_seed_alone(name):
    first, again, other = (follow(make(name, POOLS, seed=seed), effective(HUB), reports=16) for seed in (3, 3, 4))
    assert first == again
    assert first[2].weights != other[2].weights


@pytest.mark.parametrize("name", ["regmix", "mixing_law"])
def test_too_few_pilots_keep_the_baseline(name):
    decision = follow(make(name, POOLS, pilot=0.08), effective(HUB))[-1]
    assert decision.reason == "kept: law not identified"
    assert decision.weights == pytest.approx(dict.fromkeys(NAMES, 0.25))


def test_no_pilot_takes_more_than_fifteen_times_the_natural_share():
    pools = {"a": 10_000, "b": 10_000, "c": 10_000, "d": 100}
    decisions = follow(make("regmix", pools), effective(HUB))
    assert max(d.weights["d"] for d in decisions) <= 15 * 100 / 30_100 + 1e-12


def test_anchor_pulls_the_optimum_to_the_prior():
    free, held = (follow(make("mixing_law", POOLS, anchor=anchor), effective(HUB))[-1] for anchor in (0.0, 10.0))
    assert held.weights["a"] == pytest.approx(0.25, abs=0.02)
    assert free.weights["a"] > held.weights["a"] + 0.2
