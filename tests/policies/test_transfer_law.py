"""The online policy on small trainings with a known truth: it gains where it can and does not harm where it cannot."""

import functools
import json
import math
import time

import numpy as np
import pytest

from policies import Domain, LossReport, make_policy
from policies.transfer_law import planning
from policies.worlds import make_world
from tests.policies.worlds import World


@functools.cache
def hub_run():
    world = World("hub", 4, 0, 0.003)
    return world, *world.run("transfer_law")


def test_hub_gets_more_and_the_decision_says_why():
    world, draws, decisions, _ = hub_run()
    assert draws[0] > 2 * world.budget / 4
    refit = next(d for d in decisions if d.reason == "refit")
    assert "d0 rises from 25.0% to" in refit.detail
    assert "a hub: a draw gives" in refit.detail
    assert "predicted gain" in refit.detail


def test_most_of_the_gap_to_the_best_fixed_mixture_is_closed():
    world, draws, _, _ = hub_run()
    assert world.uniform - world.score(draws) > 0.6 * (world.uniform - world.oracle)


def test_predicted_end_and_gain_hold():
    world, draws, decisions, _ = hub_run()
    third = decisions[20]
    ends = world.losses(draws)
    for name, truth in zip(world.names, ends, strict=True):
        assert third.predicted[name].mean == pytest.approx(truth, rel=0.12)
    gained = world.uniform - world.score(draws)
    assert third.gain.low - 0.03 <= gained <= third.gain.high + 0.03


def fronts(decisions):
    return [{name for name, share in d.weights.items() if share > 0.3} for d in decisions if d.reason == "probe"]


def test_one_sweep_is_enough_where_the_gain_is_sure():
    world, _, decisions, _ = hub_run()
    assert fronts(decisions) == [{name} for name in sorted(world.names)]
    after = next(d for d in decisions if d.reason == "refit")
    assert after.position == max(d.position for d in decisions if d.reason == "probe") + world.interval
    assert after.position < 0.15 * world.budget


def test_every_domain_is_probed_twice_early_where_nothing_is_sure():
    world = World("hub", 4, 0, 0.003)
    _, decisions, _ = world.run("transfer_law", enough=1.0)
    probes = [d for d in decisions if d.reason == "probe"]
    assert fronts(decisions) == [{name} for name in (*sorted(world.names), *sorted(world.names)[::-1])]
    assert probes[-1].position < 0.25 * world.budget
    assert all(d.law is not None for d in probes[4:]), "the law is shown as soon as there is one"


def test_without_gradient_products_each_domain_is_in_front_alone():
    world = make_world("hubs", 5, seed=7002, noise=0.01)
    policy = make_policy("transfer_law", world.domains, world.budget, interval=world.interval, products=0)
    decisions = []
    while world.position < 0.3 * world.budget:
        decisions.append(policy.propose())
        policy.observe(world.advance(decisions[-1].weights, world.interval))
    assert fronts(decisions)[:5] == [{f"d{j}"} for j in range(5)]
    assert min(d.position for d in decisions if d.reason == "refit") > 0.1 * world.budget


def test_decisions_carry_law_and_forecast():
    _, _, decisions, policy = hub_run()
    last = decisions[-1]
    assert last.law.hub_score["d0"].mean > 0.5
    assert last.law.transfer["d1"]["d0"].low < 0.55 < last.law.transfer["d1"]["d0"].high * 2
    assert set(last.law.families) == {"effective", "separable"}
    assert last.refit == len(decisions) - 1
    assert policy.propose().reason == "finished"
    json.dumps(policy.dump(), allow_nan=False)


def test_a_law_without_transfer_says_nothing_of_it():
    _, decisions, _ = World("islands", 4, 0, 0.003).run("own_law")
    laws = [d.law for d in decisions if d.law is not None]
    assert laws
    assert all(not law.transfer and not law.identified and not law.hub_score for law in laws)
    refit = next(d for d in decisions if d.reason == "refit")
    assert "(a draw is worth" in refit.detail
    assert "others" not in refit.detail


def test_a_probe_says_how_its_own_mixture_would_end():
    _, _, decisions, _ = hub_run()
    told = [d for d in decisions if d.predicted]
    assert max(d.gain.mean for d in told if d.reason == "probe") < -0.05
    assert max(d.gain.mean for d in told if d.reason == "refit") > 0.05


def test_islands_gain_and_flat_is_not_harmed():
    islands = World("islands", 4, 3, 0.003)
    draws, _, _ = islands.run("transfer_law")
    assert islands.score(draws) < islands.uniform + 0.001
    flat = World("flat", 4, 0, 0.01)
    draws, _, _ = flat.run("transfer_law")
    assert flat.score(draws) < flat.uniform + 0.002


def test_a_plan_is_followed_to_the_end_though_little_is_left_to_gain():
    world = World("islands", 4, 0, 0.003)
    _, decisions, _ = world.run("transfer_law")
    assert [d.reason for d in decisions[-10:]] == ["refit"] * 10
    assert max(decisions[-1].weights.values()) > 0.35


def test_no_plan_goes_far_beyond_what_was_in_front():
    """After the short sweep two of five domains have each had a little less than half of all draws."""
    world = World("hub", 5, 0, 0.003)
    running = make_policy("transfer_law", world.domains, world.budget, interval=world.interval, window=1.0)
    base = 0.2
    for most, fronts in ((1.0, {"d0": 1}), (base + 0.8 * (0.5 - base) + 0.4, {"d0": 2}), (base + 0.4, {})):
        rows = running._history.arrays(running.domains, world.report(world.interval, np.full(5, world.interval / 5)))
        assert running._trusted(rows, fronts)[1][0] == pytest.approx(most)


def test_failed_fit_keeps_the_mixture_and_says_so(monkeypatch):
    world = World("hub", 4, 0, 0.003)

    def broken(*_, **__):
        raise np.linalg.LinAlgError("singular matrix")

    monkeypatch.setattr("policies.transfer_law.policy.fit_rows", broken)
    running = make_policy("transfer_law", world.domains, world.budget, interval=world.interval)
    n = np.zeros(4)
    for position in range(world.interval, 14 * world.interval, world.interval):
        n = n + world.interval * np.array(list(running.propose().weights.values()))
        running.observe(world.report(position, n))
    decision = running.propose()
    assert decision.reason == "kept: fit failed"
    assert "singular matrix" in decision.detail
    assert decision.weights == running.baseline


def test_small_pool_is_not_drawn_beyond_its_cap():
    domains = [Domain("a", pool=100, max_epochs=4), Domain("b"), Domain("c")]
    policy = make_policy("transfer_law", domains, 6_000, interval=200)
    world = World("islands", 3, 1, 0.003, budget=6_000, intervals=30)
    n = np.zeros(3)
    for position in range(200, 6_001, 200):
        shares = policy.propose().weights
        n = n + 200 * np.array([shares[name] for name in "abc"])
        losses = dict(zip("abc", world.losses(n).tolist(), strict=True))
        policy.observe(LossReport(position, dict(zip("abc", n.tolist(), strict=True)), losses))
    assert policy.propose().reason == "finished"
    assert math.isfinite(policy.law.exponents[0])


def test_many_reports_leave_a_bounded_history():
    policy = make_policy("transfer_law", [Domain("a"), Domain("b")], 1_000_000, interval=1_000)
    policy._fit = lambda rows, state: (None, None, "not asked")
    for step in range(1, 801):
        half = {"a": 500.0 * step, "b": 500.0 * step}
        policy.observe(LossReport(1_000 * step, half, {"a": 1 + step**-0.3, "b": 1.0}))
    rows = policy._history.rows
    assert len(rows) == 256
    assert sum(row.count for row in rows) == 799
    assert rows[0].position == 1_000
    measured = rows[-20]
    step = measured.position / 1_000
    assert measured.log_loss["a"] == pytest.approx(math.log(1 + step**-0.3), abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("K", "limit"), [(8, 0.15), (20, 1.0), (40, 4.0)])
def test_warm_refit_is_quick(K, limit):
    """CPU seconds of refit and decision, best of five, after 400 reports."""
    world = World("hub", K, 0, 0.003, budget=400_000, intervals=410)
    policy = make_policy("transfer_law", world.domains, world.budget, interval=world.interval)
    fit = policy._fit
    policy._fit = lambda rows, state: (None, None, "not yet")
    n, took = np.zeros(K), []
    for step in range(1, 407):
        if step == 400:
            policy._fit = fit
        n = n + world.interval * np.array(list(policy.propose().weights.values()))
        report = world.report(step * world.interval, n)
        start = time.process_time()
        policy.observe(report)
        took.append(time.process_time() - start)
    assert min(took[-5:]) < limit


def test_reports_between_boundaries_masked_draws_and_an_annealed_rate():
    """As in real training: a report half an interval early, 2 % of draws lost, gaps, the rate brought down."""
    world = World("hub", 3, 0, 0.003, budget=6_000, intervals=30)
    half, end = world.interval // 2, world.budget

    def rate_sum(position):
        flat = 0.8 * end
        down = max(position - flat, 0.0)
        return min(position, flat) + down - 0.45 * down**2 / (0.2 * end)

    plan = [[float(p), rate_sum(p)] for p in range(0, end + 1, half)]
    policy = make_policy("transfer_law", world.domains, end, interval=world.interval, lr_plan=plan)
    n, before = np.zeros(3), policy.propose().weights
    reports = [*range(half, end - half, world.interval), end]
    for step, position in enumerate(reports, start=1):
        now = policy.propose().weights
        for shares in (before, now) if step > 1 else (now,):
            n = n + 0.98 * half * np.array([shares[name] for name in world.names])
        body = world.report(position, n).to_dict() | {"lr_sum": rate_sum(position)}
        if step % 5 == 0:
            body["eval_loss"]["d1"] = None
        policy.observe(LossReport.from_dict(body))
        assert policy.propose().position == min(step * world.interval, end)
        before = now
    assert policy.propose().reason == "finished"
    assert policy.law.time_ref == pytest.approx(rate_sum(end))
    assert n[0] > n[1]
    assert n[0] > n[2]


def test_until_the_boundary_the_mixture_in_force_goes_on_not_one_that_was_just_decided(monkeypatch):
    """Two reports in one interval: what the first decided is not drawn from before the boundary."""
    told = []
    plain = planning.make_problem

    def watched(*args, **kwargs):
        told.append(kwargs["spent"])
        return plain(*args, **kwargs)

    monkeypatch.setattr(planning, "make_problem", watched)
    world = World("hub", 3, 0, 0.003, budget=6_000, intervals=30)
    policy = make_policy("transfer_law", world.domains, world.budget, interval=world.interval)
    n, step, in_force = np.zeros(3), world.interval // 4, {}
    for position in range(step, 8 * world.interval, step):
        if (position - step) % world.interval == 0:
            in_force = policy.propose().weights
        n = n + step * np.array([in_force[name] for name in world.names])
        policy.observe(world.report(position, n))
        until = -position % world.interval
        if told and until:
            expected = {name: n[j] + until * in_force[name] for j, name in enumerate(world.names)}
            assert told[-1] == pytest.approx(expected)
    assert len(told) > 10
