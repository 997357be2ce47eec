"""One rule for the names of domains, wherever a new one comes in; what was recorded stays readable."""

from __future__ import annotations

import json
import pickle

import pytest

from policies import BadSetup, Domain, load_policy, make_policy
from policies.records import RecordedName, check_domains
from policies.records.names import LONGEST_NAME


@pytest.mark.parametrize("name", ["ct", "CT-1.5_b", "1", "a" * LONGEST_NAME, "no", "x_low"])
def test_names_that_will_do(name: str) -> None:
    assert Domain(name).name == name


@pytest.mark.parametrize(
    "name",
    ["", "a" * (LONGEST_NAME + 1), "a b", "a/b", "ä", "ct\n", "\nct", ".ct", "-a", "a%", "a:b", "\uff11", "ct\x00"],
)
def test_names_that_will_not(name: str) -> None:
    with pytest.raises(BadSetup, match=r"domain name is|will not do; use 1 to 64 letters"):
        Domain(name)
    with pytest.raises(BadSetup, match="domain name is 5"):
        Domain(5)  # type: ignore[arg-type]


def test_the_sentence_has_the_length_and_is_short() -> None:
    with pytest.raises(BadSetup, match=r"'a{40}\.\.\.' \(250 characters\) will not do") as caught:
        Domain("a" * 250)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("ct", "ct_low"), "'ct' and 'ct_low' cannot stand together: the series predicted_final/ct_low is the low end"),
        (("ct_high", "mr", "ct"), "'ct' and 'ct_high' cannot stand together"),
        (("ct", "CT_LOW"), "'ct' and 'CT_LOW' cannot stand together"),
        (("CT", "ct"), "'CT' and 'ct' differ by case alone"),
        (("a", "a_low", "a_low_high"), "'a' and 'a_low'"),
    ],
)
def test_pairs_that_would_share_a_series(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(BadSetup, match=message):
        make_policy("uniform", [Domain(name) for name in names], 100, interval=10)


def test_alone_an_ending_is_no_trouble() -> None:
    assert len(check_domains([Domain("ct_low"), Domain("ct_high"), Domain("ct_lower"), Domain("mr")])) == 4


def test_what_was_recorded_is_read_and_goes_on() -> None:
    """A store from before the rule: its policy is loaded, reports nothing wrong, and may change its pools."""
    body = {"pool": 5, "cost": 1.0, "max_epochs": None, "min_share": 0.0, "max_share": 1.0, "group": None}
    domains = [Domain.from_dict({"name": name, **body}) for name in ("CT brain/ü", "ct", "ct_low", "b" * 90)]
    policy = make_policy("uniform", domains, 100, interval=10)
    copy = load_policy(json.loads(json.dumps(policy.dump())))
    assert (
        copy.propose().weights
        == policy.propose().weights
        == dict.fromkeys(["CT brain/ü", "ct", "ct_low", "b" * 90], 0.25)
    )
    copy.update_domains(10, [*copy.domains, Domain("mr")])
    assert isinstance(pickle.loads(pickle.dumps(domains[0])).name, RecordedName)
    with pytest.raises(BadSetup, match="'ct' and 'ct_high' cannot stand together"):
        copy.update_domains(20, [*copy.domains, Domain("ct_high")])
