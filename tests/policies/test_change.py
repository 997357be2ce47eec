"""Domains that change or join in mid-run: noticed, said, probed anew."""

import math

import numpy as np
import pytest

from policies import Domain, LossReport, load_policy, make_policy, make_world
from policies.history import FIRST, Since
from policies.tournament.rollout import hold
from policies.transfer_law.change import BAR, CLIP, DRIFT, Forecast, Watch
from policies.transfer_law.state import State

NAMES = ("ct", "mr", "pet")


def watch_over(z: np.ndarray) -> list[tuple[str, ...]]:
    """Alarms of a watch over standardised residuals (N, 3), each report forecast anew."""
    watch, alarms = Watch(), []
    for step, row in enumerate(z):
        flat = dict.fromkeys(NAMES, 0.0)
        ahead = Forecast(100.0 * step, 100.0 * (step + 1), flat, flat, dict.fromkeys(NAMES, 0.01))
        losses = {name: math.exp(0.01 * value) for name, value in zip(NAMES, row, strict=True)}
        report = LossReport(100 * (step + 1), dict.fromkeys(NAMES, 1.0), losses)
        watch, alarm = Watch(watch.above, watch.below, ahead).seen(report)
        alarms.append(alarm)
    return alarms


def test_a_jump_is_noticed_at_the_second_report_and_only_where_it_is():
    z = np.zeros((6, 3))
    z[:, 1] = 20.0  # clipped, so that one bad report alone is no change
    steps = math.ceil(BAR / (CLIP - DRIFT))
    assert steps == 2
    assert watch_over(z)[: steps - 1] == [()] * (steps - 1)
    assert watch_over(z)[steps - 1] == ("mr",)
    assert watch_over(-z)[steps - 1] == ("mr",)


def test_noise_misfit_and_missing_values_raise_no_alarm():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((3000, 3))
    z[:, 0] += 3  # a curve of another shape than the law's
    assert not any(watch_over(z))
    z[:, 2] = np.nan
    assert not any(watch_over(z))


def test_all_targets_at_once_are_the_schedule_not_the_data():
    assert not any(watch_over(np.full((6, 3), -10.0)))


def follow(world, policy):
    """Decisions of a policy through a world, and whether a copy decides alike after every report."""
    known, decisions = world.domains, []
    while world.position < world.budget:
        decisions.append(policy.propose())
        policy.observe(world.advance(decisions[-1].weights, world.interval))
        if world.domains != known:
            known = world.domains
            policy.update_domains(world.position, known)
        copy = load_policy(policy.dump())
        assert copy.propose() == policy.propose()
        policy = copy
    return decisions


def led_through(seed, **options):
    """`drift_change` led by `transfer_law` to its end, the decisions, and the same world under uniform."""
    world = make_world("drift_change", 5, seed=seed, noise=0.01)
    uniform = world.fresh()
    hold(uniform, lambda domains: {domain.name: 1 / len(domains) for domain in domains}, uniform.budget)
    policy = make_policy("transfer_law", world.domains, world.budget, interval=world.interval, **options)
    return world, follow(world, policy), uniform


@pytest.mark.timeout(300)
def test_a_hub_that_stops_giving_is_noticed_and_does_no_harm():
    world, decisions, uniform = led_through(2001)
    at = world.spec.changes[0]
    before, after = ([d for d in decisions if (d.position < at) is side] for side in (True, False))
    assert max(d.weights["d4"] for d in before) > 0.5  # the hub was found ...
    assert any(d.reason == "probe" and "as the loss of d4 has changed" in d.detail for d in after)  # ... and its change
    assert world.score() < uniform.score() + 0.002


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("products", "later"), [(0, 0.15), (1, 0.1)])  # gradient products show it sooner
def test_a_hub_that_fades_without_a_jump_is_noticed_and_named(products, later):
    world, decisions, uniform = led_through(8001, products=products)
    said = [d for d in decisions if "draws of d0 have given others about" in d.detail]
    assert max(d.weights["d0"] for d in decisions if d.reason == "refit") > 0.4, "it was raised ..."
    assert world.spec.changes[0] < said[0].position <= world.spec.changes[0] + later * world.budget
    assert all(d.weights["d0"] <= 0.21 for d in decisions[-10:]), "... and is no more"
    assert world.score() < uniform.score() + 0.002


def test_own_law_which_never_probes_may_lead_again_after_a_change():
    world = make_world("drift_change", 5, seed=8002, noise=0.01)
    policy = make_policy("own_law", world.domains, world.budget, interval=world.interval)
    decisions = []
    while world.position < world.budget:
        decisions.append(policy.propose())
        policy.observe(world.advance(decisions[-1].weights, world.interval))
    assert policy.dump()["state"]["now"]["changed"] == "the loss of d2 has changed"
    assert any(d.reason == "refit" for d in decisions if d.position > world.spec.changes[0] + 3 * world.interval)


def test_a_state_of_before_hubs_could_fade_is_read():
    old = State(None, 600, {"ct": 1.0}, False, 3, 4_000, alarms=1).to_dict()
    del old["left"]
    read = State.from_dict({**old, "since": 4_000, "changed": ["ct", "mr"]})
    assert (read.since, read.changed, read.left) == (Since(4_000, {}, 0.0), "the loss of ct, mr has changed", None)
    assert State.from_dict({**old, "since": 0, "changed": []}).since == FIRST
    assert State.from_dict(read.to_dict()) == read


def fronts(joins_after: int) -> list[str]:
    """Who is in front at each of 29 intervals ("" for nobody) when `us` joins after so many reports."""
    domains, interval = [Domain(name) for name in NAMES], 100
    policy, draws = make_policy("transfer_law", domains, 40 * interval, interval=interval), dict.fromkeys(NAMES, 0.0)
    probes = []
    for step in range(1, 30):
        decision = policy.propose()
        probes.append(decision.detail.split()[0] if decision.reason == "probe" else "")
        draws = {name: draws.get(name, 0.0) + share * interval for name, share in decision.weights.items()}
        losses = {name: 0.2 + (value / 100 + 1) ** -0.4 for name, value in draws.items()}
        policy.observe(LossReport(step * interval, dict(draws), losses))
        if step == joins_after:
            policy.update_domains(step * interval, [*domains, Domain("us")])
    return probes


def test_a_domain_that_joins_is_probed():
    probes = fronts(joins_after=20)
    assert "us" not in probes[:20]
    assert "us" in probes[20:]
    assert not {"ct", "mr", "pet"} & set(probes[20:])


def test_a_domain_that_joins_among_the_sweeps_does_not_end_them():
    probes = fronts(joins_after=4)
    assert {"ct", "mr"} <= set(probes[:4])
    assert {"pet", "us"} <= set(probes[4:])
