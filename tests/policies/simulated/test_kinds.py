"""What is particular about each kind of world."""

import dataclasses

import numpy as np
import pytest

from policies.worlds import World, make_world, settings
from policies.worlds.capacity import Capacity
from policies.worlds.lr_schedule import annealing
from policies.worlds.state import State


def uniform(world):
    return {d.name: 1 / len(world.domains) for d in world.domains}


def roll(world, part, weights=None):
    """Move on to `part` of the budget."""
    while world.position < part * world.budget:
        world.move(weights or uniform(world), world.interval)
    return world


def test_hubs_exchange_alike_and_one_way_hubs_do_not():
    two_way = make_world("hubs", 8, seed=0, noise=0.0).spec.truth.tau
    np.testing.assert_array_equal(two_way, two_way.T)
    tau = np.array([make_world("one_way_hubs", 8, seed=seed, noise=0.0).spec.truth.tau for seed in range(20)])
    off = tau[:, ~np.eye(8, dtype=bool)]
    assert off.max() > 1.5  # stronger than own
    assert off.min() < 0.01
    back = np.swapaxes(tau, 1, 2)[:, ~np.eye(8, dtype=bool)]
    assert np.corrcoef(np.log(off.ravel()), np.log(back.ravel()))[0, 1] < 0.1


def test_pools_span_three_decades_and_rise_past_the_frontier_in_half_of_the_seeds():
    worlds = [make_world("small_pools", 12, seed=seed, noise=0.0) for seed in range(20)]
    pools = np.array([[d.pool for d in world.domains] for world in worlds])
    assert np.log10(pools.max() / pools.min()) > 2.5
    rising = [world for world in worlds if hasattr(world.spec.truth, "rise")]
    assert 4 < len(rising) < 16
    world = rising[0]
    smallest = int(np.argmin([d.pool for d in world.domains]))
    one_hot = {d.name: float(j == smallest) for j, d in enumerate(world.domains)}
    losses = [roll(world, part, one_hot).losses()[f"d{smallest}"] for part in (0.01, 1.0)]
    assert losses[1] > losses[0]


def test_capacity_is_shared_out_at_the_optimum():
    """No other division of the model gives a lower weighted loss."""
    truth: Capacity = make_world("capacity", 6, seed=1, noise=0.0).spec.truth
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(6))
    best = truth.parts(shares)
    assert best.sum() == pytest.approx(6)

    def strain(parts):
        return (shares * truth.strain * parts**-truth.strain_power).sum(axis=-1)

    others = np.abs(best + 0.1 * rng.standard_normal((500, 6)) * best)
    others *= 6 / others.sum(axis=1, keepdims=True)
    assert strain(best) < strain(others).min()


def test_the_rate_comes_down_and_losses_with_it():
    eta = np.concatenate([np.ones(80), np.linspace(1, 0.05, 20)])
    fallen = annealing(eta)
    assert fallen[:80] == pytest.approx(0)
    assert (np.diff(fallen[80:]) > 0).all()
    assert fallen[-1] == 1
    kinds = [make_world("lr_schedule", 3, seed=seed, noise=0.0) for seed in range(12)]
    halfway = [np.interp(0.7, np.linspace(0, 1, 101), np.gradient(np.array(w.lr_plan)[:, 1])) for w in kinds]
    peak = [np.gradient(np.array(w.lr_plan)[:, 1]).max() for w in kinds]
    ratio = np.array(halfway) / np.array(peak)
    assert ((ratio > 0.9) | (ratio < 0.5)).all()  # constant until late, or cosine
    assert 2 < (ratio > 0.9).sum() < 10


def test_what_is_not_seen_lately_is_forgotten_and_comes_back():
    world = make_world("forgetting", 4, seed=0, noise=0.0)
    roll(world, 0.5)
    away = {"d0": 0.0, "d1": 1 / 3, "d2": 1 / 3, "d3": 1 / 3}
    kept = world.losses()["d0"]
    steady = roll(world.fresh(), 0.5)
    lost = roll(world, 0.7, away).losses()["d0"]
    assert lost > kept
    again = roll(world, 0.9).losses()["d0"]
    assert again < lost
    assert again > roll(steady, 0.9).losses()["d0"]  # what was not learnt meanwhile stays missing


@pytest.mark.parametrize("name", ["drift_change", "drift_shard"])
def test_a_change_shows_only_from_its_position_on(name):
    """Until then the run is as if nothing were to come."""
    for seed in range(6):
        world = make_world(name, 5, seed=seed, noise=0.0)
        (at,) = world.spec.changes
        assert 0.25 < at / world.budget < 0.65
        assert at % world.interval == 0
        counts = State.start(5, world.spec.truth.clocks).counts
        assert counts.shape == (2, 5)
        roll(world, at / world.budget)
        assert (world.state.counts[1] == 0).all()


def test_a_bad_shard_makes_its_domain_worse_and_noisy():
    for seed in range(5):
        world = make_world("drift_shard", 5, seed=seed, noise=0.01)
        (at,) = world.spec.changes
        struck = int(np.argmax(world.spec.noise_factor))
        roll(world, (at - 1.5 * world.interval) / world.budget)
        before = world.noise_now()
        roll(world, 1.0)
        assert world.noise_now()[struck] > 1.9 * before[struck]
        sound = dataclasses.replace(world.spec.truth.inner, at=np.inf)
        healthy = World("sound", 5, seed=seed, noise=0.0, spec=dataclasses.replace(world.spec, truth=sound))
        name, one_hot = f"d{struck}", {d.name: float(j == struck) for j, d in enumerate(world.domains)}
        ends = [roll(roll(w, at / world.budget), 1.0, one_hot).losses()[name] for w in (world.fresh(), healthy)]
        assert ends[0] > 1.05 * ends[1]


def test_a_domain_joins():
    world = make_world("drift_join", 5, seed=0, noise=0.01)
    (at,) = world.spec.changes
    assert len(world.domains) == 4
    late = next(d.name for j, d in enumerate(world.spec.domains) if world.spec.joins[j] > 0)
    while world.position < at - world.interval:
        assert late not in world.advance(uniform(world), world.interval).eval_loss
    report = world.advance(uniform(world), world.interval)
    assert len(world.domains) == 5
    assert report.draws[late] == 0
    assert report.eval_loss[late] > 0
    world.advance(uniform(world), world.interval)
    assert world.state.draws.min() == pytest.approx(world.interval / 5)


def test_the_trap_is_high_flat_and_noisy():
    world = make_world("noise_trap", 6, seed=2, noise=0.01)
    trap = int(np.argmax(world.spec.noise_factor))
    assert world.noise_now()[trap] > 3 * np.median(world.noise_now())
    truth = world.spec.truth
    assert truth.floor[trap] > 0.89 * (truth.floor + truth.size)[trap]


def test_some_transfer_is_negative_and_losses_stay_finite():
    world = make_world("negative", 8, seed=0, noise=0.0)
    tau = world.spec.truth.tau
    assert 1 <= (tau < 0).sum() <= 20
    target, source = np.unravel_index(np.argmin(tau), tau.shape)
    one_hot = {d.name: float(j == source) for j, d in enumerate(world.domains)}
    start = roll(world, 0.1).losses()[f"d{target}"]
    harmed = roll(world, 1.0, one_hot).losses()[f"d{target}"]
    assert start < harmed < np.inf


def test_the_plateau_ends_at_a_random_time_and_teaches_little():
    ends = []
    for seed in range(30):
        world = make_world("plateau", 4, seed=seed, noise=0.0)
        ends.append(world.spec.truth.clock_end / settings.BUDGET)
        start = world.score()
        if ends[-1] > 0.08:
            assert roll(world, 0.5 * ends[-1]).score() == pytest.approx(start, abs=0.03)
        roll(world, min(3 * ends[-1], 1.0))
        assert world.score() < start - 0.1
    assert min(ends) < 0.04
    assert max(ends) > 0.15


def test_a_bad_shard_is_not_told_of_before_one_of_its_draws():
    world = make_world("drift_shard", 5, seed=0, noise=0.01)
    (at,) = world.spec.changes
    reports = []
    while world.position < at + 2 * world.interval:
        reports.append(world.advance(uniform(world), world.interval))
    struck = f"d{int(np.argmax(world.spec.train_factor))}"
    told = {r.position - at: r.train_loss[struck] / r.eval_loss[struck] for r in reports}
    factor = world.spec.train_factor.max()
    assert told[0] < 0.5 * (1 + factor) < told[world.interval]
    sem = {r.position - at: r.eval_sem[struck] / r.eval_loss[struck] for r in reports}
    assert sem[world.interval] > 1.5 * sem[0]
