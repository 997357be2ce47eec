"""Domains that stop giving, as gradient products show it: noticed at once, and nothing else taken for it."""

import dataclasses
import json
import math

import numpy as np
import pytest

from policies import LossReport, fit_joint_law, make_policy, make_world
from policies.laws.giving import expected
from policies.tournament.rollout import follow, hold
from policies.transfer_law.gifts import (
    BAR,
    CLEAR,
    CLIP,
    KEPT,
    MEMORY,
    PER,
    REST,
    TRUST,
    WANDER,
    Ahead,
    Gift,
    GiftWatch,
    Sums,
)
from policies.transfer_law.state import State

NAMES, BUDGET, STEP, NOISE = ("ct", "mr", "pet"), 10_000, 200, 0.3
USUAL = {"ct": {"ct": 1.5, "mr": 0.8, "pet": 0.1}, "mr": {"ct": 0.8, "mr": 1.5, "pet": 0.2}}
USUAL["pet"] = {"ct": 0.6, "mr": 0.2, "pet": 1.6}


def scaled(row):
    size = math.sqrt(sum(value**2 for value in row.values()) / len(row))
    return {name: value / size for name, value in row.items()}


def ahead(position, step=STEP):
    gifts = {"ct": {i: scaled(USUAL[i])["ct"] for i in ("mr", "pet")}}
    return Ahead(position, position + step, gifts, gifts, NOISE, NAMES)


def report(position, rng, gives):
    """A report in which ct gives others the part `gives` of what the law expects."""
    products = {}
    for i in NAMES:
        row = {j: value * (gives if j == "ct" != i else 1.0) for j, value in scaled(USUAL[i]).items()}
        products[i] = {j: 7.0 * (value + NOISE * rng.standard_normal()) for j, value in row.items()}
    return LossReport(position, dict.fromkeys(NAMES, position / 3), dict.fromkeys(NAMES, 0.5), grad_dot=products)


def alarms(gives, *, seed=0, step=STEP):
    """Positions and alarms of a watch over reports in which ct gives the parts `gives`, each forecast anew."""
    rng, watch, found = np.random.default_rng(seed), GiftWatch(), []
    for n, part in enumerate(gives):
        watch = dataclasses.replace(watch, ahead=ahead(n * step, step))
        watch = GiftWatch.from_dict(json.loads(json.dumps(watch.to_dict())))
        watch, gone = watch.seen(report((n + 1) * step, rng, part), ["ct"], BUDGET)
        if gone is not None:
            found.append(((n + 1) * step, gone))
            watch = GiftWatch()
    return found


def test_a_domain_that_stops_giving_is_noticed_within_a_few_reports():
    in_time = 0
    for seed in range(20):
        for position, gone in alarms([1.0] * 20 + [0.15] * 10, seed=seed)[:1]:
            assert gone.domain == "ct"
            assert abs(gone.since - 20 * STEP) <= 2 * STEP
            assert 0.5 < gone.lost < 1.5
            assert str(gone).startswith("draws of ct have given others about")
            in_time += 20 * STEP < position <= 28 * STEP
    assert in_time >= 18


@pytest.mark.parametrize("gives", [1.0, 0.6, 0.3, 1.6])
def test_a_law_that_is_off_by_a_factor_is_no_change(gives):
    assert sum(bool(alarms([gives] * 40, seed=seed)) for seed in range(25)) == 0


def test_a_slow_fall_is_what_the_next_fits_are_for():
    assert not any(alarms(np.linspace(1.0, 0.7, 40), seed=seed) for seed in range(10))


def test_gifts_that_wander_are_no_change():
    rng, found = np.random.default_rng(1), 0
    for seed in range(40):
        part = [rng.standard_normal()]
        for _ in range(60):
            part.append(0.7 * part[-1] + math.sqrt(1 - 0.7**2) * rng.standard_normal())
        found += bool(alarms(1.0 + 0.2 * np.array(part), seed=seed))
    assert found <= 4
    watched = Gift()
    for n in range(200):
        watched = watched.seen(
            20.0, 20.0 + 6.0 * rng.standard_normal() + math.sqrt(20.0) * rng.standard_normal(), n * 200.0, 0.02
        )
    assert 0.2 < math.sqrt(watched.wander) < 0.4
    assert watched.evidence < BAR


def test_a_single_odd_report_is_no_change():
    gives = np.ones(60)
    gives[[20, 30, 40]] = -3.0
    assert not any(alarms(gives, seed=seed) for seed in range(10))


def test_a_gift_that_is_small_beside_the_noise_says_nothing():
    small = {"ct": {"mr": 0.05, "pet": 0.05}}
    for seed in range(10):
        rng, watch = np.random.default_rng(seed), GiftWatch()
        for n in range(100):
            told = Ahead(n * STEP, (n + 1) * STEP, small, small, NOISE, NAMES)
            watch, gone = dataclasses.replace(watch, ahead=told).seen(
                report((n + 1) * STEP, rng, 0.0), ["ct"], 100 * STEP
            )
            assert gone is None


def test_finer_reports_raise_no_earlier_alarm():
    coarse = alarms([1.0] * 20 + [0.0] * 10)[0][0]
    fine = alarms([1.0] * 200 + [0.0] * 100, step=STEP // 10)[0][0]
    soonest = 20 * STEP + math.ceil(BAR / CLIP) * PER * BUDGET
    assert soonest - STEP <= fine <= coarse + STEP
    assert coarse >= soonest


def test_the_sum_is_the_likelihood_ratio_of_the_docstring():
    s, y = np.array([0.8, 0.3]) / NOISE, np.array([0.5, 0.2]) / NOISE
    ratio = float(((y - s) ** 2 - (y - KEPT * s) ** 2).sum() / 2)
    assert 0 < ratio < REST
    known = Gift(Sums(asked=TRUST, given=TRUST))
    gift = known.seen(float(s @ s), float(s @ y), 200.0, PER)
    assert gift.evidence == pytest.approx(ratio / (1 + WANDER**2 * s @ s))
    kept = 1 - PER / MEMORY
    assert gift.rho == pytest.approx((TRUST + kept * TRUST + s @ y) / (TRUST + kept * TRUST + s @ s))
    assert known.seen(float(s @ s), -100.0, 200.0, PER).evidence == CLIP
    assert Gift(Sums(asked=0.9 * TRUST, given=TRUST)).seen(float(s @ s), -100.0, 200.0, PER).evidence == 0.0


def test_reports_that_cannot_be_compared_leave_the_watch_as_it_was():
    rng, gifts = np.random.default_rng(0), {"ct": Gift(Sums(30.0, 29.0), Sums(1.0, 0.1), 5.0, 400.0)}
    watch, whole = GiftWatch(gifts, ahead(1_000)), report(1_200, rng, 0.0)
    without = {i: {j: value for j, value in row.items() if j != "pet"} for i, row in whole.grad_dot.items()}
    for other in (
        dataclasses.replace(whole, grad_dot=None),
        dataclasses.replace(whole, position=1_000),
        dataclasses.replace(whole, position=1_900),
    ):
        assert watch.seen(other, ["ct"], BUDGET) == (GiftWatch(gifts), None)
    seen, gone = watch.seen(dataclasses.replace(whole, grad_dot=without), ["ct"], BUDGET)
    assert (seen.gifts["ct"].evidence, gone) == (5.0, None), "products over other domains have another size"


def test_a_domain_that_fades_while_it_is_not_raised_is_told_of_once_it_is():
    rng, watch, told = np.random.default_rng(0), GiftWatch(), []
    for n in range(40):
        watch = dataclasses.replace(watch, ahead=ahead(n * STEP))
        raised = ["ct"] if n < 21 or n >= 35 else []
        watch, gone = watch.seen(report((n + 1) * STEP, rng, 1.0 if n < 20 else 0.0), raised, BUDGET)
        told += [] if gone is None else [(n, gone)]
    assert [n for n, _ in told] == [35, 36, 37, 38, 39]
    assert abs(told[0][1].since - 20 * STEP) <= 2 * STEP
    assert told[0][1].clear > CLEAR**2


def test_expected_products_are_the_slopes_of_the_law():
    world, rows = make_world("hubs", 4, seed=3, noise=0.003), []
    names = [d.name for d in world.domains]
    for front in (None, 0, 1, 2, 3, None, 3, 2, 1, 0):
        shares = np.full(4, 0.25) if front is None else np.where(np.arange(4) == front, 0.85, 0.05)
        rows.append(world.advance(dict(zip(names, shares.tolist(), strict=True)), 400))
    table = np.array([[r.draws[n] for n in names] for r in rows])
    losses = np.array([[r.eval_loss[n] for n in names] for r in rows])
    law = fit_joint_law(table, losses, domains=names, targets=names, families=["effective"])
    now, step = table[-1], 0.5
    own = np.array([d.name == t for t in law.targets for d in world.domains]).reshape(4, 4)
    after = law.predict(now + step * np.eye(4), time=np.full(4, now.sum() + step)).mean
    falls = np.log(law.predict(now[None], time=[now.sum()]).mean) - np.log(after)  # (K, M)
    falls = falls.T / np.sqrt((falls.T**2).mean(axis=1, keepdims=True))
    found = expected(law, now, range(4))
    np.testing.assert_allclose(np.sqrt((found**2).mean(axis=1)), 1.0)
    np.testing.assert_allclose(found[~own], falls[~own], atol=0.03)
    some = expected(law, now, [0, 2])
    np.testing.assert_allclose(some[:, 0] / some[:, 1], found[:, 0] / found[:, 2])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [8001, 8005])
def test_a_run_is_told_at_once_and_ends_better_than_uniform(seed):
    world = make_world("drift_change", 5, seed=seed, noise=0.01)
    uniform = world.fresh()
    hold(uniform, lambda domains: {domain.name: 1 / len(domains) for domain in domains}, uniform.budget)
    policy = make_policy("transfer_law", world.domains, world.budget, interval=world.interval)
    decisions = []
    while world.position < world.budget:
        decisions.append(policy.propose())
        follow(policy, world, decisions[-1].weights, world.interval, last=world.budget)
    said = [d for d in decisions if "have given others about" in d.detail]
    at = world.spec.changes[0]
    assert at < said[0].position <= at + 0.1 * world.budget
    assert said[0].reason == "probe"
    assert world.score() < uniform.score()


def test_a_state_of_before_gifts_were_watched_is_read():
    old = State(None, 600, {"ct": 1.0}, False, 3, 4_000).to_dict()
    del old["gifts"]
    assert State.from_dict(old).gifts == GiftWatch()
