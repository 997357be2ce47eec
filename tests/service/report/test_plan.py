"""`isthmus plan`: what the laws say of other budgets, and where they should not be trusted."""

from __future__ import annotations

import io
import json
import math

import numpy as np
import pytest
from rich.console import Console

from policies import BadSetup, Domain
from policies.records import Interval
from service.journal import Journal
from service.plan import plan
from service.plan.collect import addition, advice
from service.plan.plan import caution

from .conftest import BUDGET, NAMES, truth


def test_the_plan_for_the_budget_that_was_run_is_near_the_truth(told: Journal) -> None:
    row = plan(told, "demo", [BUDGET]).rows[0]
    assert sum(row.weights.values()) == pytest.approx(1)
    losses = truth([BUDGET * row.weights[n] for n in NAMES])[0]
    for name, loss in zip(NAMES, losses, strict=True):
        assert row.predicted[name].low * 0.97 < loss < row.predicted[name].high * 1.03
    even = truth(np.full(len(NAMES), BUDGET / len(NAMES)))[0]
    assert row.gain.low - 0.01 < float(np.mean(np.log(even) - np.log(losses))) < row.gain.high + 0.01
    assert max(row.weights, key=lambda n: row.weights[n]) == "epi"
    assert row.caution == ""


def test_losses_fall_with_the_budget_and_intervals_widen_beyond_what_was_seen(told: Journal) -> None:
    rows = plan(told, "demo", [BUDGET, 4 * BUDGET, 40 * BUDGET]).rows
    for name in NAMES:
        means = [row.predicted[name].mean for row in rows]
        widths = [math.log(row.predicted[name].high / row.predicted[name].low) for row in rows]
        assert means == sorted(means, reverse=True)
        assert widths[0] < widths[1] < widths[2]


def test_far_budgets_are_called_what_they_are() -> None:
    assert caution(9600, 9600) == ""
    assert "an extrapolation" in caution(30_000, 9600)
    assert "a guess" in caution(200_000, 9600)


def test_a_new_run_is_planned_not_the_rest_of_this_one(told: Journal) -> None:
    assert plan(told, "demo", [BUDGET // 2]).rows[0].budget == BUDGET // 2  # less than was spent already


def test_a_small_pool_that_is_drawn_on_is_worth_more_of(told: Journal) -> None:
    collect = plan(told, "demo", [4 * BUDGET]).rows[0].collect
    assert collect[0].domain == "pet"  # the smallest pool, and nothing else helps pet
    assert collect[0].sure
    assert collect[0].words().startswith("80 more distinct pet draws would lower the mean loss by ")


def test_advice_is_in_percent_and_ranked_by_the_worth_of_a_draw() -> None:
    domains = [Domain("ct", pool=100_000), Domain("pet", pool=500), Domain("us")]
    values = {"ct": Interval(4e-6, 2e-6, 7e-6), "pet": Interval(1e-5, 0, 2e-5), "us": Interval(1, 1, 1)}
    said = advice(values, domains, "mean_log")
    assert [a.domain for a in said] == ["pet", "ct"]  # an endless pool is not collected for
    assert said[1].words() == "1,000 more distinct ct draws would lower the mean loss by 0.4 % [0.2, 0.7]"
    assert not said[0].sure


@pytest.mark.parametrize(("pool", "extra"), [(1, 1), (400, 80), (900, 100), (5000, 1000), (10**6, 1000)])
def test_the_addition_is_round_and_small_beside_the_pool(pool: int, extra: int) -> None:
    assert addition(pool) == extra


def test_the_price_of_a_pool_is_what_a_larger_pool_changes(told: Journal) -> None:
    row = plan(told, "demo", [4 * BUDGET]).rows[0]
    found = next(a for a in row.collect if a.domain == "pet")
    assert 0 < found.value.low <= found.value.mean <= found.value.high


def test_json_and_table_tell_the_same(told: Journal) -> None:
    table = plan(told, "demo", [BUDGET, 30 * BUDGET])
    body = json.loads(json.dumps(table.to_dict(), allow_nan=False))
    assert [row["budget"] for row in body["rows"]] == [BUDGET, 30 * BUDGET]
    assert body["rows"][0]["weights"] == dict(table.rows[0].weights)
    screen = Console(file=io.StringIO(), width=160)
    screen.print(table.render())
    text = screen.file.getvalue()  # type: ignore[attr-defined]
    assert f"{body['rows'][0]['predicted']['epi']['mean']:.3f}" in text
    assert "a guess" in text
    assert body["rows"][0]["collect"][0]["words"] in text


def test_a_run_without_a_law_cannot_be_planned_from(told: Journal) -> None:
    with pytest.raises(BadSetup, match="policy 'uniform': its policy has fitted no law"):
        plan(told, "plain", [BUDGET])


@pytest.mark.parametrize(("budgets", "cure"), [([], "name at least one"), ([0], ">= 1"), ([-5], ">= 1")])
def test_budgets_that_make_no_sense(told: Journal, budgets: list[int], cure: str) -> None:
    with pytest.raises(BadSetup, match=cure):
        plan(told, "demo", budgets)


def test_another_objective_may_be_asked_for(told: Journal) -> None:
    table = plan(told, "demo", [BUDGET], objective="worst_excess")
    assert table.objective == "worst_excess"
    with pytest.raises(BadSetup, match="objective is 'best'"):
        plan(told, "demo", [BUDGET], objective="best")
