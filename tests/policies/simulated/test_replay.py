"""Worlds from tables of runs: the table is met, errors are honest, time behaves as assumed."""

import numpy as np
import pytest

from policies import BadSetup
from policies.worlds import make_replay
from policies.worlds.interpolant import interpolate
from policies.worlds.oracle import adaptive_oracle, static_oracle

DOMAINS = ("ct", "t1", "pet")
TARGETS = ("ct", "t1", "lesions")


def truth(shares):
    """Log losses (N, 3) with an optimum inside the simplex; the last target is no domain."""
    own = -0.15 * np.log(shares[:, :2] + 0.02)
    mixed = 0.3 * ((shares - [0.2, 0.5, 0.3]) ** 2).sum(axis=1)
    return np.column_stack([own[:, 0] + 0.1 * shares[:, 2], own[:, 1], mixed])


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(3), 120)
    return shares, np.exp(truth(shares) + 0.005 * rng.standard_normal((120, 3)))


def at_the_end(world, shares):
    fresh = world.fresh()
    fresh.move(dict(zip(DOMAINS, shares.tolist(), strict=True)), fresh.budget)
    return np.array(list(fresh.losses().values()))


def test_runs_of_the_table_end_at_its_losses(table):
    world = make_replay(*table, DOMAINS, TARGETS, seed=1, noise=0.01)
    ends = np.array([at_the_end(world, shares) for shares in table[0][:40]])
    assert np.abs(np.log(ends / table[1][:40])).mean() < 0.008


def test_the_stated_error_is_that_on_new_mixtures(table):
    found = interpolate(table[0], np.log(table[1]))
    new = np.random.default_rng(9).dirichlet(np.ones(3), 300)
    missed = np.sqrt(((found.log_losses(new) - truth(new)) ** 2).mean(axis=0))
    noise = 0.005
    np.testing.assert_array_less(missed, 1.3 * found.error)
    np.testing.assert_array_less(found.error, 3 * np.hypot(missed, noise))


def test_leaving_a_run_out_in_closed_form_is_leaving_it_out():
    rng = np.random.default_rng(3)
    shares = rng.dirichlet(np.ones(3), 30)
    losses = truth(shares)
    found = interpolate(shares, losses)
    kernel, targets, _ = found.parts[0]
    target = int(targets[0])
    covariance = kernel.between(kernel.runs)
    best = np.inf
    for noise in (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1):
        missed = []
        for left in range(30):
            keep = np.arange(30) != left
            inner = covariance[np.ix_(keep, keep)] + noise * np.eye(29)
            wanted = losses[:, target] - losses[:, target].mean()
            missed.append(wanted[left] - covariance[left, keep] @ np.linalg.solve(inner, wanted[keep]))
        best = min(best, np.sqrt(np.mean(np.square(missed))))
    assert found.error[target] == pytest.approx(best, rel=1e-6)


def test_losses_fall_over_time_and_start_finite(table):
    world = make_replay(*table, DOMAINS, TARGETS, seed=2, noise=0.01)
    before = world.losses()
    assert all(np.isfinite(loss) for loss in before.values())
    for _ in range(10):
        report = world.advance(dict.fromkeys(DOMAINS, 1 / 3), 2000)
        now = world.losses()
        assert all(now[name] < before[name] for name in now)
        before = now
    assert list(report.eval_loss) == list(TARGETS)
    assert set(report.train_loss) == {"ct", "t1"}  # pet has no loss of its own


def test_the_oracle_is_near_the_table_s_true_optimum(table):
    world = make_replay(*table, DOMAINS, TARGETS, seed=0, noise=0.01)
    oracle = static_oracle(world)
    grid = np.random.default_rng(1).dirichlet(np.ones(3), 4000)
    best = grid[truth(grid).mean(axis=1).argmin()]
    reached = np.array([[oracle.weights[name] for name in DOMAINS]])
    assert truth(reached).mean() < truth(best[None]).mean() + 0.01
    assert adaptive_oracle(world) is None


def test_weights_of_targets_count(table):
    plain = make_replay(*table, DOMAINS, TARGETS, seed=0, noise=0.01)
    only_ct = make_replay(*table, DOMAINS, {"ct": 1.0, "t1": 0.0, "lesions": 0.0}, seed=0, noise=0.01, name="ct")
    assert static_oracle(only_ct).weights["ct"] > static_oracle(plain).weights["ct"] + 0.2
    assert only_ct.score() == pytest.approx(np.log(only_ct.losses()["ct"]))


def test_no_share_goes_beyond_the_table(table):
    shares, losses = table
    keep = shares[:, 1] < 0.6
    world = make_replay(shares[keep], losses[keep], DOMAINS, TARGETS, seed=0, noise=0.01)
    assert world.domains[1].max_share < 0.6
    assert static_oracle(world).weights["t1"] <= world.domains[1].max_share + 1e-9


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda s, y: (s[:, :2], y), r"shares have shape \(120, 2\)"),
        (lambda s, y: (s, y[:50]), r"losses have shape \(50, 3\)"),
        (lambda s, y: (s[:5], y[:5]), "5 runs"),
        (lambda s, y: (s * 0.5, y), "sum to 0.5"),
        (lambda s, y: (s, np.where(np.arange(120)[:, None] == 4, np.nan, y)), "finite and > 0"),
    ],
)
def test_tables_that_cannot_be_used(table, spoil, words):
    with pytest.raises(BadSetup, match=words):
        make_replay(*spoil(*table), DOMAINS, TARGETS, seed=0, noise=0.01)
