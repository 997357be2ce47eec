"""What a run taught: the planted hub, island and prior-only pairs, and nothing that is not known."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from policies.records import Interval, LawSummary
from service.journal import Journal
from service.report import learnt
from service.report.learnt import finals, hubs, islands, learnt_from, received
from service.report.told import predicted_gain
from service.story import read_story

from .conftest import BUDGET, NAMES, STEP, around, summary, tell


def test_the_planted_structure_is_found(told: Journal) -> None:
    found = learnt(told, "demo")
    assert [role.name for role in found.hubs] == ["epi"]
    assert [role.name for role in found.islands] == ["pet"]
    assert found.hubs[0].sure
    assert (found.strongest[0].source, found.strongest[0].to) == ("epi", "t1")
    assert {(t.source, t.to) for t in found.unidentified} == {("ct", "pet"), ("t1", "pet")}
    assert found.exponents["epi"] == around(0.35)


def test_reasons_and_changes_are_counted(told: Journal) -> None:
    found = learnt(told, "demo")
    assert found.refits == BUDGET // STEP
    assert found.changes == 3
    assert found.reasons == {"probe": 2, "refit": 1, "kept: no gain beyond uncertainty": 4, "hold": 1}
    assert found.kept == {"kept: no gain beyond uncertainty": 4, "hold": 1}


def test_the_end_is_held_against_what_was_said_half_way(told: Journal) -> None:
    story, found = read_story(told, "demo"), learnt(told, "demo")
    half = next(d for d in story.decisions if d.position == BUDGET // 2)
    assert half.predicted is not None
    for final in found.finals:
        assert final.predicted_at == BUDGET // 2
        assert final.predicted == half.predicted[final.target]
        assert final.reached == story.reports[-1].eval_loss[final.target]
        assert final.inside is True
    beside = dataclasses.replace(found.finals[0], reached=9.0)
    assert beside.inside is False


def test_a_probe_is_no_prediction(told: Journal) -> None:
    story = read_story(told, "demo")
    half = next(d for d in story.decisions if d.position == BUDGET // 2)
    probing = [dataclasses.replace(d, reason="probe") if d is half else d for d in story.decisions]
    found = finals(dataclasses.replace(story, decisions=tuple(probing)))
    assert {final.predicted_at for final in found} == {BUDGET // 2 - STEP}


def test_the_measured_gain_is_the_difference_of_the_mean_log_losses(told: Journal) -> None:
    found = learnt(told, "demo", compare="plain")
    assert found.measured is not None
    last = [read_story(told, name).final_losses for name in ("plain", "demo")]
    wanted = np.mean([math.log(last[0][n]) - math.log(last[1][n]) for n in NAMES])
    assert found.measured.gain.mean == pytest.approx(wanted, abs=1e-12)
    # every target has a relative error of 0.004 in both runs
    assert found.measured.gain.high - wanted == pytest.approx(1.6449 * 0.004 * math.sqrt(2 / 4), rel=1e-3)


def test_the_journal_may_name_the_run_to_compare_with(told: Journal) -> None:
    epoch = told.open("demo")
    told.append("demo", "compare", {"allocation": "plain"}, epoch=epoch, position=BUDGET)
    found = learnt(told, "demo")
    assert found.measured is not None
    assert found.measured.other == "plain"


def test_the_lines_say_what_is_not_known(told: Journal) -> None:
    text = "\n".join(learnt(told, "demo", compare="plain").lines())
    assert "not identified, prior only: 2 of 12 transfers" in text
    assert "mixture not moved: kept: no gain beyond uncertainty (4x); hold (1x)" in text
    assert "hubs: epi" in text
    assert "predicted gain over uniform: a mean loss" in text
    assert "measured gain over uniform: a mean loss" in text
    assert all(len(line) < 400 for line in text.splitlines())


def test_a_law_without_transfer_says_so_and_names_no_hub(told: Journal) -> None:
    story = read_story(told, "demo")
    assert story.last_law is not None
    own = dataclasses.replace(story.last_law, transfer={}, identified={}, hub_score={})
    decisions = tuple(d if d.law is None else dataclasses.replace(d, law=own) for d in story.decisions)
    text = "\n".join(learnt_from(dataclasses.replace(story, decisions=decisions)).lines())
    assert "exponents: ct" in text
    assert "the law of this policy knows no transfer" in text
    assert not [word for word in ("hubs:", "islands:", "strongest", "not identified") if word in text]


def test_a_policy_without_a_law_says_so(told: Journal) -> None:
    text = "\n".join(learnt(told, "plain").lines())
    assert "no law was fitted" in text
    assert "gain" not in text
    assert "final loss" in text


def test_a_run_that_stopped_claims_no_end(journal: Journal) -> None:
    tell(journal, "half", policy="canned", until=BUDGET // 2)
    text = "\n".join(learnt(journal, "half").lines())
    assert f"stands at {BUDGET // 2:,} of {BUDGET:,} draws" in text
    assert "last loss" in text
    assert "final loss" not in text
    assert "for the end" in text


def test_an_unidentified_row_makes_no_island_and_an_unknown_gift_no_hub() -> None:
    law = summary()
    blind = dataclasses.replace(law, identified={to: {s: s == to for s in NAMES} for to in NAMES})
    assert islands(blind) == ()
    assert [role.name for role in hubs(blind)] == ["epi"]  # what it gives in all is known, to whom is not
    wide = {name: Interval(score.mean, 0.1, 3 * score.mean) for name, score in law.hub_score.items()}
    assert hubs(dataclasses.replace(blind, hub_score=wide)) == ()


def test_wide_intervals_make_likely_not_sure() -> None:
    law = summary()
    wide = {n: Interval(s.mean, s.mean / 3, s.mean * 3) for n, s in law.hub_score.items()}
    loose = {to: {s: Interval(v.mean, 0, 5.0) for s, v in row.items()} for to, row in law.transfer.items()}
    unsure: LawSummary = dataclasses.replace(law, hub_score=wide, transfer=loose)
    assert [(r.name, r.sure) for r in hubs(unsure)] == [("epi", False)]
    assert [(r.name, r.sure) for r in islands(unsure)] == [("pet", False)]


def test_a_target_that_is_alone_receives_nothing() -> None:
    law = dataclasses.replace(summary(), transfer={"pet": {"pet": around(1.0)}})
    assert received(law, "pet") is None


def test_a_doubted_law_claims_nothing(told: Journal) -> None:
    story = read_story(told, "demo")
    late = [d for d in story.decisions if d.law is not None and d.position < story.budget][-1]
    doubted = dataclasses.replace(late, reason="kept: law not identified", detail="the exponent of ct is 4")
    changed = tuple(doubted if d is late else d for d in story.decisions)
    sure, unsure = learnt_from(story), learnt_from(dataclasses.replace(story, decisions=changed))
    assert not sure.doubt
    assert not any("DOUBTED" in line for line in sure.lines())
    assert unsure.doubt == "the exponent of ct is 4"
    assert any("DOUBTED" in line and "the exponent of ct is 4" in line for line in unsure.lines())
    assert "not to be relied on" in predicted_gain(unsure)
