"""The owner answers once, in order, durably, and whatever the policy does training gets a mixture."""

from __future__ import annotations

import dataclasses
import math
import threading
from typing import Any

import pytest

from policies import BadReport, BadSetup
from service.journal import Fenced, Journal, decision_of
from service.owner import Owner
from tests.service.owner.conftest import NAMES, Scripted, make_report, make_spec


def begin(journal: Journal, **options: Any) -> Owner:
    journal.create("run", make_spec(**options).to_dict())
    return Owner(journal, "run")


def kinds(journal: Journal) -> list[str]:
    return [event.kind for event in journal.events("run", active=True)]


def test_report_is_journaled_before_the_fit_and_the_decision_before_the_answer(journal: Journal) -> None:
    owner = begin(journal)
    assert owner.start().reason == "start"
    decision = owner.decide(make_report(60))
    assert (decision.position, decision.reason, decision.weights["mr"]) == (100, "refit", 0.5)
    assert kinds(journal) == ["allocation", "decision", "report", "decision"]
    stored = journal.find("run", "decision:60")
    assert stored is not None
    assert decision_of(stored) == decision
    assert stored.body["meta"]["report"] == 60
    assert stored.body["meta"]["seconds"] >= 0


def test_a_position_is_answered_once(journal: Journal) -> None:
    owner = begin(journal)
    first = owner.decide(make_report(60))
    again = owner.decide(make_report(60, scale=1.001))
    assert again == dataclasses.replace(first, replayed=True)
    assert kinds(journal).count("differs") == 1
    assert Scripted.fits == [60]
    changed = dataclasses.replace(make_report(60), draws={"ct": 21.0, "mr": 20.0, "pet": 20.0})
    with pytest.raises(BadReport, match=r"'ct'.*send the same draws"):
        owner.decide(changed)


def test_missing_losses_may_be_filled_later(journal: Journal) -> None:
    owner = begin(journal)
    report = make_report(60)
    gap = dataclasses.replace(report, eval_loss={**report.eval_loss, "pet": math.nan})
    owner.decide(gap)
    owner.decide(report)
    owner.decide(report)
    assert kinds(journal).count("report") == 2
    assert "differs" not in kinds(journal)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (dataclasses.replace(make_report(60), draws={"ct": 1.0}), "'mr' is missing"),
        (dataclasses.replace(make_report(60), draws={**make_report(60).draws, "xray": 1.0}), "unknown domain 'xray'"),
        (make_report(30), "send reports in order"),
        (dataclasses.replace(make_report(160), draws=make_report(20).draws), "fell from"),
        (make_report(500), "beyond the budget"),
    ],
)
def test_a_bad_report_leaves_no_trace(journal: Journal, bad: Any, message: str) -> None:
    owner = begin(journal)
    owner.decide(make_report(50))
    before = kinds(journal)
    with pytest.raises(BadReport, match=message):
        owner.decide(bad)
    assert kinds(journal) == before


def test_a_failing_fit_keeps_the_mixture_and_says_why(journal: Journal) -> None:
    owner = begin(journal, break_at=[160])
    before = owner.decide(make_report(60))
    kept = owner.decide(make_report(160, worst="ct"))
    assert kept.reason == "kept: fit failed"
    assert kept.detail == "ZeroDivisionError: the law has no slope"
    assert (kept.position, kept.weights) == (200, before.weights)
    after = owner.decide(make_report(260, worst="ct"))
    assert (after.reason, after.detail) == ("refit", "from 2 reports")
    assert "fit_failed" in kinds(journal)


def test_restored_owner_decides_like_one_that_never_stopped(journal: Journal, tmp_path: Any) -> None:
    reports = [make_report(60, "ct"), make_report(160, "mr"), make_report(260, "pet"), make_report(360, "ct")]
    owner = begin(journal, break_at=[160])
    undisturbed = [owner.decide(report) for report in reports]
    with Journal(f"sqlite:///{tmp_path / 'other.db'}") as other:
        begin(other, break_at=[160])
        disturbed = [Owner(other, "run").decide(report) for report in reports]
        assert disturbed == undisturbed
        assert [Owner(other, "run").decide(report) for report in reports] == [
            dataclasses.replace(decision, replayed=True) for decision in undisturbed
        ]
        assert other.snapshot("run") == journal.snapshot("run")


def test_replay_without_any_dump_gives_the_same_decisions(journal: Journal) -> None:
    owner = begin(journal)
    for position in (60, 160, 260):
        owner.decide(make_report(position))
    expected = owner._student.policy.dump()
    with journal._engine.begin() as connection:
        connection.exec_driver_sql("delete from snapshots")
    again = Owner(journal, "run")
    again._student.catch_up()
    assert again._student.policy.dump() == expected


def test_dump_of_another_version_is_no_obstacle(journal: Journal) -> None:
    owner = begin(journal)
    for position in (60, 160):
        owner.decide(make_report(position))
    with journal._engine.begin() as connection:
        connection.exec_driver_sql("update snapshots set state = '{}'")
    assert Owner(journal, "run").decide(make_report(260)).detail == "from 3 reports"


def test_report_without_decision_is_taken_up_again(journal: Journal) -> None:
    """As after a kill between the journal and the fit."""
    owner = begin(journal)
    owner._reports.record(make_report(60), None, owner._student.policy)
    decision = Owner(journal, "run").decide(make_report(60, scale=3))
    assert (decision.reason, decision.replayed) == ("refit", False)
    assert kinds(journal) == ["allocation", "report", "differs", "decision"]


def test_hold_does_not_wait_for_a_fit_and_is_the_decision(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = begin(journal)
    first = owner.decide(make_report(60))
    gate = threading.Event()
    monkeypatch.setattr(Scripted, "gate", gate)
    late: list[Any] = []
    thread = threading.Thread(target=lambda: late.append(owner.decide(make_report(160, "ct"))))
    thread.start()
    while len(Scripted.fits) < 2:
        thread.join(0.01)
    assert owner.status()["position"] == 160
    held = owner.hold(make_report(160, "ct"), "no answer within 120 s")
    assert (held.reason, held.position, held.weights) == ("hold", 200, first.weights)
    gate.set()
    thread.join(20)
    assert late == [dataclasses.replace(held, replayed=True)]
    assert owner.decide(make_report(260, "ct")).detail == "from 3 reports"


def test_hold_after_the_decision_gives_the_decision(journal: Journal) -> None:
    owner = begin(journal)
    decision = owner.decide(make_report(60))
    assert owner.hold(make_report(60), "late") == dataclasses.replace(decision, replayed=True)


def test_held_report_is_learnt_from_later(journal: Journal) -> None:
    owner = begin(journal)
    owner.hold(make_report(60), "the owner was away")
    assert owner.decide(make_report(160)).detail == "from 2 reports"
    assert Scripted.fits == [60, 160]


def test_advise_refits_and_records_but_keeps_the_mixture(journal: Journal) -> None:
    owner = begin(journal, mode="advise")
    assert owner.start().weights == pytest.approx(dict.fromkeys(NAMES, 1 / 3))
    decision = owner.decide(make_report(60))
    assert decision.reason == "advise"
    assert decision.weights == pytest.approx(dict.fromkeys(NAMES, 1 / 3))
    stored = journal.find("run", "decision:60")
    assert stored is not None
    assert stored.body["meta"]["advice"]["weights"]["mr"] == 0.5
    owner.set_mode("act")
    assert owner.decide(make_report(160)).weights["mr"] == 0.5


def test_pause_keeps_reports_for_later(journal: Journal) -> None:
    owner = begin(journal)
    owner.set_mode("pause")
    assert owner.decide(make_report(60)).reason == "paused"
    assert Scripted.fits == []
    owner = Owner(journal, "run")
    owner.set_mode("act")
    assert owner.decide(make_report(160)).detail == "from 2 reports"


def test_pinned_share_is_met_and_the_rest_follows_the_policy(journal: Journal) -> None:
    owner = begin(journal)
    owner.set_mode("act", {"pet": 0.7})
    weights = owner.decide(make_report(60)).weights
    assert weights == pytest.approx({"ct": 0.1, "mr": 0.2, "pet": 0.7})
    with pytest.raises(BadSetup, match=r"unknown domain 'pte' .did you mean 'pet'"):
        owner.set_mode("act", {"pte": 0.7})
    with pytest.raises(BadSetup, match=r"-0\.1; shares must lie in"):
        owner.set_mode("act", {"pet": -0.1})
    with pytest.raises(BadSetup, match="did you mean 'advise'"):
        owner.set_mode("advice")


def test_rewind_decides_anew_from_there(journal: Journal) -> None:
    owner = begin(journal)
    for position in (60, 160, 260):
        owner.decide(make_report(position, "ct"))
    owner.rewind(100, "older checkpoint")
    decision = owner.decide(make_report(160, "pet"))
    assert (decision.replayed, decision.weights["pet"], decision.detail) == (False, 0.5, "from 2 reports")
    assert owner.status()["attempt"] == 1
    assert journal.verify("run") == len(journal.events("run"))


def test_only_the_newest_owner_writes(journal: Journal) -> None:
    older = begin(journal)
    newer = Owner(journal, "run")
    with pytest.raises(Fenced):
        older.decide(make_report(60))
    with pytest.raises(Fenced):
        older.note("checkpoint", 60, {})
    assert newer.decide(make_report(60)).reason == "refit"


def test_notes_are_kept_and_may_not_pose_as_decisions(journal: Journal) -> None:
    owner = begin(journal)
    owner.note("checkpoint", 60, {"file": "ckpt-60", "score": math.nan})
    event = journal.last("run", ["checkpoint"])
    assert event is not None
    assert (event.position, event.body) == (60, {"file": "ckpt-60", "score": None})
    with pytest.raises(ValueError, match="choose another kind"):
        owner.note("decision", 60, {})


def test_policy_that_answers_nonsense_is_a_failed_fit(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = begin(journal)
    fine = Scripted._decide

    def nonsense(self: Scripted, position: int) -> Any:
        return dataclasses.replace(fine(self, position), weights={"ct": 1.0})

    monkeypatch.setattr(Scripted, "_decide", nonsense)
    decision = owner.decide(make_report(60))
    assert (decision.reason, set(decision.weights)) == ("kept: fit failed", set(NAMES))


def test_a_hold_that_training_acted_on_alone_becomes_the_decision(journal: Journal) -> None:
    owner = begin(journal)
    owner.decide(make_report(60))
    uniform = dict.fromkeys(NAMES, 1 / 3)
    owner.note("hold", 100, {"report": 60, "weights": uniform, "why": "the owner was away", "applied": True})
    again = Owner(journal, "run").decide(make_report(60))
    assert (again.reason, again.weights, again.replayed) == ("hold", uniform, True)
    assert owner_in_force(journal) == uniform


def test_quarantined_volumes_shrink_the_pool_the_policy_plans_with(journal: Journal) -> None:
    owner = begin(journal)
    owner.decide(make_report(60))
    for _ in range(2):  # a restart says it again
        owner.note("quarantine", 200, {"domains": {"mr": {"volumes": [{"name": "a"}], "pool": 700}}})
    owner.decide(make_report(160))
    assert [domain.pool for domain in owner._student.policy.domains] == [1000, 700, 1000]
    assert kinds(journal).count("domains") == 1


def owner_in_force(journal: Journal) -> Any:
    return Owner(journal, "run")._in_force()
