"""Manners shared by all policies: bad setups and reports are refused in one clear sentence."""

import dataclasses
import json
import math

import numpy as np
import pytest

from policies import BadReport, BadSetup, Domain, LossReport, load_policy, make_policy
from policies.bounds import pour

DOMAINS = [Domain("ct", pool=900), Domain("mr", pool=300), Domain("pet")]


def policy(name="uniform", **setup):
    return make_policy(name, DOMAINS, 1_000, **{"interval": 100, **setup})


def report(position=100, loss=1.0, **draws):
    base = {"ct": position / 3, "mr": position / 3, "pet": position / 3}
    return LossReport(position, {**base, **draws}, dict.fromkeys(base, loss))


@pytest.mark.parametrize(
    ("setup", "message"),
    [
        ({"name": "unifrom"}, "did you mean 'uniform'"),
        ({"interval": 2_000}, "interval is 2000 draws, more than the budget of 1000"),
        ({"interval": 0}, "interval is 0"),
        ({"interval": math.nan}, "interval is nan"),
        ({"interval": "7"}, "interval is '7'"),
        ({"objective": "mean_logs"}, "did you mean 'mean_log'"),
        ({"targets": {}}, "targets is empty"),
        ({"targets": {"ct": -1.0}}, "weight of target 'ct' is -1.0"),
        ({"targets": {"ct": "much"}}, "weight of target 'ct' is 'much'"),
        ({"baseline": {"ct": 1.0}}, "domain 'mr' is missing"),
        ({"baseline": {"ct": 1.5, "mr": -0.5, "pet": 0.0}}, "share of 'mr' is -0.5"),
        ({"lr_plan": [[0, 0], [0, 1]]}, "positions must increase"),
        ({"lr_plan": [[0, 0], [math.nan, 1]]}, "lr_plan holds nan"),
        ({"lr_plan": [[0, 0, 0]]}, "must be pairs"),
        ({"temper": 1}, "has no option 'temper'"),
        ({"name": "fixed", "weight": 1}, "did you mean 'weights'"),
    ],
)
def test_bad_setup_names_value_and_cure(setup, message):
    with pytest.raises(BadSetup, match=message):
        policy(**setup)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: report(200, ct=10.0), "draws of 'ct' fell from 33.3333 at position 100 to 10"),
        (lambda: report(100, ct=34.0), "position 100 was reported with draws of 'ct' = 33.3333"),
        (lambda: report(50), "send reports in order"),
        (lambda: report(1_100), "beyond the budget of 1000"),
        (lambda: report(200, loss=-1.0), "eval_loss of 'ct' is -1.0; .* send a positive form"),
        (lambda: report(200, loss=math.inf), "eval_loss of 'ct' is inf"),
        (lambda: report(200, mrx=1.0), "unknown domain 'mrx' .did you mean 'mr'"),
    ],
)
def test_bad_report_leaves_the_policy_as_it_was(bad, message):
    running = policy()
    running.observe(report(100))
    before = running.dump()
    with pytest.raises(BadReport, match=message):
        running.observe(bad())
    assert running.dump() == before


def test_decision_applies_from_the_next_interval_on():
    running = policy()
    running.observe(report(150))
    assert running.propose().position == 200


def test_later_values_fill_gaps_but_never_overwrite():
    running = policy()
    first = report(100, loss=1.0).to_dict()
    first["eval_loss"]["ct"] = None
    running.observe(LossReport.from_dict(first))
    running.observe(report(100, loss=2.0))
    assert running.dump()["last"]["eval_loss"] == {"ct": 2.0, "mr": 1.0, "pet": 1.0}


def test_constant_mixtures():
    assert policy("uniform").propose().weights == pytest.approx({"ct": 1 / 3, "mr": 1 / 3, "pet": 1 / 3})
    assert policy("proportional").propose().weights == pytest.approx({"ct": 3 / 7, "mr": 1 / 7, "pet": 3 / 7})
    weights = {"ct": 0.2, "mr": 0.3, "pet": 0.5}
    assert policy("fixed", weights=weights).propose().weights == weights


def test_uniform_respects_bounds():
    domains = [Domain("a", max_share=0.1), Domain("b", min_share=0.6), Domain("c")]
    weights = make_policy("uniform", domains, 100, interval=10).propose().weights
    assert weights == pytest.approx({"a": 0.1, "b": 0.6, "c": 0.3})


def test_domain_that_joins_gets_a_part_and_one_that_leaves_gives_its_part():
    running = policy("fixed", weights={"ct": 0.5, "mr": 0.25, "pet": 0.25})
    running.observe(report(100))
    running.update_domains(100, [*DOMAINS[:2], Domain("us")])
    assert running.propose().weights == pytest.approx({"ct": 4 / 9, "mr": 2 / 9, "us": 1 / 3})
    assert load_policy(running.dump()).propose() == running.propose()
    with pytest.raises(BadReport, match="unknown domain 'pet'"):
        running.observe(report(200))


@pytest.mark.parametrize("name", ["uniform", "transfer_law"])
def test_no_policy_draws_more_than_max_epochs(name):
    domains = [Domain("ct"), Domain("mr"), Domain("pet", pool=50, max_epochs=3)]
    running = make_policy(name, domains, 1_200, interval=100)
    draws = dict.fromkeys(("ct", "mr", "pet"), 0.0)
    for position in range(100, 1_201, 100):
        weights = running.propose().weights
        draws = {name: value + 100 * weights[name] for name, value in draws.items()}
        running.observe(LossReport(position, draws, dict.fromkeys(draws, 1 / position**0.3)))
    assert draws["pet"] == pytest.approx(150.0) or draws["pet"] < 150.0
    assert draws["ct"] == pytest.approx(draws["mr"], rel=0.5)


def test_caps_that_cannot_be_met_are_said():
    domains = [Domain("ct", pool=50, max_epochs=1), Domain("mr", pool=50, max_epochs=0.5)]
    decision = make_policy("uniform", domains, 1_000, interval=100).propose()
    assert decision.binding == ("max_epochs cannot be met",)
    assert decision.weights == {"ct": 0.5, "mr": 0.5}


@pytest.mark.parametrize(
    ("shares", "most", "poured"),
    [
        ({"a": 0.5, "b": 0.3, "c": 0.2}, {"a": 0.1, "b": 9.0, "c": 9.0}, {"a": 0.1, "b": 0.54, "c": 0.36}),
        ({"a": 0.5, "b": 0.3, "c": 0.2}, {"a": 0.1, "b": 0.4, "c": 9.0}, {"a": 0.1, "b": 0.4, "c": 0.5}),
        ({"a": 1.0, "b": 0.0}, {"a": 0.25, "b": 1.0}, {"a": 0.25, "b": 0.75}),
    ],
)
def test_what_a_cap_takes_goes_to_the_others(shares, most, poured):
    assert pour(shares, most) == pytest.approx(poured)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"position": math.nan}, "position is nan"),
        ({"position": "1"}, "position is '1'"),
        ({"draws": {"ct": None}}, "draws of 'ct' is None"),
        ({"draws": {"ct": 10**400}}, "draws of 'ct' is too large"),
        ({"draws": None}, "draws is None"),
        ({"eval_loss": {"ct": "1"}}, "eval_loss of 'ct' is '1'"),
        ({"eval_loss": {3: 1.0}}, "eval_loss has the name 3"),
        ({"grad_dot": 5}, "grad_dot is 5"),
        ({"grad_dot": {"ct": {"mr": None}}}, "grad_dot of 'ct' of 'mr' is None"),
    ],
)
def test_a_report_that_holds_no_numbers_is_refused_in_one_sentence(fields, message):
    with pytest.raises(BadReport, match=message):
        LossReport(**{"position": 1, "draws": {"ct": 1.0}, "eval_loss": {"ct": 1.0}, **fields})


def test_numbers_of_other_libraries_are_kept_as_plain_ones():
    running = policy("transfer_law")
    base = {"ct": np.float32(30), "mr": np.int64(30), "pet": 30}
    loss = dict.fromkeys(base, np.float32(1))
    running.observe(LossReport(np.int64(100), base, loss, lr_sum=np.float32(1), grad_dot={"ct": {"mr": np.float32(1)}}))
    assert load_policy(json.loads(json.dumps(running.dump()))).dump() == running.dump()


def test_a_plan_of_learning_rates_may_be_an_array():
    plan = [[0.0, 0.0], [500.0, 1.0], [1000.0, 1.5]]
    assert policy(lr_plan=np.array(plan)).lr_plan == plan
    assert policy(lr_plan=np.array(plan)).dump() == policy(lr_plan=plan).dump()


def test_huge_gradient_products_do_not_stop_a_policy():
    running = policy("transfer_law")
    row = {"ct": 1.2e154, "mr": 1.2e154, "pet": 0.0}
    running.observe(dataclasses.replace(report(100), grad_dot={"ct": row}))
    running.observe(report(200))
    assert running.propose().position == 200


def test_gradient_products_split_by_missing_values_are_merged():
    rows = {"ct": {"ct": 3.0, "mr": 1.0, "pet": 1.0}, "mr": {"ct": 1.0, "mr": 3.0, "pet": 1.0}}
    gone = dict.fromkeys(rows["ct"], math.nan)
    whole, split = policy("transfer_law"), policy("transfer_law")
    whole.observe(dataclasses.replace(report(100), grad_dot=rows))
    split.observe(dataclasses.replace(report(100), grad_dot={**rows, "mr": gone}))
    split.observe(dataclasses.replace(report(100), grad_dot={**rows, "ct": gone}))
    assert split.dump() == whole.dump()


@pytest.mark.parametrize("position", [-500, math.nan, 5_000, "x"])
def test_domains_that_change_at_no_position_leave_the_policy_as_it_was(position):
    running = policy()
    before = running.dump()
    with pytest.raises(BadSetup):
        running.update_domains(position, [Domain("ct")])
    assert running.dump() == before


def test_an_error_within_a_policy_leaves_it_as_it_was(monkeypatch):
    running = policy()
    running.observe(report(100))
    before = running.dump()
    with monkeypatch.context() as patch:
        patch.setattr(type(running), "_decide", lambda self, position: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            running.observe(report(200))
    assert running.dump() == before
    running.observe(report(200))
    assert running.propose().position == 200


def test_what_a_cap_leaves_over_keeps_the_largest_shares():
    domains = [Domain("a", max_share=0.4), Domain("b", pool=10, max_epochs=1), Domain("c")]
    weights = make_policy("uniform", domains, 2_500, interval=100).propose().weights
    assert weights == pytest.approx({"a": 0.4, "b": 0.1, "c": 0.5})


@pytest.mark.parametrize(("name", "field"), [("transfer_law", "baseline"), ("fixed", "weights")])
def test_a_given_mixture_is_moved_within_the_bounds(name, field):
    domains = [Domain("a", max_share=0.5), Domain("b"), Domain("c", min_share=0.1)]
    setup = {field: {"a": 0.9, "b": 0.1, "c": 0.0}}
    weights = make_policy(name, domains, 2_500, interval=100, **setup).propose().weights
    assert weights["a"] <= 0.5 + 1e-12
    assert weights["c"] >= 0.1 - 1e-12


def test_a_cap_holds_where_reports_come_between_boundaries():
    """The first mixture is drawn up to 100 and uses the pool up; a later decision does not give what is gone."""
    running = make_policy("uniform", [Domain("a", pool=10, max_epochs=1), Domain("b")], 1_000, interval=100)
    assert running.propose().weights["a"] == pytest.approx(0.1)
    for position in (50, 75):
        drawn = {"a": 0.1 * position, "b": 0.9 * position}
        running.observe(LossReport(position, drawn, dict.fromkeys(drawn, 1.0)))
        running = load_policy(running.dump())
        assert running.propose().position == 100
        assert running.propose().weights["a"] == pytest.approx(0.0, abs=1e-12)
