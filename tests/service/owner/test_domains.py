"""Domains that join, leave or grow in mid-run, and the schedule that comes of it."""

from __future__ import annotations

import pytest

from policies import BadReport, BadSetup, Domain, LossReport
from service.journal import Journal
from service.owner import Owner, Schedules
from tests.service.owner.conftest import NAMES, make_report, make_spec

WIDER = [Domain("ct"), Domain("mr"), Domain("pet"), Domain("us", pool=50)]


def begin(journal: Journal, **options: object) -> Owner:
    journal.create("run", make_spec(**options).to_dict())
    owner = Owner(journal, "run")
    owner.start()
    return owner


def test_one_change_however_often_it_is_asked_and_the_same_after_a_restart(journal: Journal) -> None:
    owner = begin(journal)
    owner.decide(make_report(60))
    first = owner.set_domains(WIDER)
    assert first.reason == "domains changed"
    assert first.weights["us"] == pytest.approx(0.25)
    assert owner.set_domains(WIDER).replayed
    back = Owner(journal, "run")
    assert back.set_domains(WIDER).weights == first.weights
    assert [event.position for event in journal.events("run", kinds=["domains"])] == [60]
    draws = {**dict.fromkeys(NAMES, 40.0), "us": 10.0}
    report = make_report(160).to_dict() | {"draws": draws, "eval_loss": {**dict.fromkeys(NAMES, 1.0), "us": 3.0}}
    decided = back.decide(type(make_report(1)).from_dict(report))
    assert set(decided.weights) == {*NAMES, "us"}
    replayed = Owner(journal, "run")
    assert replayed._student.policy.dump() == back._student.policy.dump()


def test_a_domain_that_comes_back_with_fewer_draws_is_refused_and_leaves_no_trace(journal: Journal) -> None:
    owner = begin(journal, policy="uniform")
    owner.decide(make_report(60))
    owner.set_domains([Domain("ct"), Domain("mr")])
    without = make_report(160).to_dict() | {"draws": {"ct": 80.0, "mr": 60.0}, "eval_loss": {"ct": 1.0, "mr": 1.0}}
    owner.decide(LossReport.from_dict(without))
    owner.set_domains([Domain(name) for name in NAMES])
    back, before = Owner(journal, "run"), [event.kind for event in journal.events("run")]
    fewer = make_report(200).to_dict() | {"draws": {"ct": 100.0, "mr": 80.0, "pet": 10.0}}
    with pytest.raises(BadReport, match="draws of 'pet' fell from 20 when it left to 10 at 200"):
        back.decide(LossReport.from_dict(fewer))
    assert [event.kind for event in journal.events("run")] == before


def test_killed_between_the_change_and_its_decision(journal: Journal) -> None:
    owner = begin(journal)
    owner.decide(make_report(60))
    epoch = journal.open("run")
    body = {"domains": [domain.to_dict() for domain in WIDER]}
    journal.append("run", "domains", body, epoch=epoch, position=60)
    back = Owner(journal, "run")
    decision = back.set_domains(WIDER)
    assert not decision.replayed
    assert set(decision.weights) == {*NAMES, "us"}
    assert len(journal.events("run", kinds=["domains"])) == 1


def test_paused_the_shares_are_carried_over(journal: Journal) -> None:
    owner = begin(journal)
    owner.decide(make_report(60))
    owner.set_mode("pause")
    decision = owner.set_domains(WIDER)
    assert decision.reason == "paused"
    assert decision.weights == pytest.approx({"ct": 0.1875, "mr": 0.375, "pet": 0.1875, "us": 0.25})


@pytest.mark.parametrize(
    ("domains", "position", "words"),
    [
        ([], None, "no domain was given"),
        ([Domain("ct"), Domain("ct")], None, "given twice"),
        (WIDER, 30, "give one from the last report at 60"),
        (WIDER, 4000, "to the budget of 400"),
        ([Domain("ct", max_share=0.2), Domain("us", max_share=0.2)], None, "max"),
        ([Domain("mr"), Domain("us")], None, "pin names an unknown domain 'ct'"),
    ],
)
def test_what_cannot_be_leaves_no_trace(
    journal: Journal, domains: list[Domain], position: int | None, words: str
) -> None:
    owner = begin(journal, pin={"ct": 0.3})
    owner.decide(make_report(60))
    before = journal.head("run")
    with pytest.raises(BadSetup, match=words):
        owner.set_domains(domains, position=position)
    assert journal.head("run") == before


def test_the_schedule_follows_decisions_domains_and_rewinds(journal: Journal) -> None:
    owner, schedules = begin(journal), Schedules(journal)
    assert len(schedules.read("run").stages) == 1
    owner.decide(make_report(60, "mr"))
    owner.decide(make_report(90, "pet"))
    at = schedules.read("run").stage_at(100)
    assert (at.position, at.weights["pet"]) == (100, 0.5), "the newest decision for a boundary holds"
    owner.decide(make_report(160, "mr"))
    owner.set_domains(WIDER)
    wide = schedules.read("run")
    assert wide.domains == (*NAMES, "us")
    assert [stage.weights["us"] for stage in wide.stages] == [0, 0, pytest.approx(0.25)]
    assert wide == Schedules(journal).read("run")
    owner.rewind(90)
    assert schedules.read("run") == Schedules(journal).read("run")
    assert schedules.read("run").domains == NAMES
    assert schedules.read("run").stages[-1].position == 100
