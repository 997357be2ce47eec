"""What comes from outside is made plain or refused in one sentence, before anything changes; what is kept is JSON."""

import json
import math

import numpy as np
import pytest

from policies import BadReport, BadSetup, Domain, LossReport, available_policies, load_policy, make_policy
from policies.records import Interval, check_mixture

DOMAINS = [Domain("a", pool=100), Domain("b", pool=300)]
HUGE = 10**400  # a whole number that no float holds


def policy(name="uniform", domains=DOMAINS, budget=1_000, **setup):
    return make_policy(name, domains, budget, **{"interval": 100, **setup})


def report(position, lr_sum=None, loss=1.0):
    return LossReport(position, {"a": position / 2, "b": position / 2}, {"a": loss, "b": loss}, lr_sum=lr_sum)


@pytest.mark.parametrize(
    ("setup", "message"),
    [
        ({"budget": HUGE}, "budget is too large"),
        ({"budget": 1e308}, "budget is 1e.308; .* at most 1e.18"),
        ({"budget": True}, "budget is True"),
        ({"budget": np.array(1_000)}, r"budget is array\(1000\)"),
        ({"interval": None}, "interval is None"),
        ({"seed": "x"}, "seed is 'x'"),
        ({"seed": None}, "seed is None"),
        ({"seed": True}, "seed is True"),
        ({"seed": 1.5}, "seed is 1.5; it must be a whole number"),
        ({"seed": math.nan}, "seed is nan"),
        ({"objective": None}, "objective is None; known: mean_log"),
        ({"objective": np.array(["mean_log"])}, "objective is array"),
        ({"name": 5}, "policy is 5"),
        ({"name": ["uniform"]}, r"policy is \['uniform'\]"),
        ({"targets": ["a"]}, r"targets is \['a'\]"),
        ({"targets": {"a": 1e308, "b": 1e308}}, "weight of target 'a' is 1e.308"),
        ({"targets": {"a": HUGE}}, "weight of target 'a' is too large"),
        ({"targets": {"a": True}}, "weight of target 'a' is True"),
        ({"targets": {1: 1.0}}, "targets has the name 1"),
        ({"baseline": np.array([0.5, 0.5])}, "the mixture is array"),
        ({"baseline": {"a": "0.5", "b": 0.5}}, "share of 'a' is '0.5'"),
        ({"baseline": {"a": True, "b": False}}, "share of 'a' is True"),
        ({"baseline": {"a": None, "b": 1.0}}, "share of 'a' is None"),
        ({"baseline": {"a": np.array(0.5), "b": np.array(0.5)}}, r"share of 'a' is array\(0.5\)"),
        ({"baseline": {"a": 1e308, "b": 1e308}}, "share of 'a' is 1e.308"),
        ({"baseline": {1: 1.0}}, "unknown domain '1'"),
        ({"name": "fixed", "weights": 5}, "the mixture is 5"),
        ({"lr_plan": 5}, "lr_plan is 5"),
        ({"lr_plan": [1, 2]}, r"lr_plan is \[1, 2\]"),
        ({"lr_plan": [[0, 0], "ab"]}, "a number of lr_plan is 'a'"),
        ({"lr_plan": [[0, HUGE]]}, "too large"),
        ({"lr_plan": [[-5, 0], [3, 1]]}, "lr_plan holds -5"),
        ({"domains": None}, "domains is None"),
        ({"domains": "ab"}, "domains holds 'a'; each must be a Domain"),
        ({"domains": [None]}, "domains holds None"),
        ({"name": "transfer_law", "pace": HUGE}, "option pace of 'transfer_law' is too large"),
        ({"name": "transfer_law", "sweeps": 1e9}, "option sweeps is 1000000000.0; more than 10 sweeps"),
        ({"name": "transfer_law", "optimism": 1.5}, r"option optimism is 1.5; it must lie in \[0, 1\]"),
        ({"name": "transfer_law", "alarms": 0.5}, "option alarms is 0.5; it must be a whole number"),
        ({"name": "aioli", "eta": True}, "option eta of 'aioli' is True"),
    ],
)
def test_a_setup_of_wrong_types_is_refused_in_one_sentence(setup, message):
    with pytest.raises(BadSetup, match=message) as caught:
        policy(**setup)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["1", True, HUGE, np.array(1), np.array([1.0, 2.0]), [1], math.nan, -1])
@pytest.mark.parametrize("field", ["pool", "cost", "max_epochs", "min_share", "max_share"])
def test_a_domain_takes_numbers_only(field, value):
    with pytest.raises(BadSetup, match=f"{field} of 'z' is "):
        Domain(**{"name": "z", field: value})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pool": 1.5}, "pool of 'z' is 1.5; it must be a whole number"),
        ({"pool": 1e308}, "pool of 'z' is 1e.308"),
        ({"cost": None}, "cost of 'z' is None"),
        ({"group": 5}, "group of 'z' is 5"),
    ],
)
def test_a_domain_that_cannot_be(fields, message):
    with pytest.raises(BadSetup, match=message):
        Domain("z", **fields)


@pytest.mark.parametrize("body", [{"name": "z", "pol": 1}, {"pool": 1}])
def test_a_domain_from_json_with_wrong_fields(body):
    with pytest.raises(BadSetup, match="its fields are"):
        Domain.from_dict(body)


def test_numbers_of_other_libraries_are_made_plain_at_the_door():
    domains = [Domain("a", np.int64(100), np.float32(1.5), np.float32(2), np.float32(0), np.int64(1)), Domain("b", 3e2)]
    given = {
        "targets": {"a": np.float32(1)},
        "baseline": {"a": np.float32(0.5), "b": np.float32(0.5)},
        "seed": np.int64(3),
        "pace": np.float32(20),
    }
    running = policy("transfer_law", domains, np.float32(1_000), interval=np.int64(100), **given)
    running.observe(LossReport(100, {"a": 50, "b": 50}, {"a": 1.0}))
    state = json.loads(json.dumps(running.dump(), allow_nan=False))
    assert load_policy(state).dump() == running.dump()
    assert type(domains[0].pool) is int
    assert type(domains[1].pool) is int
    assert type(state["setup"]["seed"]) is int


def test_a_mixture_comes_back_as_plain_numbers():
    assert {type(share) for share in check_mixture({"a": np.float32(0.5), "b": np.float64(0.5)}).values()} == {float}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"draws": {"a": "1"}}, "draws of 'a' is '1'"),
        ({"draws": {"a": HUGE}}, "draws of 'a' is too large"),
        ({"draws": {"a": 1e308}}, "draws of 'a' is 1e.308"),
        ({"draws": 5}, "draws is 5"),
        ({"eval_loss": {"a": True}}, "eval_loss of 'a' is True"),
        ({"grad_dot": {"a": 5}}, "grad_dot of 'a' is 5"),
        ({"lr_sum": 1e308}, "lr_sum is 1e.308"),
        ({"eval_losses": {}}, "has no field 'eval_losses'"),
    ],
)
def test_a_report_from_json_is_not_mended_silently(body, message):
    with pytest.raises(BadReport, match=message):
        LossReport.from_dict({"position": 1, "draws": {"a": 1}, "eval_loss": {"a": 1}, **body})


def test_a_report_needs_its_fields():
    with pytest.raises(BadReport, match="draws is missing"):
        LossReport.from_dict({"position": 1})
    with pytest.raises(BadReport, match="report is 5"):
        LossReport.from_dict(5)
    with pytest.raises(BadReport, match="send a LossReport"):
        policy().observe({"position": 1})


@pytest.mark.parametrize("name", ["uniform", "transfer_law"])
@pytest.mark.parametrize("merged", [False, True])
def test_a_sum_of_rates_that_falls_over_a_gap_is_refused(name, merged):
    """The report in between says nothing of the rate; or is said to only by a second one at the same position."""
    running = policy(name)
    for position, lr_sum in ((100, 1.0), (200, 3.0), (300, None)):
        running.observe(report(position, lr_sum))
    running = load_policy(json.loads(json.dumps(running.dump())))
    before = running.dump()
    with pytest.raises(BadReport, match="lr_sum fell from 3 to 2"):
        running.observe(report(300 if merged else 400, 2.0))
    assert running.dump() == before
    running.observe(report(300 if merged else 400, 3.0))


@pytest.mark.parametrize("name", ["uniform", "transfer_law"])
def test_a_domain_that_comes_back_goes_on_from_what_it_had_given(name):
    """Though no report in between spoke of it, and a dump lay in between."""
    running = policy(name)
    running.observe(report(100))
    running.update_domains(100, DOMAINS[:1])
    running.observe(LossReport(200, {"a": 150.0}, {"a": 1.0}))
    running.update_domains(200, DOMAINS)
    running = load_policy(json.loads(json.dumps(running.dump())))
    assert running.dump()["left"] == {"b": 50.0}
    before = running.dump()
    with pytest.raises(BadReport, match="draws of 'b' fell from 50 when it left to 20 at 300"):
        running.observe(LossReport(300, {"a": 200.0, "b": 20.0}, {"a": 1.0, "b": 1.0}))
    assert running.dump() == before
    running.observe(LossReport(300, {"a": 200.0, "b": 100.0}, {"a": 1.0, "b": 1.0}))
    assert running.dump()["left"] == {}


@pytest.mark.parametrize("name", available_policies())
def test_losses_at_the_ends_of_what_a_number_holds_leave_json(name):
    running = policy(name, budget=3_000)
    for step in range(1, 16):
        losses = {"a": 1e308 if step % 2 else 1e-308, "b": 5e-324}
        draws = {"a": 50.0 * step, "b": 50.0 * step}
        running.observe(LossReport(100 * step, draws, losses, eval_sem={"a": 1e308, "b": 1.0}))
    state = json.loads(json.dumps(running.dump(), allow_nan=False))
    assert load_policy(state).dump() == running.dump()


def test_an_end_beyond_all_numbers_is_null():
    assert Interval(1e308, 1.0, math.inf).to_dict() == {"mean": 1e308, "low": 1.0, "high": None}
