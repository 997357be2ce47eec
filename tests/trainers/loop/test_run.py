"""Whole runs on one process: the stream, the decisions, resuming, and what may go wrong on the way."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from policies.records import Decision, LossReport
from trainers.advisor import PolicyAdvisor, RecordedAdvisor
from trainers.loop import (
    LocalComm,
    NonFiniteLoss,
    ResumeRefused,
    RunStopped,
    TooMuchMissing,
    TrainJob,
    TrainResult,
    read_progress,
    read_trace,
    run,
)
from trainers.loop.checkpoint import _Disk, read_state
from trainers.loop.folder import CheckpointFolder
from trainers.loop.training import Training


class Killed(BaseException):
    """Stands for SIGKILL: nothing may handle it."""


def final(job: TrainJob, kind: str = "model") -> dict[str, torch.Tensor]:
    body = torch.load(job.checkpoint_dir / f"draw-{job.budget:012d}" / f"{kind}.pt", weights_only=True)
    return body["average"] if kind == "ema" else body


def assert_same_end(one: TrainJob, other: TrainJob) -> None:
    """Weights, moving average and every draw, bit for bit."""
    for kind in ("model", "ema"):
        a, b = final(one, kind), final(other, kind)
        assert a.keys() == b.keys()
        assert all(torch.equal(a[name], b[name]) for name in a)
    assert read_trace(one.run_dir) == read_trace(other.run_dir)


def run_until(job: TrainJob, position: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as far as `position` and die there without a word."""
    step = Training._step

    def dying(self, parts):
        if self.standing.position == position:
            raise Killed
        step(self, parts)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_step", dying)
        with pytest.raises(Killed):
            run(job, LocalComm())


@pytest.fixture(scope="module")
def shared() -> dict[str, tuple[TrainJob, TrainResult]]:
    return {}


@pytest.fixture
def undisturbed(make_job, shared, tmp_path_factory) -> tuple[TrainJob, TrainResult]:
    """One run from start to end, made once."""
    if "run" not in shared:
        job = make_job(fields={"run_dir": str(tmp_path_factory.mktemp("undisturbed"))})
        shared["run"] = job, run(job, LocalComm())
    return shared["run"]


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


class Recording(RecordedAdvisor):
    """Keeps the reports it was sent; fails its first calls as a restarting actor does."""

    reports: list[LossReport]
    away = 0

    def decide(self, report):
        if self.away > 0:
            self.away -= 1
            raise ConnectionError("the actor is restarting")
        self.reports.append(report)
        return super().decide(report)


def recording(schedule, interval) -> Recording:
    advisor = Recording(schedule, interval)
    advisor.reports = []
    return advisor


def test_reports_come_where_they_should_and_add_up(make_job, schedule):
    advisor = recording(schedule, 64)
    job = make_job(fields={"advisor": lambda: advisor})
    run(job, LocalComm())
    assert [r.position for r in advisor.reports] == [32, 96, 160, 224, 320]
    trace = read_trace(job.run_dir)
    before: dict[str, float] = dict.fromkeys(job.domains, 0.0)
    for report in advisor.reports:
        drawn = [trace[i]["domain"] for i in range(report.position)]
        assert report.draws == {name: drawn.count(name) for name in job.domains}
        assert report.train_count == {name: report.draws[name] - before[name] for name in job.domains}
        assert report.lr_sum > 0
        before = dict(report.draws)
    kinds = [kind for kind, _, _ in advisor.notes]
    assert kinds.count("throughput") == 5
    assert kinds.count("checkpoint") == 5
    assert kinds[-1] == "finished"


def test_an_advisor_that_is_away_for_a_moment_is_asked_again(make_job, schedule, undisturbed):
    advisor = recording(schedule, 64)
    advisor.away = 2
    job = make_job(fields={"advisor": lambda: advisor})
    run(job, LocalComm())
    assert_same_end(undisturbed[0], job)


class Slow(RecordedAdvisor):
    """Never answers the second report in time."""

    held: list[int]

    def decide(self, report):
        if report.position == 96:
            import time

            time.sleep(1.5)
        return super().decide(report)

    def hold(self, report, why):
        self.held.append(report.position)
        return Decision(128, self.schedule.stage_at(127).weights, "hold", detail=why)


def test_no_answer_in_time_holds_the_mixture(make_job, schedule):
    advisor = Slow(schedule, 64)
    advisor.held = []
    job = make_job(fields={"advisor": lambda: advisor}, advisor_timeout_seconds=0.3)
    result = run(job, LocalComm())
    assert 96 in advisor.held
    assert 128 not in [stage["position"] for stage in result.schedule["stages"]]
    assert result.position == job.budget


def test_deterministic_waits_for_the_answer(make_job, schedule, undisturbed):
    advisor = Slow(schedule, 64)
    advisor.held = []
    job = make_job(fields={"advisor": lambda: advisor}, advisor_timeout_seconds=0.3, deterministic=True)
    run(job, LocalComm())
    assert advisor.held == []
    assert_same_end(undisturbed[0], job)


def test_a_policy_that_breaks_does_not_stop_training(make_job):
    class Broken:
        def propose(self):
            return Decision(0, {"ct": 0.5, "mr": 0.25, "pet": 0.25}, "start")

        def observe(self, report):
            raise ValueError("the fit exploded")

    advisor = PolicyAdvisor(Broken(), 64)
    result = run(make_job(fields={"advisor": lambda: advisor}), LocalComm())
    assert result.position == 320
    assert {answer.reason for answer in advisor.answers.values()} == {"start", "hold"}
    assert "the fit exploded" in advisor.answers[32].detail


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


def spoil_gradients(monkeypatch: pytest.MonkeyPatch, steps: set[int]) -> None:
    """Make the loss of these steps (by position) infinite."""
    step = Training._step

    def spoilt(self, parts):
        if self.standing.position in steps:
            parts = [dataclasses.replace(part, image=part.image * math.inf) for part in parts]
        step(self, parts)

    monkeypatch.setattr(Training, "_step", spoilt)


def test_a_step_that_is_not_finite_is_skipped_and_counted(make_job, schedule, monkeypatch):
    spoil_gradients(monkeypatch, {16, 24, 200})
    advisor = recording(schedule, 64)
    result = run(make_job(fields={"advisor": lambda: advisor}), LocalComm())
    assert result.skipped_steps == 3
    assert sum(result.draws.values()) == 320 - 3 * 8
    assert sum(advisor.reports[0].draws.values()) == 32 - 2 * 8
    assert [position for kind, position, _ in advisor.notes if kind == "skipped"] == [24, 32, 208]
    assert all(math.isfinite(loss) for loss in result.eval_loss.values())


def test_ten_bad_steps_in_a_row_stop_the_run_after_the_last_good_checkpoint(make_job, monkeypatch):
    spoil_gradients(monkeypatch, set(range(104, 320, 8)))
    job = make_job()
    with pytest.raises(NonFiniteLoss, match=r"10 steps in a row up to draw 184 .*/draw-0+160\. Lower train\.lr"):
        run(job, LocalComm())
    assert job.checkpoint_dir.joinpath(f"draw-{160:012d}").is_dir()


def test_a_damaged_checkpoint_is_passed_over(undisturbed, make_job, monkeypatch, caplog):
    job = make_job(checkpoint_every=40, keep_checkpoints=3)
    run_until(job, 200, monkeypatch)
    newest = job.checkpoint_dir / f"draw-{200:012d}" / "model.pt"
    newest.write_bytes(newest.read_bytes()[:-1])
    result = run(job, LocalComm())
    assert result.resumed_from == 160
    assert "model.pt does not match its SHA-256" in caplog.text
    assert_same_end(undisturbed[0], job)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fields": {"seed": 4}}, "seed was 3 when the run was started and is 4 now"),
        ({"lr": 1e-3}, r"train\.lr was 0\.002"),
        ({"fields": {"budget": 640}}, "budget was 320"),
    ],
)
def test_another_recipe_is_refused(make_job, change, message):
    run(make_job(), LocalComm())
    with pytest.raises(ResumeRefused, match=message):
        run(make_job(**change), LocalComm())


def test_other_data_is_refused(make_job, data):
    run(make_job(), LocalComm())
    fewer = dataclasses.replace(data, domains=data.domains | {"ct": data.domains["ct"].without(["ct-0"])})
    with pytest.raises(ResumeRefused, match="data was"):
        run(make_job(fields={"data": fewer}), LocalComm())


def full_disk(monkeypatch: pytest.MonkeyPatch, position: int) -> None:
    """The disk fills up in the middle of a file of the checkpoint at `position`."""
    write = _Disk.write

    def failing(self, data):
        if f"{position:012d}" in self.file.name and self.file.tell() > 20_000:
            self.error = OSError(28, "No space left on device")
            raise self.error
        return write(self, data)

    monkeypatch.setattr(_Disk, "write", failing)


def test_a_full_disk_stops_the_run_with_nothing_half_written(undisturbed, make_job, monkeypatch):
    job = make_job()
    with monkeypatch.context() as patch:
        full_disk(patch, 160)
        with pytest.raises(RunStopped, match=r"No space left on device; the last good checkpoint is .*/draw-0+96\."):
            run(job, LocalComm())
    assert sorted(p.name for p in job.checkpoint_dir.iterdir()) == [f"draw-{p:012d}" for p in (32, 96)]
    assert run(job, LocalComm()).resumed_from == 96
    assert_same_end(undisturbed[0], job)


@pytest.fixture
def breakable(data, tmp_path):
    """The same data in files of its own."""
    import shutil

    domains = {}
    for name, domain in data.domains.items():
        train = []
        for volume in domain.train:
            copy = tmp_path / f"{volume.key}.npy"
            shutil.copy(volume.file, copy)
            train.append(dataclasses.replace(volume, file=str(copy)))
        domains[name] = dataclasses.replace(domain, train=tuple(train))
    return dataclasses.replace(data, domains=domains)


def cut_short(file: str) -> None:
    Path(file).write_bytes(Path(file).read_bytes()[:200])


def test_a_volume_that_breaks_is_masked_then_left_out(make_job, schedule, breakable):
    cut_short(breakable.domains["ct"].train[2].file)
    advisor = recording(schedule, 64)
    job = make_job(fields={"advisor": lambda: advisor, "data": breakable})
    result = run(job, LocalComm())
    trace = read_trace(job.run_dir)
    masked = [i for i, row in trace.items() if not row["valid"]]
    assert masked
    assert {(trace[i]["domain"], trace[i]["item"]) for i in masked} == {("ct", 2)}
    assert result.masked_draws == {"ct": len(masked), "mr": 0, "pet": 0}
    assert sum(result.draws.values()) == job.budget - len(masked)
    (_, boundary, body), *others = [note for note in advisor.notes if note[0] == "quarantine"]
    assert not others
    assert body["domains"]["ct"]["volumes"][0]["name"] == "ct-2"
    assert "cut short" in body["domains"]["ct"]["volumes"][0]["cause"]
    assert body["domains"]["ct"]["pool"] == breakable.domains["ct"].pool - breakable.domains["ct"].train[2].crops
    assert min(masked) < boundary
    assert max(masked) < boundary
    assert any(trace[i]["domain"] == "ct" for i in trace if i >= boundary)


def test_quarantine_survives_a_kill(make_job, breakable, monkeypatch):
    cut_short(breakable.domains["ct"].train[2].file)
    whole, killed = make_job("whole", {"data": breakable}), make_job("killed", {"data": breakable}, checkpoint_every=40)
    run(whole, LocalComm())
    for position in (40, 104):
        run_until(killed, position, monkeypatch)
    run(killed, LocalComm())
    assert_same_end(whole, killed)


def test_too_much_of_a_domain_gone_stops_the_run_with_the_list(make_job, breakable):
    for number in (1, 2, 4):
        cut_short(breakable.domains["pet"].train[number].file)
    with pytest.raises(TooMuchMissing, match=r"'pet'.*pet-\d.*Mend these files"):
        run(make_job(fields={"data": breakable}), LocalComm())


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
