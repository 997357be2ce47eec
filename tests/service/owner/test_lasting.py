"""An allocation that a run trains and a person steers through the service."""

from __future__ import annotations

import pytest

from policies import BadReport
from service.journal import Fenced, Journal
from service.owner import Owner
from service.owner.lasting import LastingOwner
from tests.service.owner.conftest import make_report, make_spec


def test_what_a_person_sets_is_in_force_at_the_next_decision(journal: Journal) -> None:
    journal.create("run", make_spec().to_dict())
    training = LastingOwner(journal, "run")
    training.ask(lambda owner: owner.start())
    before = training.ask(lambda owner: owner.decide(make_report(60)))
    assert before.weights["ct"] != pytest.approx(0.5)

    Owner(journal, "run").set_mode("act", {"ct": 0.5})
    after = training.ask(lambda owner: owner.decide(make_report(160)))
    assert after.weights["ct"] == pytest.approx(0.5)
    journal.verify("run")


def test_two_that_take_turns_decide_as_one_would(journal: Journal) -> None:
    for name in ("alone", "both"):
        journal.create(name, make_spec().to_dict())
    alone, first, second = (LastingOwner(journal, name) for name in ("alone", "both", "both"))
    for turn, position in enumerate(range(60, 400, 100)):
        asked = first if turn % 2 else second
        expected = alone.ask(lambda owner, at=position: owner.decide(make_report(at)))
        assert asked.ask(lambda owner, at=position: owner.decide(make_report(at))) == expected
    assert len(journal.events("both", kinds=["report"])) == len(journal.events("alone", kinds=["report"])) == 4


def test_what_is_wrong_stays_wrong(journal: Journal) -> None:
    journal.create("run", make_spec().to_dict())
    training = LastingOwner(journal, "run")
    training.ask(lambda owner: owner.decide(make_report(160)))
    other = Owner(journal, "run")
    with pytest.raises(BadReport, match="send reports in order"):
        training.ask(lambda owner: owner.decide(make_report(60)))
    with pytest.raises(Fenced):
        other.set_mode("act")
