"""When is probed, who is in front together, and how long a plateau is waited out."""

import pytest

from policies import Domain, LossReport, make_policy
from policies.transfer_law.probing import on_plateau, plan_probes, probe_mixture


def test_plateau_is_waited_out():
    policy = make_policy("transfer_law", [Domain("a"), Domain("b")], 10_000, interval=200)
    for position in range(200, 1_001, 200):
        half = {"a": position / 2, "b": position / 2}
        policy.observe(LossReport(position, half, {"a": 1.0, "b": 1.0}))
        assert policy.propose().weights == {"a": 0.5, "b": 0.5}
    assert policy.propose().reason == "burn-in"
    assert on_plateau([100, 200, 400], [0.0, -0.001, -0.002], 0.02)
    assert not on_plateau([100, 200, 400], [0.0, -0.1, -0.2], 0.02)


def test_a_plateau_is_left_behind_when_the_fall_after_it_slows_down():
    positions = [100.0 * 2**k for k in range(7)]
    falls = [0.0, 0.01, 0.4, 0.9, 0.5, 0.3]  # of the mean log loss, while the position doubles
    levels = [0.0, *(-sum(falls[: k + 1]) for k in range(6))]
    waits = [on_plateau(positions[:k], levels[:k], 0.08) for k in range(1, 8)]
    assert waits == [False, True, True, True, True, False, False]
    steady = [-0.2 * k for k in range(7)]
    assert not any(on_plateau(positions[:k], steady[:k], 0.08) for k in range(1, 8)), "a power law is no plateau"
    late = [on_plateau(positions[:k], levels[:k], 0.08, first=500.0) for k in range(1, 8)]
    assert late == [False] * 7, "what is slow while the learning rate comes up is none"


def test_short_runs_probe_less():
    full = plan_probes("abcde", first=400, budget=10_000, interval=200, until=0.2, sweeps=2)
    assert full.order == tuple((name,) for name in "abcdeedcba")
    assert (full.block, full.sweep) == (1, 5)
    assert [full.once(position) for position in (400, 1_399, 1_400, 2_399, 2_400)] == [False, False, True, True, False]
    single = plan_probes("abcdefg", first=400, budget=6_000, interval=200, until=0.2, sweeps=2)
    assert single.order == tuple((name,) for name in "abcdefg")
    none = plan_probes("abcdefg", first=400, budget=2_000, interval=200, until=0.2, sweeps=2)
    assert none.order == ()


def test_the_first_sweep_is_short():
    arguments = {"first": 400, "budget": 10_000, "interval": 200, "until": 0.2, "sweeps": 2, "groups": 3}
    plan = plan_probes("abcde", **arguments)
    assert plan.order == (("a", "b"), ("c", "d"), ("e",), ("e",), ("d",), ("c",), ("b",), ("a",))
    assert [plan.once(position) for position in (800, 1_000, 1_999, 2_000)] == [False, True, True, False]
    assert plan.shown(400) == {}, "nobody has been in front before the first block"
    assert plan.shown(600) == {"a": 2, "b": 2}
    assert plan.shown(1_400) == {"a": 2, "b": 2, "c": 2, "d": 1, "e": 1}
    assert plan_probes("abc", **arguments).order == tuple((name,) for name in "abccba"), "no shorter than three blocks"
    many = plan_probes([f"d{k:02}" for k in range(20)], **arguments)
    assert [len(group) for group in many.order] == [7, 7, 6] + [2] * 10
    assert many.end <= 0.34 * 10_000
    cramped = plan_probes("abcdefg", **{**arguments, "budget": 6_000})
    assert [len(group) for group in cramped.order] == [3, 3, 1, 1, 2, 2, 2], "no room for each alone"


def test_sweeps_that_begin_late_are_cut_short():
    plan = plan_probes("abcde", first=6_000, budget=10_000, interval=100, until=0.2, sweeps=2, groups=3, origin=6_000)
    assert (len(plan.order), plan.sweep, plan.end) == (8, 3, 6_800)
    assert plan.until(7_000).order == plan.order
    assert plan.until(6_550).end == 6_500
    assert plan.until(6_300).order == plan.order[:3]
    assert plan.until(6_299).order == (), "less than one sweep tells nothing"


def test_many_domains_are_probed_in_groups_that_tell_them_apart():
    names = [f"d{k:02}" for k in range(20)]
    plan = plan_probes(names, first=800, budget=20_000, interval=400, until=0.2, sweeps=2)
    assert plan.end <= 0.34 * 20_000
    sweeps = plan.order[: plan.sweep], plan.order[plan.sweep :]
    for sweep in sweeps:
        assert sorted(name for group in sweep for name in group) == names
    together = [{frozenset((a, b)) for group in sweep for a in group for b in group if a != b} for sweep in sweeps]
    assert not together[0] & together[1], "no two domains are in front together twice"
    mixture = probe_mixture(plan.order[0], dict.fromkeys(names, 0.05), [Domain(name) for name in names], 0.8)
    assert mixture["d00"] == pytest.approx(0.01 + 0.8 / len(plan.order[0]))
    assert sum(mixture.values()) == pytest.approx(1.0)
