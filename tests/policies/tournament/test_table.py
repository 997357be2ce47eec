"""Figures of hand-made cells, whose answers are known by hand."""

import dataclasses
import json
import math

import numpy as np
import pytest

from policies.tournament import CellResult, goals, make_table
from policies.tournament.ahead import law_figures, spearman
from policies.tournament.calibration import calibration
from policies.tournament.figures import figures, worst_mean
from policies.tournament.paired import advantage, differences
from policies.tournament.resample import rate
from policies.tournament.static import judge_split, split_sizes, static_figures

CELL = CellResult(
    policy="transfer_law", world="hubs", K=5, seed=0, noise=0.01, score=-0.3, uniform=0.0, proportional=0.2,
    oracle=-0.4, adaptive=None, has_gap=True, left_baseline=True, probing=0.1, worst_target=0.05, plan30=None,
    seconds=2.0, refits=30,
)  # fmt: skip


def cell(**values):
    return dataclasses.replace(CELL, **values)


def rng():
    return np.random.default_rng(7)


def test_shares_are_ratios_of_sums_not_means_of_ratios():
    found = figures([cell(), cell(seed=1, score=0.0, oracle=-0.1)], rng())
    assert found.closed.mean == pytest.approx(0.3 / 0.5)
    assert found.closed_proportional.mean == pytest.approx((0.5 + 0.2) / (0.6 + 0.3))
    assert found.loss.mean == pytest.approx(-0.15)
    assert found.regret.mean == pytest.approx(0.1)
    assert found.gap == pytest.approx(0.25)
    assert found.closed.low <= found.closed.mean <= found.closed.high
    assert math.isnan(found.closed_adaptive.mean)


def test_the_moving_oracle_has_a_share_of_its_own():
    assert figures([cell(adaptive=-0.6)], rng()).closed_adaptive.mean == pytest.approx(0.5)


def test_harm_counts_only_beyond_the_margin():
    losses = [0.0019, 0.0021, 0.05, -0.2]
    found = figures([cell(seed=i, score=loss, proportional=0.03) for i, loss in enumerate(losses)], rng())
    assert found.harm.mean == 0.5
    assert found.harm_proportional.mean == 0.25
    assert found.worst5 == 0.05


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"), [(0, 20, 0.0, 0.1684), (1, 20, 0.0013, 0.2487), (3, 3, 0.2924, 1.0)]
)
def test_clopper_pearson_as_tabulated(hits, n, low, high):
    found = rate([True] * hits + [False] * (n - hits))
    assert (found.mean, found.low, found.high) == pytest.approx((hits / n, low, high), abs=1e-4)


def test_the_worst_twentieth_is_rounded_up():
    assert worst_mean(np.arange(41.0)) == pytest.approx((40 + 39 + 38) / 3)
    assert math.isnan(worst_mean(np.array([])))


def test_overall_counts_each_world_once_and_caps_it():
    cells = [cell(seed=i) for i in range(3)]  # 0.75
    cells += [cell(world="beaten", score=-0.8)]  # twice the gap: counts as 1
    cells += [cell(world="flat", has_gap=False, score=0.01, oracle=-1e-6)]
    table = make_table(cells, rng=rng())
    over = table.over("transfer_law")
    assert over.closed.mean == pytest.approx((0.75 + 1) / 2)
    assert over.worlds == 3
    assert (over.harmed, over.harm.mean) == ("flat", 1.0)
    assert over.loss == pytest.approx((-0.3 - 0.8 + 0.01) / 3)
    assert math.isnan(table.row("transfer_law", "flat").closed.mean)


def test_rows_by_noise_and_by_number_of_domains():
    table = make_table([cell(), cell(noise=0.003, score=-0.4), cell(K=8, score=0.0)], rng=rng())
    assert table.row("transfer_law", "hubs").closed.mean == pytest.approx(0.7 / 1.2)
    assert table.row("transfer_law", "hubs", noise=0.003).closed.mean == pytest.approx(1)
    assert table.row("transfer_law", "hubs", K=8).closed.mean == 0
    assert table.row("transfer_law", "hubs", K=12) is None
    assert table.over("transfer_law", 0.01).closed.mean == pytest.approx(0.3 / 0.8)


def test_pairs_are_made_of_the_same_cells_only():
    ours = [cell(seed=i, score=-0.1 * i) for i in range(4)]
    rival = [cell(policy="odm", seed=i, score=-0.1 * i - 0.02) for i in (1, 2)] + [cell(policy="odm", seed=9)]
    rival += [cell(policy="odm", seed=3, noise=0.003)]
    by_world = differences(rival, ours)
    assert by_world["hubs"] == pytest.approx([0.02, 0.02])
    over, single = advantage({**by_world, "flat": np.array([-0.06, -0.06])}, rng())
    assert (over.mean, over.low, over.high) == pytest.approx((-0.02,) * 3)
    assert single["flat"].mean == pytest.approx(-0.06)


def plan(low, high, truth, **more):
    names = [f"d{i}" for i in range(len(truth))]
    predicted = {name: {"mean": 1.0, "low": low, "high": high} for name in names}
    return {"predicted": predicted, "truth": dict(zip(names, truth, strict=True)), "gain": None,
            "truth_gain": None, "ahead": [], **more}  # fmt: skip


def test_coverage_is_by_run_and_width_by_medians():
    gain = {"mean": 0.1, "low": 0.0, "high": 0.2}
    cells = [
        cell(plan30=plan(0.9, 1.1, [1.0, 1.05, 1.2], gain=gain, truth_gain=0.1)),
        cell(seed=1, plan30=plan(0.9, 1.1, [1.01], gain=gain, truth_gain=0.3)),
        cell(seed=2),
    ]
    found = calibration(cells, rng())
    assert (found.runs, found.intervals) == (2, 4)
    assert found.coverage.mean == pytest.approx((2 / 3 + 1) / 2)
    assert found.width == pytest.approx(math.log(1.1 / 0.9))
    assert found.error == pytest.approx((math.log(1.05) + math.log(1.01)) / 2)
    assert found.gain.mean == 0.5
    assert calibration(cells[2:], rng()) is None


def test_a_plan_that_keeps_the_baseline_claims_no_gain():
    nothing = {"mean": 0.0, "low": 0.0, "high": 0.0}
    found = calibration([cell(plan30=plan(0.9, 1.1, [1.0], gain=nothing, truth_gain=0.0))], rng())
    assert math.isnan(found.gain.mean)


def ahead(target, factor, law, truth, own=0.0):
    return {
        "target": target,
        "factor": factor,
        "law": law,
        "low": law - 0.1,
        "high": law + 0.1,
        "own": own,
        "truth": truth,
    }


def test_laws_are_judged_within_a_domain_and_against_own_power_laws():
    rows = [ahead("a", 2, -0.1, -0.1), ahead("a", 4, -0.2, -0.3), ahead("b", 2, -0.5, -0.5), ahead("b", 4, -0.7, -0.7)]
    rows += [ahead("c", 2, -0.9, -0.6)]
    every, two, four = law_figures([cell(plan30={"ahead": rows})], rng())
    assert every.error == pytest.approx((0.1 + 0.3) / 5)
    assert every.own_error == pytest.approx((0.1 + 0.3 + 0.5 + 0.7 + 0.6) / 5)
    assert every.r2 == pytest.approx((1 - 0.01 / 0.02 + 1) / 2)  # a: 0.5, b: 1, c has one budget only
    assert every.coverage.mean == pytest.approx(4 / 5)
    assert (two.factor, two.rank) == (2, pytest.approx(1))
    assert math.isnan(four.rank)  # two targets have no rank worth the name
    assert law_figures([cell()], rng()) == ()
    assert spearman(np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])) == pytest.approx(-1)


def test_a_hidden_world_without_uniform_or_oracle_still_has_a_row():
    nan = math.nan
    hidden = cell(world="hidden", uniform=nan, proportional=nan, oracle=nan, worst_target=nan, noise=nan, seconds=None)
    table = make_table([hidden, dataclasses.replace(hidden, seed=1)], rng=rng())
    found = table.row("transfer_law", "hidden")
    assert (found.cells, found.seconds) == (2, None)
    assert math.isnan(found.closed.mean)
    assert math.isnan(found.harm.mean)
    json.dumps(table.to_dict(), allow_nan=False)


def test_goals_are_told_when_missed():
    rivals = [cell(policy="own_law", seed=i, score=-0.35) for i in range(5)]
    table = make_table([*(cell(seed=i) for i in range(5)), *rivals], rng=rng())
    found = {goal.asked.split(":")[0]: goal for goal in goals(table)}
    assert not found["hubs at 1 % noise"].reached
    assert found["hubs at 1 % noise"].found == "0.750 and 0.833"
    assert found["all worlds with a gap, each once and capped at 1"].reached
    assert not found["no rival has a paired advantage over all worlds whose 95 % interval lies above 0"].reached
    assert not found["beats own_law on hubs with a 95 % interval above 0"].reached
    assert goals(make_table(rivals, rng=rng())) == ()


def test_the_same_cells_give_the_same_table_whatever_was_drawn_before():
    cells = [cell(seed=i, score=-0.1 * i) for i in range(4)]
    assert make_table(cells, rng=rng()).to_dict() == make_table(cells, rng=rng()).to_dict()


def test_new_mixtures_are_judged_on_runs_that_were_not_fitted():
    shares = np.random.default_rng(0).dirichlet(np.ones(3), 60)
    losses = 0.5 + (shares @ np.array([[1.0, 0.3, 0.1], [0.1, 1.0, 0.1], [0.3, 0.1, 1.0]]) + 0.05) ** -0.3
    names = ("a", "b", "c")
    splits = [judge_split(shares, losses, names, names, runs=30, seed=seed) for seed in (0, 1)]
    assert all(split.error < 0.02 and split.rank > 0.95 for split in splits)
    (row,) = static_figures(splits, rng())
    assert (row.runs, row.splits) == (30, 2)
    assert row.error.mean == pytest.approx((splits[0].error + splits[1].error) / 2)
    assert splits[0] != splits[1]
    assert split_sizes(60) == (34,)
    assert split_sizes(512) == (34, 64, 256)


def test_one_run_alone_has_no_interval():
    table = make_table([cell(), cell(policy="odm")], rng=rng())
    for value in (table.row("odm", "hubs").closed, table.over("odm").closed, table.over("odm").advantage):
        assert math.isfinite(value.mean)
        assert math.isnan(value.low)
        assert math.isnan(value.high)
