"""The records' JSON form is a contract with programs outside: examples of it are kept as a file."""

import importlib.util
import json
import math
from pathlib import Path

import pytest

from policies import Decision, Domain, LossReport, MixtureSchedule

HERE = Path(__file__).parent
RECORDS = {record.__name__: record for record in (Domain, LossReport, Decision, MixtureSchedule)}
EXAMPLES = json.loads((HERE / "records.json").read_text())


def renewer():
    spec = importlib.util.spec_from_file_location("renew", HERE / "renew.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("name", "body"), [(name, body) for name in EXAMPLES for body in EXAMPLES[name]])
def test_example_reads_and_writes_back(name, body):
    assert RECORDS[name].from_dict(body).to_dict() == body


def test_every_record_has_an_example_and_the_file_is_what_the_code_writes():
    assert set(EXAMPLES) == set(RECORDS)
    assert renewer().records() == EXAMPLES


def test_null_means_not_measured():
    report = LossReport.from_dict(EXAMPLES["LossReport"][0])
    assert math.isnan(report.eval_loss["pet"])
    assert not math.isnan(report.eval_loss["ct"])


@pytest.mark.parametrize("name", ["own_law", "transfer_law"])
def test_decisions_of_a_recorded_run(name):
    """The same reports give the same decisions: run `renew.py` where a change is meant."""
    recorded = json.loads((HERE / "decisions.json").read_text())[name]
    for was, now in zip(recorded, renewer().decisions(name), strict=True):
        assert (now["position"], now["reason"]) == (was["position"], was["reason"])
        assert now["weights"] == pytest.approx(was["weights"], abs=2e-4)
