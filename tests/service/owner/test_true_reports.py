"""A report that cannot be true is refused before anything of it is kept, and the right one after it is taken."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from policies import BadReport, LossReport
from service.journal import Journal
from service.owner import Owner
from tests.service.owner.conftest import NAMES, make_report, make_spec


def begin(journal: Journal, mode: str = "act") -> Owner:
    journal.create("run", make_spec(mode=mode).to_dict())
    owner = Owner(journal, "run")
    owner.start()
    return owner


def counted(position: int, draws: float, **more: Any) -> LossReport:
    """`draws` from each domain."""
    return dataclasses.replace(make_report(position), draws=dict.fromkeys(NAMES, draws), **more)


WRONG = [
    (None, counted(10, 2_000 / 3), "the draws sum to 2000 at position 10.*steps of 200 samples"),
    (60, counted(160, 100.0), "the draws sum to 300 at position 160"),
    (60, counted(160, 100 / 3), "sum to 100 at position 160.*40 more than at 60.*counted since the last report"),
    (200, counted(300, 201 / 3), "1 more than at 200, while position moved on by 100.*counted since the last report"),
    (None, counted(400, 2.0), "sum to only 6 at position 400"),
    (60, counted(160, 160 / 3, train_count={"ct": 53.3}), "train_count of 'ct' is 53.3"),
    (60, counted(160, 160 / 3, lr_sum=3e-4), "lr_sum is 0.0003 at position 160 as it was at 60"),
    (60, counted(160, 160 / 3, eval_loss=dict.fromkeys(NAMES, 1e300)), r"eval_loss of 'ct' is 1e\+300.*1e-12 and 1e"),
    (60, counted(160, 160 / 3, train_loss={"mr": 1e-30}), "train_loss of 'mr' is 1e-30"),
]


@pytest.mark.parametrize("mode", ["act", "pause"])
@pytest.mark.parametrize(("before", "wrong", "said"), WRONG)
def test_nothing_of_it_stays_and_the_right_one_is_taken(
    journal: Journal, mode: str, before: int | None, wrong: LossReport, said: str
) -> None:
    owner = begin(journal, mode)
    if before is not None:
        owner.decide(counted(before, before / 3, lr_sum=3e-4))
    events = journal.events("run")
    for asked in (owner.decide, lambda report: owner.hold(report, "no time")):
        with pytest.raises(BadReport, match=said):
            asked(wrong)
    assert journal.events("run") == events
    right = counted(wrong.position, wrong.position / 3, lr_sum=6e-4)
    assert not owner.decide(right).replayed
    assert owner.decide(make_report(400)).replayed == (wrong.position == 400)
    assert "fit_failed" not in [event.kind for event in journal.events("run")]


def test_a_learning_rate_that_has_come_to_nought_is_no_fault(journal: Journal) -> None:
    owner = begin(journal)
    for position, lr_sum in ((60, 0.1), (160, 0.2), (260, 0.2), (360, 0.2)):
        owner.decide(counted(position, position / 3, lr_sum=lr_sum))


def test_what_an_older_version_accepted_is_learnt_from_as_before(journal: Journal) -> None:
    owner = begin(journal)
    false = counted(60, 60.0)
    journal.append("run", "report", false.to_dict(), epoch=owner._epoch, position=60, once="report:60")
    again = Owner(journal, "run")
    assert again.decide(false).detail == "from 1 reports"
    assert again.decide(make_report(260)).detail == "from 2 reports"
