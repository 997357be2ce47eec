"""What every world promises, whatever its truth."""

import copy
import itertools

import numpy as np
import pytest

from policies import BadSetup
from policies.worlds import available_worlds, make_world, settings
from policies.worlds.one_way_hubs import HUB_GETS

NAMES = available_worlds()
FALLING = sorted(set(NAMES) - {"drift_change", "drift_shard", "gp", "plateau", "small_pools"})


def run(world, mixture=None, intervals=None):
    """Reports of a run at `mixture(domains)`, by default uniform."""
    mixture = mixture or (lambda domains: {d.name: 1 / len(domains) for d in domains})
    intervals = settings.INTERVALS if intervals is None else intervals
    return [world.advance(mixture(world.domains), world.interval) for _ in range(intervals)]


def first_heavy(domains):
    """Half of the draws from the first domain."""
    rest = 0.5 / max(len(domains) - 1, 1)
    return {d.name: (0.5 if j == 0 else rest) if len(domains) > 1 else 1.0 for j, d in enumerate(domains)}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("K", [2, 5, 20])
def test_losses_are_positive_and_finite_to_the_corners(name, K):
    for corner in (0, K - 1):
        world = make_world(name, K, seed=3, noise=0.01)
        assert np.isfinite(world.score())

        def nearly_one(domains, corner=corner):
            shares = np.full(len(domains), 0.0)
            shares[min(corner, len(domains) - 1)] = 1.0
            return dict(zip([d.name for d in domains], shares.tolist(), strict=True))

        for report in run(world, nearly_one):
            assert min(report.eval_loss.values()) > 0
        assert world.position == world.budget
        assert all(0 < loss < np.inf for loss in world.losses().values())


@pytest.mark.parametrize("name", FALLING)
@pytest.mark.parametrize("seed", range(3))
def test_losses_fall_under_uniform(name, seed):
    world = make_world(name, 6, seed=seed, noise=0.0)
    before = world.losses()
    for _ in range(settings.INTERVALS):
        run(world, intervals=1)
        now = world.losses()
        assert all(now[target] < before[target] for target in now if target in before)
        before = now


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_run_and_another_seed_another(name):
    reports = [run(make_world(name, 4, seed=seed, noise=0.01), intervals=3)[-1].to_dict() for seed in (5, 5, 6)]
    assert reports[0] == reports[1]
    assert reports[0]["eval_loss"] != reports[2]["eval_loss"]


@pytest.mark.parametrize("name", NAMES)
def test_policies_at_one_position_see_the_same_noise(name):
    """However the draws were spent, and in however many steps."""
    seen = []
    for mixture, steps in ((None, [400] * 30), (first_heavy, [400] * 29 + [100, 300])):
        world = make_world(name, 5, seed=2, noise=0.01)
        for draws in steps:
            weights = (mixture or (lambda ds: {d.name: 1 / len(ds) for d in ds}))(world.domains)
            report = world.advance(weights, draws)
        exact = world.losses()
        seen.append({target: report.eval_loss[target] / exact[target] for target in exact})
    assert seen[0] == pytest.approx(seen[1], rel=1e-12)
    assert max(abs(np.log(list(seen[0].values())))) > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_steps_compose_and_order_of_names_is_no_matter(name):
    """One step or four, weights given in any order: the same state."""
    whole, parts = (make_world(name, 5, seed=4, noise=0.0) for _ in range(2))
    weights = first_heavy(whole.domains)
    whole.advance(weights, 4000)
    for _ in range(4):
        parts.advance(dict(reversed(weights.items())), 1000)
    assert whole.losses() == pytest.approx(parts.losses(), rel=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_fresh_and_copies_are_independent(name):
    world = make_world(name, 4, seed=1, noise=0.01)
    start = world.losses()
    first = run(world, intervals=10)
    copied = copy.deepcopy(world)
    ahead = run(copied, intervals=30)
    assert world.position == 10 * world.interval
    fresh = world.fresh()
    assert fresh.position == 0
    assert fresh.losses() == start
    assert [r.to_dict() for r in run(fresh, intervals=40)] == [r.to_dict() for r in first + ahead]


def test_noise_has_the_level_that_is_asked_for():
    """Over seeds and targets; it scales with `noise` and is log-normal around the truth."""
    logs = {}
    for noise in (0.003, 0.01):
        values = []
        for seed in range(6):
            world = make_world("islands", 5, seed=seed, noise=noise)
            for _ in range(20):
                report = run(world, intervals=1)[0]
                exact = world.losses()
                values += [np.log(report.eval_loss[target] / exact[target]) for target in exact]
        logs[noise] = np.array(values)
        assert logs[noise].std() == pytest.approx(noise, rel=0.25)
        assert abs(logs[noise].mean()) < 0.2 * noise
    np.testing.assert_allclose(logs[0.01], logs[0.003] / 0.003 * 0.01, rtol=1e-9)


def test_noise_levels_differ_between_targets_and_are_reported():
    world = make_world("hubs", 8, seed=0, noise=0.01)
    report = run(world, intervals=1)[0]
    relative = np.array([report.eval_sem[t] / report.eval_loss[t] for t in report.eval_loss])
    assert 0.005 < relative.min() < relative.max() < 0.02
    assert relative.std() > 0.0003


def test_units_differ_between_seeds_by_orders_of_magnitude():
    levels = [make_world("hubs", 4, seed=seed, noise=0.0).score() for seed in range(20)]
    assert np.ptp(levels) > np.log(300)


def test_reports_carry_what_rivals_need():
    world = make_world("lr_schedule", 5, seed=0, noise=0.01)
    reports = run(world, intervals=5)
    report = reports[-1]
    names = [d.name for d in world.domains]
    assert list(report.draws) == list(report.eval_loss) == list(report.train_loss) == list(report.train_count) == names
    assert sum(report.draws.values()) == pytest.approx(report.position)
    assert sum(report.train_count.values()) == pytest.approx(world.interval)
    assert [list(row) for row in report.grad_dot.values()] == [names] * 5
    planned = np.interp(report.position, *np.array(world.lr_plan).T)
    assert report.lr_sum == pytest.approx(planned)
    assert all(before.lr_sum < after.lr_sum for before, after in itertools.pairwise(reports))


def test_inner_products_show_who_helps_whom():
    """On one-way hubs a hub's draw lowers other losses more than those lower the hub's."""
    world = make_world("one_way_hubs", 6, seed=1, noise=0.0)
    reports = run(world, intervals=20)
    products = np.mean([[list(row.values()) for row in r.grad_dot.values()] for r in reports], axis=0)
    tau = world.spec.truth.tau
    hub = int(np.argmax((tau - np.eye(6)).sum(axis=0)))
    assert tau[hub, np.arange(6) != hub].max() <= HUB_GETS[1]
    relative = products / np.diag(products)[:, None]
    others = np.arange(6) != hub
    assert relative[others, hub].mean() > 3 * abs(relative[hub, others].mean())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: make_world("hub", 5, seed=0, noise=0.01), "did you mean 'hubs'"),
        (lambda: make_world("hubs", 1, seed=0, noise=0.01), "K is 1"),
        (lambda: make_world("hubs", 5, seed=-1, noise=0.01), "seed is -1"),
        (lambda: make_world("hubs", 5, seed=0, noise=-0.1), "noise is -0.1"),
        (lambda: make_world("flat", 2, seed=0, noise=0).advance({"d0": 1.0}, 10), "'d1' is missing"),
        (lambda: make_world("flat", 2, seed=0, noise=0).advance({"d0": 0.5, "d1": 0.4}, 10), "sum to 0.9"),
        (lambda: make_world("flat", 2, seed=0, noise=0).advance({"d0": 0.5, "d1": 0.5}, 20_001), "20000 left"),
    ],
)
def test_mistakes_are_named(call, words):
    with pytest.raises(BadSetup, match=words):
        call()
