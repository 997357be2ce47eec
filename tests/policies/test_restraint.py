"""When the law may not lead, and when a refit is not worth it."""

import dataclasses
import math
from types import SimpleNamespace

import numpy as np

from policies import Domain, Interval, LossReport, make_policy
from policies.allocation.value import HubScores
from policies.history import History
from policies.laws.fit import fit_rows
from policies.laws.rows import from_arrays
from policies.transfer_law.restraint import lived_shares, steep, unseen_gift
from policies.worlds import make_world
from tests.policies.worlds import World

NAMES = ("a", "b")


def run(reports: int, exponent: float, start: float, upto: int, **setup) -> list:
    """Decisions of `transfer_law` on losses that fall as a power of the draws."""
    interval, domains = 100, [Domain(name) for name in NAMES]
    policy = make_policy("transfer_law", domains, reports * interval, interval=interval, **setup)
    draws, decisions = dict.fromkeys(NAMES, 0.0), []
    for k in range(1, upto + 1):
        for name, share in policy.propose().weights.items():
            draws[name] += share * interval
        losses = {name: 0.1 + (1 + draws[name] / start) ** -exponent for name in NAMES}
        policy.observe(LossReport(k * interval, dict(draws), losses))
        decisions.append(policy.propose())
    return decisions


def test_a_law_steeper_than_any_scaling_law_does_not_lead() -> None:
    last = run(reports=40, exponent=4.0, start=400.0, upto=20)[-1]
    assert last.law is not None
    assert max(e.mean for e in last.law.exponents.values()) > 1.5
    assert last.reason == "kept: law not identified"
    assert "exponent" in last.detail
    assert all(math.isclose(share, 0.5) for share in last.weights.values())


def test_one_steep_target_of_many_does_not_stop_a_law() -> None:
    def doubt(targets: int, *exponents: float) -> str:
        names = tuple(f"t{k}" for k in range(targets))
        law = SimpleNamespace(targets=names, speeds=np.array([*exponents, *[0.3] * (targets - len(exponents))]))
        return steep(law, dict.fromkeys(names, 1.0), 1.5)

    assert doubt(20, 2.2) == ""
    assert "t1 falls with exponent 2.4" in doubt(20, 2.2, 2.4)
    assert "t0 falls with exponent 2.2" in doubt(5, 2.2)
    assert doubt(5) == ""


def test_a_strong_effect_of_the_mixture_is_no_transition() -> None:
    """Under the exponential mixing law exponents are large, while training goes on as along any power law."""
    world = make_world("exp_mixing", 8, seed=3, noise=0.01)
    history, names = History(), [domain.name for domain in world.domains]
    for step in range(14):
        front = names[(step - 2) % 8] if step >= 2 else None
        weights = {name: 0.125 if front is None else 0.825 if name == front else 0.025 for name in names}
        history = history.append(world.advance(weights, world.interval))
    law, _ = fit_rows(history.arrays(world.domains, None))
    assert law.exponents.max() > 1.5 > law.speeds.max()
    assert steep(law, dict.fromkeys(names, 1.0), 1.5) == ""


def test_a_run_of_few_reports_is_neither_probed_nor_led() -> None:
    short, enough = (run(reports=n, exponent=0.4, start=50.0, upto=n) for n in (19, 20))
    assert all(math.isclose(share, 0.5) for decision in short for share in decision.weights.values())
    assert any(decision.reason == "probe" for decision in enough)


def test_a_long_run_refits_only_when_a_row_is_new() -> None:
    decisions = run(reports=300, exponent=0.4, start=50.0, upto=296)
    assert decisions[200].refit == 201
    assert decisions[-1].refit < 296
    assert any(decision.reason == "hold" for decision in decisions)


def test_probing_waits_until_the_learning_rate_is_up() -> None:
    """Rows of the warm-up are left out of the fit, so a probe there would be drawn for nothing."""
    plan = [[k * 100.0, sum(min(step / 5, 1.0) for step in range(1, k + 1))] for k in range(1, 41)]

    def first_probe(**setup) -> int:
        decisions = run(reports=40, exponent=0.4, start=50.0, upto=8, **setup)
        return next(d.position for d in decisions if d.reason == "probe")

    assert first_probe() == 200
    assert first_probe(lr_plan=plan) == 400  # the rate of the fifth stretch, from 400 on, is the highest


def test_a_gift_that_is_not_known_well_moves_nothing() -> None:
    base = {"a": 0.5, "b": 0.5}

    def doubt(low: float, plan: dict[str, float]) -> str:
        given = {"a": Interval(1.5, low, 2.0), "b": Interval(0.2, 0.1, 0.4)}
        own = {"a": Interval(0.2, 0.1, 0.3), "b": Interval(1.0, 0.8, 1.2)}
        return unseen_gift(base, plan, HubScores(given, own, (), ()), 0.5)

    assert "gives a 80.0% for what its draws give to others" in doubt(0.2, {"a": 0.8, "b": 0.2})
    assert doubt(1.0, {"a": 0.8, "b": 0.2}) == ""
    assert doubt(0.2, {"a": 0.2, "b": 0.8}) == ""  # b rises for its own sake


def test_the_largest_share_counts_that_was_lived_with_for_a_while() -> None:
    steps = np.array([[50.0, 50.0], [50.0, 50.0], [90.0, 10.0], [50.0, 50.0], [20.0, 80.0], [20.0, 80.0]])
    draws = np.cumsum(steps, axis=0)
    nothing = np.full_like(draws, 0.0)
    rows = from_arrays(draws, np.exp(nothing), pools=None, time=None, sem=None, run=None, domains=None, targets=None)
    assert np.allclose(lived_shares(rows, 100.0), [0.9, 0.8])
    assert np.allclose(lived_shares(rows, 200.0), [0.7, 0.8])  # 90 % was too short
    assert np.allclose(lived_shares(rows, 1e6), 0.0)


def test_the_baseline_is_not_left_late() -> None:
    """The same run with and without the rule: it is kept at the baseline, and says why."""
    world = World("hub", 3, 0, 0.003)

    def decisions(latest: float) -> list:
        _, made, _ = world.run("transfer_law", latest=latest)
        return made

    held, free = decisions(0.08), decisions(1.0)  # a sweep ends at a tenth
    assert any(d.reason == "refit" for d in free)
    assert not any(d.reason == "refit" for d in held)
    late = [d for d in held if d.reason == "kept: too late to leave the baseline"]
    assert late
    assert all(math.isclose(share, 1 / 3) for d in late for share in d.weights.values())


def test_a_law_that_is_missing_says_how_many_reports_measured_a_loss():
    policy = make_policy("transfer_law", [Domain(name) for name in NAMES], 1_000, interval=100, start=0.0)
    for step, loss in enumerate((math.nan, 1.0, math.nan), 1):
        draws = dict.fromkeys(NAMES, 50.0 * step)
        policy.observe(LossReport(100 * step, draws, {"a": loss, "b": math.nan}))
    rows = policy._history.arrays(policy.domains, policy._last)
    assert policy._fit(rows, policy._now)[2] == "only 1 reports with a measured loss so far"
    averaged = dataclasses.replace(rows, count=np.array([1.0, 5.0, 1.0]))
    assert policy._fit(averaged, policy._now)[2] == "only 5 reports with a measured loss so far"
