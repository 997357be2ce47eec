"""Reported gradient products: what they add to a law, and that they cannot mislead it."""

import dataclasses
import json
import math

import numpy as np
import pytest

from policies import BadReport, LossReport, load_policy, make_policy
from policies.history import History
from policies.laws.fit import fit_rows
from policies.laws.form import HEAD
from policies.laws.products import OFF, Belief, Products, directions
from policies.products import GROUPS, Group, with_report
from policies.worlds import make_world

NAMES = [f"d{j}" for j in range(4)]


def history(world, mixtures, *, wrong=None, every=400):
    """The history of a world drawn from `mixtures` in turn; `wrong` makes other products of the reported ones."""
    found, domains = History(), world.domains
    for weights in mixtures:
        report = world.advance(dict(zip([d.name for d in domains], weights, strict=True)), every)
        if wrong is not None:
            report = dataclasses.replace(report, grad_dot=wrong(report.grad_dot))
        found = found.append(report)
    return found, domains


def sweeps(K, count=2):
    uniform = [[1 / K] * K] * 2
    fronts = [[0.84 if j == front else 0.16 / (K - 1) for j in range(K)] for front in range(K)]
    return uniform + (fronts + fronts[::-1])[: count * K]


def swapped(products):
    """Each target's foreign products, the lowest for the highest."""
    out = {}
    for target, row in products.items():
        others = sorted((value, name) for name, value in row.items() if name != target)
        values = [value for value, _ in others][::-1]
        out[target] = {target: row[target], **dict(zip([name for _, name in others], values, strict=True))}
    return out


def error(law, world):
    """Mean absolute error of transfer over the pairs of different domains."""
    true, K = world.spec.truth.tau, len(world.domains)
    return float(np.abs(law.transfer - true)[~np.eye(K, dtype=bool)].mean())


@pytest.mark.parametrize("kind", ["effective", "separable"])
def test_slopes_of_fitted_products_are_the_slopes(kind):
    rng = np.random.default_rng(3)
    mean = rng.normal(size=(3, 2, 4)) + 1.0
    mean[0, 1, 2] = np.nan
    given = directions(Products(mean, np.ones(mean.shape), rng.uniform(10, 100, (3, 4)), 0.3), np.full(4, 30.0), 5.0, 0)
    theta, every = 0.5 * rng.normal(size=(2, HEAD + 5)), np.arange(2)
    fitted, slopes = given.model(theta, every, kind, True)
    left = np.where(np.isnan(given.observed), 0.0, given.observed - fitted).reshape(2, 3, 4)
    known = ~np.isnan(given.observed)
    assert np.einsum("bgk,bgk->bg", left, fitted.reshape(2, 3, 4)) == pytest.approx(np.zeros((2, 3)), abs=1e-12)
    gradient = -np.einsum("bc,bcp->bp", left.reshape(2, -1), slopes)
    step = 1e-6
    for k in range(theta.shape[1]):
        costs = []
        for sign in (1, -1):
            moved = theta.copy()
            moved[:, k] += sign * step
            residual = np.where(known, given.observed - given.model(moved, every, kind, False)[0], 0.0)
            costs.append(0.5 * (residual**2).sum(axis=1))
        assert gradient[:, k] == pytest.approx((costs[0] - costs[1]) / (2 * step), abs=1e-6)


def test_transfer_is_seen_without_any_probe():
    world = make_world("one_way_hubs", 5, seed=3, noise=0.01)
    found, domains = history(world, [[0.2] * 5] * 12)
    rows = found.arrays(domains, None)
    blind, _ = fit_rows(dataclasses.replace(rows, products=None))
    seeing, _ = fit_rows(rows)
    assert error(seeing, world) < 0.5 * error(blind, world)
    assert seeing.log_transfer()[1].mean() < 0.7 * blind.log_transfer()[1].mean()


def test_products_that_contradict_the_probes_are_not_believed():
    errors = {"none": [], "right": [], "wrong": []}
    doubts = {"right": [], "wrong": []}
    for seed in range(4):
        for name, wrong in (("right", None), ("wrong", swapped)):
            world = make_world("one_way_hubs", 5, seed=seed, noise=0.003)
            rows = (pair := history(world, sweeps(5), wrong=wrong))[0].arrays(pair[1], None)
            law, warm = fit_rows(rows)
            errors[name].append(error(law, world))
            doubts[name].append(warm.beliefs[0].doubt)
        errors["none"].append(error(fit_rows(dataclasses.replace(rows, products=None))[0], world))
    mean = {name: float(np.mean(values)) for name, values in errors.items()}
    assert mean["right"] < 0.9 * mean["none"]
    assert mean["wrong"] < 1.05 * mean["none"]
    assert min(doubts["wrong"]) > 3 * max(doubts["right"])


def test_neither_their_unit_nor_its_changes_matter():
    laws = []
    for factor in (lambda k: 1.0, lambda k: 1e6 * 3.0**k):
        count = iter(range(1000))
        world = make_world("hubs", 4, seed=1, noise=0.01)

        def scaled(products, factor=factor, count=count):
            by = factor(next(count))
            return {target: {name: by * value for name, value in row.items()} for target, row in products.items()}

        found, domains = history(world, sweeps(4), wrong=scaled)
        laws.append(fit_rows(found.arrays(domains, None))[0])
    assert laws[0].transfer == pytest.approx(laws[1].transfer, rel=1e-6)


def test_groups_stay_few_and_count_every_report_once():
    rng = np.random.default_rng(0)
    groups, values = (), []
    for step in range(1, 2_001):
        row = {name: float(value) for name, value in zip(NAMES, rng.normal(size=4) + 2.0, strict=True)}
        size = math.sqrt(sum(value**2 for value in row.values()) / 4)
        values.append([value / size for value in row.values()])
        draws = dict.fromkeys(NAMES, 10.0 * step)
        groups = with_report(groups, LossReport(40 * step, draws, {"d0": 1.0}, grad_dot={"d0": row}))
        assert len(groups) <= GROUPS
    assert sum(group.reports for group in groups) == 2_000
    whole = sum(group.reports * np.array(list(group.mean["d0"].values())) for group in groups) / 2_000
    assert whole == pytest.approx(np.mean(values, axis=0))
    scatter = sum(group.scatter for group in groups) / sum(group.freedom for group in groups)
    assert scatter == pytest.approx(np.var(values, axis=0, ddof=1).mean(), rel=0.02)
    assert Group(**json.loads(json.dumps(dataclasses.asdict(groups[0])))) == groups[0]


@pytest.mark.parametrize(
    "row", [{}, {"d0": 1.0}, {"d0": math.nan, "d1": 1.0}, {"d0": 0.0, "d1": 0.0}, {"d0": math.inf}]
)
def test_what_cannot_be_compared_is_left_out(row):
    report = LossReport(40, dict.fromkeys(NAMES, 10.0), {"d0": 1.0}, grad_dot={"d0": row})
    assert with_report((), report) == ()


def test_a_name_that_nobody_knows_is_refused():
    policy = make_policy("transfer_law", make_world("hubs", 4, seed=0, noise=0.01).domains, 20_000, interval=400)
    draws, losses = dict.fromkeys(NAMES, 100.0), dict.fromkeys(NAMES, 1.0)
    for products, said in (({"d9": {"d0": 1.0}}, "target 'd9'"), ({"d0": {"dd": 1.0}}, "domain 'dd'")):
        with pytest.raises(BadReport, match=said):
            policy.observe(LossReport(400, draws, losses, grad_dot=products))
    policy.observe(LossReport(400, draws, losses, grad_dot={"d0": {"d1": 1.0, "d0": 2.0}}))


def run(world, reports, hook=lambda policy, step: policy, told=True, **options):
    """`transfer_law` after so many reports, its decisions, and the reports."""
    policy = make_policy("transfer_law", world.domains, world.budget, interval=world.interval, **options)
    decisions = []
    for step in range(reports):
        policy = hook(policy, step)
        report = world.advance(policy.propose().weights, world.interval)
        policy.observe(report if told else dataclasses.replace(report, grad_dot=None))
        decisions.append(policy.propose())
    return policy, decisions


def hubs():
    return make_world("one_way_hubs", 4, seed=2, noise=0.01)


def test_a_copy_of_a_policy_goes_on_as_the_policy_would():
    def copied(policy, step):
        return load_policy(json.loads(json.dumps(policy.dump()))) if step in (3, 6) else policy

    assert run(hubs(), 8, copied)[1] == run(hubs(), 8)[1]


def test_without_products_it_decides_as_if_none_had_been_reported():
    blind = run(hubs(), 8, products=0)[1]
    assert blind == run(hubs(), 8, told=False)[1]
    assert blind[-1].predicted != run(hubs(), 8)[1][-1].predicted


def test_products_that_agree_with_the_losses_make_less_cautious():
    cautions = [
        policy._rules(policy.budget, policy._now, None).caution
        for policy, _ in (run(hubs(), 8), run(hubs(), 8, products=0), run(hubs(), 1))
    ]
    assert cautions == [0.6, 1.0, 1.0]
    world = make_world("one_way_hubs", 5, seed=0, noise=0.003)
    found, domains = history(world, sweeps(5), wrong=swapped)
    assert not fit_rows(found.arrays(domains, None))[1].told, "these do not agree"


def test_belief_is_what_disagreement_says():
    assert Belief().learnt(OFF, pull=4.0, decided=10.0).doubt == 1.0
    doubted = Belief().learnt(OFF, pull=40.0, decided=10.0)
    assert doubted.doubt > 4
    assert doubted.learnt(OFF, pull=0.0, decided=10.0).doubt < doubted.doubt
