"""The law finds planted truths, in any unit, and knows how sure it is."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from policies import BadReport, BadSetup, JointLaw, fit_joint_law
from policies.laws.burn_in import burn_in_row
from policies.laws.form import COVARIATES, HEAD, KINDS, Inputs, log_loss
from policies.laws.rows import from_arrays
from policies.worlds import make_world
from tests.policies.worlds import World

REGMIX = Path(__file__).parents[3] / "shared" / "data" / "regmix"


@pytest.fixture(scope="module")
def hub():
    world = World("hub", 5, 1, 0.003)
    draws, losses = world.stream(0.4)
    return world, draws, losses, fit_joint_law(draws, losses)


@pytest.mark.parametrize("kind", KINDS)
def test_jacobian_agrees_with_differences(kind):
    rng = np.random.default_rng(0)
    inputs = Inputs(
        rng.uniform(-3, 0, (6, 4)), rng.uniform(-2, 0, 6), rng.uniform(-2, 0, 6), rng.normal(size=(6, 2, COVARIATES))
    )
    theta = rng.normal(scale=0.5, size=(2, HEAD + 4))
    every = np.arange(2)
    _, slopes = log_loss(theta, every, inputs, kind=kind)
    for p in range(theta.shape[1]):
        step = np.zeros_like(theta)
        step[:, p] = 1e-6
        up, _ = log_loss(theta + step, every, inputs, kind=kind, jacobian=False)
        down, _ = log_loss(theta - step, every, inputs, kind=kind, jacobian=False)
        assert slopes[:, :, p] == pytest.approx((up - down) / 2e-6, abs=1e-7)


def test_hub_is_found(hub):
    world, _, _, law = hub
    to_others = law.transfer[1:, 0]
    assert np.all((to_others > 0.2) & (to_others < 1.2)), to_others
    others = law.transfer[1:, 1:][~np.eye(4, dtype=bool)]
    assert np.median(others) < 0.5 * np.median(to_others)
    assert law.exponents == pytest.approx(world.alpha, rel=0.8)


def test_losses_at_the_end_are_predicted_within_the_interval(hub):
    world, _, _, law = hub
    ends = np.stack([np.full(5, world.budget / 5), world.budget * np.array([0.6, 0.1, 0.1, 0.1, 0.1])])
    truth = np.array([world.losses(n) for n in ends])
    predicted = law.predict(ends)
    assert np.abs(predicted.mean / truth - 1).max() < 0.12
    assert np.mean((predicted.low <= truth) & (truth <= predicted.high)) >= 0.8
    narrower = law.predict(ends, level=0.5)
    assert np.all(narrower.high - narrower.low < predicted.high - predicted.low)


@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_law_is_free_of_units(hub, scale):
    _, draws, losses, law = hub
    scaled = fit_joint_law(draws, losses * scale)
    assert scaled.transfer == pytest.approx(law.transfer, rel=1e-6)
    assert scaled.floors == pytest.approx(law.floors * scale, rel=1e-6)
    other = fit_joint_law(draws * 1000, losses)
    assert other.transfer == pytest.approx(law.transfer, rel=1e-6)


def test_order_of_domains_does_not_matter(hub):
    _, draws, losses, law = hub
    turn = np.array([3, 0, 4, 1, 2])
    turned = fit_joint_law(draws[:, turn], losses[:, turn])
    assert turned.transfer == pytest.approx(law.transfer[np.ix_(turn, turn)], rel=1e-6)


def test_json_gives_the_same_law(hub):
    _, draws, _, law = hub
    copy = JointLaw.from_dict(json.loads(json.dumps(law.to_dict(), allow_nan=False)))
    assert np.array_equal(copy.predict(draws).high, law.predict(draws).high)
    assert copy.to_dict() == law.to_dict()


def test_missing_losses_are_left_out_not_filled(hub):
    _, draws, losses, law = hub
    gaps = losses.copy()
    gaps[::3, 1] = np.nan
    partial = fit_joint_law(draws, gaps)
    ends = draws[-1:] * 1.5
    assert partial.predict(ends).mean == pytest.approx(law.predict(ends).mean, rel=0.03)
    assert partial.predict(ends).mean[0, 0] == pytest.approx(law.predict(ends).mean[0, 0], rel=0.01)


def test_target_that_is_no_domain():
    world = World("hub", 4, 2, 0.002)
    draws, losses = world.stream(0.4)
    mixed = losses.mean(axis=1, keepdims=True)
    law = fit_joint_law(draws, mixed, targets=["all"])
    assert law.targets == ("all",)
    assert np.argmax(law.transfer[0]) == 0, "the hub gives most to the mean of all"


def first_row(draws, losses):
    return burn_in_row(
        from_arrays(draws, losses, pools=None, time=None, sem=None, run=None, domains=None, targets=None)
    )


@pytest.mark.parametrize("length", [8, 12])
def test_plateau_is_left_out(length):
    world = World("islands", 3, 0, 0.002)
    draws, losses = world.stream(1.0)
    assert first_row(draws, losses) <= 3
    plateau = np.concatenate([np.repeat(losses[:1] * 1.02, length, axis=0), losses[: len(losses) - length]])
    assert length - 2 <= first_row(draws, plateau) <= 18, "though the mixtures were tried while it lasted"
    even = np.cumsum(np.full_like(draws, draws[0].mean()), axis=0)
    smooth = losses[0] * ((10 + np.arange(len(draws))) / 10.0)[:, None] ** -0.3
    plateau = np.concatenate([np.repeat(smooth[:1], length, axis=0), smooth[: len(draws) - length]])
    assert length - 2 <= first_row(even, plateau) <= 18


@pytest.mark.parametrize("seed", range(6))
def test_probes_are_not_taken_for_a_plateau(seed):
    """Where losses are measured well, what probes do to them is far above the noise: a law without those rows knows
    nothing of transfer."""
    world = make_world("one_way_hubs", 5, seed=seed, noise=0.001)
    hub = int(np.argmax(world.spec.truth.tau.sum(axis=0)))
    uniform, eye = np.full(5, 0.2), np.eye(5)
    mixtures = [uniform, uniform, *(0.04 + 0.8 * np.tile(eye, (2, 1))), *np.tile(0.05 + 0.75 * eye[hub], (13, 1))]
    names = [domain.name for domain in world.domains]
    reports = [world.advance(dict(zip(names, mixture, strict=True)), world.interval) for mixture in mixtures]
    draws = np.array([[report.draws[name] for name in names] for report in reports])
    losses = np.array([[report.eval_loss[name] for name in names] for report in reports])
    assert first_row(draws, losses) <= 1
    assert first_row(draws, np.where(np.arange(25)[:, None] % 3 == np.arange(5) % 3, losses, np.nan)) <= 1


@pytest.mark.parametrize(("reports", "warm"), [(60, 6), (9, 3)])
def test_rows_of_the_warm_up_are_left_out(reports, warm):
    """Where cumulative learning rates are reported the warm-up needs no guess, however few the rows."""
    draws, losses = World("islands", 3, 0, 0.002).stream(1.0)
    draws, losses = draws[:reports], losses[:reports]
    rate = np.minimum(np.arange(1, len(draws) + 1) / (warm + 1), 1.0)

    def first(time):
        rows = from_arrays(draws, losses, pools=None, time=time, sem=None, run=None, domains=None, targets=None)
        return burn_in_row(rows)

    assert first(np.cumsum(rate)) == min(warm, reports - 6)
    assert first(np.cumsum(rate) * 1e-5) == min(warm, reports - 6)
    assert first(np.arange(1, len(draws) + 1) ** 2.0) <= 3  # a rate that only rises is no warm-up


@pytest.mark.parametrize(
    ("losses", "error", "message"),
    [
        ([[1.0, -1.0]], BadReport, "not positive"),
        ([[1.0, np.inf]], BadReport, "infinite"),
        ([[np.nan, np.nan]], BadSetup, "no measured loss"),
        ([[1.0, 1.0], [1.0, 1.0]], BadSetup, "draws have 1 rows and losses 2"),
    ],
)
def test_bad_input_is_named(losses, error, message):
    with pytest.raises(error, match=message):
        fit_joint_law([[10.0, 20.0]], losses)


def regmix():
    """Domains and targets with their shares (512, 17) and losses (512, 13)."""
    tables = []
    for file, drop in (("train_mixture_1m.csv", "train_the_pile_"), ("train_pile_loss_1m.csv", "metric/the_pile_")):
        names = (REGMIX / file).read_text().splitlines()[0].split(",")[1:]
        values = np.genfromtxt(REGMIX / file, delimiter=",", skip_header=1)
        tables.append(
            ([n.removeprefix(drop).removesuffix("_val_loss") for n in names], values[np.argsort(values[:, 0]), 1:])
        )
    return tables


@pytest.mark.skipif(not REGMIX.exists(), reason="the RegMix tables are not at hand")
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(("runs", "error", "rank"), [(34, 0.024, 0.955), (64, 0.017, 0.98), (256, 0.0115, 0.99)])
def test_static_runs_of_language_models(runs, error, rank, named):
    """RegMix: 512 runs, one point each; fitted on some, judged on the rest, with own domains known and not."""
    (domains, shares), (targets, losses) = regmix()
    order = np.random.default_rng(0).permutation(len(shares))
    fit, judge = order[:runs], order[runs:]
    names = {"domains": domains, "targets": targets} if named else {}
    found = fit_joint_law(shares[fit], losses[fit], **names).predict(shares[judge])
    predicted = found.mean
    assert np.mean(np.abs(predicted / losses[judge] - 1)) < error
    ranks = [spearmanr(predicted[:, i], losses[judge, i]).statistic for i in range(losses.shape[1])]
    assert np.mean(ranks) > rank
    assert 0.7 <= np.mean((found.low <= losses[judge]) & (losses[judge] <= found.high)) <= 0.96


@pytest.mark.parametrize(("name", "noise"), [("hubs", 0.01), ("capacity", 0.003), ("gp", 0.01)])
def test_intervals_of_static_runs_hold_the_noise_free_loss(name, noise):
    """One row a run tells misfit from noise no better than half and half: without that they held 59 % in capacity."""
    held = []
    for seed in range(3):
        world, rng = make_world(name, 5, seed=9600 + seed, noise=0.0), np.random.default_rng(seed)
        names, draws, truth = [d.name for d in world.domains], [], []
        for shares in rng.dirichlet(np.ones(5), 100):
            report = world.fresh().advance(dict(zip(names, shares.tolist(), strict=True)), world.budget // 10)
            draws.append([report.draws[n] for n in names])
            truth.append([report.eval_loss[n] for n in names])
        draws, truth = np.array(draws), np.array(truth)
        measured = truth * np.exp(noise * rng.standard_normal(truth.shape))
        found = fit_joint_law(draws[:40], measured[:40], run=np.arange(40)).predict(draws[40:])
        held.append((found.low <= truth[40:]) & (truth[40:] <= found.high))
    assert np.mean(held) >= 0.75
