"""What a person reads while a run goes on."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import pytest

from policies import Decision, Domain, LossReport
from service.journal import Event, Journal
from service.owner import Owner, Spec
from service.pretrain.console import Console
from service.pretrain.lines import duration, event_line, report_line, status_line
from service.pretrain.watch import Watch

UNIFORM = {"mr": 0.5, "ct": 0.5}


def answer(decision: Decision, **meta: Any) -> Event:
    return Event(3, "run", 0, True, "decision", 60, decision.to_dict() | {"meta": {"report": 60, **meta}}, 0.0, "")


def report(position: int = 60, mr: float = 1.25) -> LossReport:
    half = position / 2
    return LossReport(position, {"mr": half, "ct": half}, {"mr": mr, "ct": 0.5})


def test_one_line_tells_position_losses_mixture_refit_reason_and_time_left() -> None:
    decision = Decision(100, {"mr": 0.7, "ct": 0.3}, "refit", detail="ends 4 % lower", refit=2)
    line = report_line(report(), answer(decision, seconds=0.42), 400, Decision(0, UNIFORM, "start"), 75.0)
    assert line == (
        "60/400 15% | loss mr 1.25 ct 0.5 | new mix from 100 mr 70% ct 30% | refit 2 (0.4 s) refit: ends 4 % lower | "
        "75 s left"
    )


def test_what_was_said_is_not_said_again() -> None:
    kept = Decision(100, UNIFORM, "hold", detail="no answer within 120 s")
    line = report_line(report(mr=math.nan), answer(kept), 400, kept, None)
    assert line == "60/400 15% | loss mr ? ct 0.5 | mix mr 50% ct 50% | no refit hold"


def test_times_are_in_the_unit_a_person_uses() -> None:
    assert [duration(seconds) for seconds in (5, 600, 7200, math.nan)] == ["5 s", "10 min", "2.0 h", "?"]


def test_trouble_is_said_and_routine_is_not() -> None:
    body = {"domains": {"mr": {"volumes": [{"name": "ab/c.nii", "cause": "cut short"}], "pool": 3}}}
    told = event_line(Event(1, "run", 0, True, "quarantine", 200, body, 0.0, ""))
    assert told == "draw 200: left out from here on: ab/c.nii of 'mr' (cut short)"
    assert event_line(Event(1, "run", 0, True, "checkpoint", 200, {}, 0.0, "")) is None
    back = event_line(Event(1, "run", 0, True, "resumed", 1_200, {"workers": 2}, 0.0, ""))
    assert back == "draw 1,200: 2 workers go on from the checkpoint here"


def test_status_of_a_run_that_just_began() -> None:
    assert status_line({"position": 0, "budget": 400, "seconds_left": None, "train_loss": {"mr": None}}).startswith(
        "draw 0"
    )


def test_log_file_gets_whole_lines_only() -> None:
    out = io.StringIO()
    console = Console(out)
    console.status("moving")
    for done in range(1, 101):
        console.progress(done, 100, "looking")
    console.line("done")
    text = out.getvalue()
    assert "\r" not in text
    assert text.splitlines()[-1] == "done"
    assert len(text.splitlines()) == 11


@pytest.fixture
def journal(tmp_path: Path) -> Any:
    with Journal(f"sqlite:///{tmp_path / 'journal.db'}") as journal:
        journal.create("run", Spec((Domain("mr"), Domain("ct")), 400, 100, policy="uniform").to_dict())
        yield journal


def test_watch_tells_every_report_even_the_last_moment(journal: Journal, tmp_path: Path) -> None:
    out = io.StringIO()
    owner = Owner(journal, "run")
    owner.start()
    owner.decide(report(60))
    with Watch(journal, "run", str(tmp_path), 400, Console(out), lambda: None):
        owner.decide(report(160))
        owner.note("skipped", 170, {"steps": 1})
        owner.decide(report(260))
    lines = out.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["160/400", "draw", "260/400"]
    assert "mix mr 50% ct 50%" in lines[0]


def test_watch_that_cannot_read_does_not_raise(journal: Journal, tmp_path: Path) -> None:
    def broken() -> None:
        raise OSError("gone")

    with Watch(journal, "run", str(tmp_path), 400, Console(io.StringIO()), broken) as watch:
        watch._stop.wait(0.1)


def test_a_tracker_that_fails_says_so_once_and_once_that_it_works_again() -> None:
    from service.pretrain.session import _Tracking

    out = io.StringIO()
    tracking = _Tracking.__new__(_Tracking)
    tracking._console, tracking._said = Console(out), False
    for error in ("", "no answer", "no answer", "still none", "", ""):
        tracking._say(error)
    assert out.getvalue().splitlines() == [
        "tracking fails (no answer); training goes on, and what is missing is sent later",
        "tracking works again, and has sent what was missing",
    ]
