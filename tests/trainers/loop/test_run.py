"""Whole runs on one process: the stream, resuming, and what may change nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from tests.trainers.loop.runs import assert_same_end, final, run_until
from trainers.loop import (
    LocalComm,
    read_progress,
    read_trace,
    run,
)
from trainers.loop.checkpoint import read_state
from trainers.loop.folder import CheckpointFolder


def test_a_run_learns_and_follows_the_schedule(undisturbed, schedule):
    job, result = undisturbed
    trace = read_trace(job.run_dir)
    assert sorted(trace) == list(range(job.budget))
    for stage, after in zip(schedule.stages, schedule.stages[1:], strict=False):
        drawn = [trace[i]["domain"] for i in range(stage.position, after.position)]
        for name, share in stage.weights.items():
            assert abs(drawn.count(name) - share * len(drawn)) <= 1.5
    assert sum(result.draws.values()) == job.budget
    assert all(0 < loss < 5 for loss in result.eval_loss.values())
    assert all(sem > 0 for sem in result.eval_sem.values())
    assert 0 < result.eval_share < 0.3
    assert read_progress(job.run_dir)["finished"] is True


def test_two_runs_are_equal_bit_for_bit(undisturbed, make_job):
    again = make_job("again")
    result = run(again, LocalComm())
    assert_same_end(undisturbed[0], again)
    assert result.eval_loss == undisturbed[1].eval_loss


# 8: before the first checkpoint; 40: a decision is asked for and not in force; 56: it is in force but
# its stage has not begun; 64, 128: at a change of stage; 312: the last step
@pytest.mark.parametrize("killed_at", [8, 40, 56, 64, 128, 312])
def test_a_killed_run_resumes_as_if_nothing_had_been(killed_at, undisturbed, make_job, monkeypatch):
    job = make_job(checkpoint_every=killed_at)
    run_until(job, killed_at, monkeypatch)
    result = run(job, LocalComm())
    assert result.resumed_from == killed_at
    assert result.draws == undisturbed[1].draws
    assert_same_end(undisturbed[0], job)


def test_a_finished_run_is_not_trained_again(make_job):
    job = make_job()
    first = run(job, LocalComm())
    again = run(job, LocalComm())
    assert again.resumed_from == job.budget
    assert again.eval_loss == first.eval_loss


def test_accumulation_changes_nothing_but_rounding(undisturbed, make_job):
    job = make_job(micro_batch=2)
    run(job, LocalComm())
    for name, value in final(undisturbed[0]).items():
        torch.testing.assert_close(final(job)[name], value, rtol=2e-3, atol=2e-4)
    assert read_trace(job.run_dir) == read_trace(undisturbed[0].run_dir)


def test_bf16_ends_near_fp32(undisturbed, make_job):
    result = run(make_job(precision="bf16"), LocalComm())
    for name, loss in undisturbed[1].eval_loss.items():
        assert result.eval_loss[name] == pytest.approx(loss, rel=0.03)


@pytest.mark.parametrize("workers", [1, 2])
def test_loader_processes_change_nothing(undisturbed, make_job, workers):
    job = make_job(loader_workers=workers, prefetch_factor=1, decision_lag=40)
    run(job, LocalComm())
    assert_same_end(undisturbed[0], job)


def test_a_checkpoint_says_what_it_is(undisturbed):
    job, _ = undisturbed
    newest = job.checkpoint_dir / f"draw-{job.budget:012d}"
    state = read_state(newest)
    assert state["position"] == job.budget
    assert state["identity"]["data"] == job.data.digest
    assert state["pending"]["report"]["position"] == job.budget
    manifest = json.loads((newest / "manifest.json").read_text())
    assert set(manifest["files"]) == {"state.json", "model.pt", "ema.pt", "optimizer.pt"}
    assert manifest["score"] == pytest.approx(np.mean(np.log(list(undisturbed[1].eval_loss.values()))))
    assert len(CheckpointFolder(job.checkpoint_dir, 2).positions()) in (2, 3)
