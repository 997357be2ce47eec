"""Reading a run back: what is active, what is merged, in the order people gave."""

from __future__ import annotations

import math

import numpy as np
import pytest

from policies import BadSetup, LossReport
from service.journal import Journal
from service.story import final_annealing, law_curves, rates, read_story, run_gain

from .conftest import BUDGET, NAMES, STEP, tell, truth


def test_names_come_in_the_order_of_the_configuration(told: Journal) -> None:
    story = read_story(told, "demo")
    assert story.names == tuple(story.targets) == tuple(story.decisions[-1].weights) == NAMES
    law = story.last_law
    assert law is not None
    assert tuple(law.transfer) == tuple(law.transfer["pet"]) == tuple(law.hub_score) == NAMES


def test_an_unknown_run_is_named_with_those_there_are(told: Journal) -> None:
    with pytest.raises(BadSetup, match="no run 'dmeo'; it holds: demo, plain"):
        read_story(told, "dmeo")


def test_a_report_that_was_filled_in_later_is_read_whole(journal: Journal) -> None:
    owner = tell(journal, "run", policy="uniform", until=0)
    draws = dict.fromkeys(NAMES, STEP / 4)
    losses = dict.fromkeys(NAMES, 0.5)
    owner.decide(LossReport(STEP, draws, {**losses, "pet": math.nan}))
    assert math.isnan(read_story(journal, "run").final_losses["pet"])
    owner.decide(LossReport(STEP, draws, losses))
    story = read_story(journal, "run")
    assert len(story.reports) == 1
    assert story.final_losses["pet"] == 0.5


def test_what_a_rewind_left_behind_is_not_told(journal: Journal) -> None:
    owner = tell(journal, "run", policy="canned", until=6 * STEP)
    owner.rewind(4 * STEP, "from checkpoint")
    story = read_story(journal, "run")
    assert story.reports[-1].position == 4 * STEP
    assert [note.kind for note in story.notes] == ["rewind"]


def test_a_law_that_cannot_be_read_leaves_a_story_without_one(told: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.story.story.load_policy", lambda state: {}["families"])
    story = read_story(told, "demo")
    assert story.law is None
    assert "cannot be read by this version (KeyError" in story.no_law


def test_the_curves_are_what_the_law_predicts_for_the_draws_of_the_run(told: Journal) -> None:
    story = read_story(told, "demo")
    assert story.law is not None
    curve = law_curves(story)["epi"]
    end = np.array([[story.reports[-1].draws[n] for n in NAMES]])
    said = story.law.predict(end, np.array([BUDGET * 1e-3]))
    assert curve.position[-1] == BUDGET
    assert curve.mean[-1] == pytest.approx(said.mean[0, NAMES.index("epi")], rel=1e-9)
    assert np.all(curve.low < curve.mean)
    assert np.all(curve.mean < curve.high)


def test_the_gain_of_the_whole_run_is_that_of_the_planted_truth(told: Journal) -> None:
    story = read_story(told, "demo")
    gain = run_gain(story)
    assert gain is not None
    mine = truth([story.reports[-1].draws[n] for n in NAMES])[0]
    even = truth(np.full(len(NAMES), BUDGET / len(NAMES)))[0]
    assert gain.low < float(np.mean(np.log(even) - np.log(mine))) < gain.high
    assert gain.high - gain.low < 0.05


def test_without_a_law_there_is_no_gain(told: Journal) -> None:
    assert run_gain(read_story(told, "plain")) is None


def test_the_learning_rate_is_followed_to_the_end_of_its_plan(journal: Journal) -> None:
    plan = [[0, 0.0], [7200, 7.2], [BUDGET, 8.4]]  # half the rate in the last quarter
    tell(journal, "run", policy="canned", until=4800, lr_plan=plan)
    sums, annealing = rates(read_story(journal, "run"), np.array([2400.0, 4800.0, 6000.0, 9600.0]))
    assert sums == pytest.approx([2.4, 4.8, 6.0, 8.4])
    assert annealing == pytest.approx([0, 0, 0, 0.5])
    assert final_annealing(read_story(journal, "run")) == pytest.approx(0.5)
