"""What may go wrong on the way: steps, checkpoints, disks, volumes, and a run that is not the one it was."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch

from tests.trainers.loop.runs import assert_same_end, recording, run_until
from trainers.loop import (
    LocalComm,
    NonFiniteLoss,
    ResumeRefused,
    RunStopped,
    TooMuchMissing,
    read_trace,
    run,
)
from trainers.loop.checkpoint import _Disk
from trainers.loop.errors import CheckpointsDamaged
from trainers.loop.folder import sha256_of
from trainers.loop.training import Training


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


def test_going_on_from_a_checkpoint_is_noted_and_beginning_or_having_ended_is_not(make_job, schedule, monkeypatch):
    told = []
    for stop in (200, None, None):
        advisor = recording(schedule, 64)
        job = make_job(checkpoint_every=40, fields={"advisor": lambda found=advisor: found})
        run(job, LocalComm()) if stop is None else run_until(job, stop, monkeypatch)
        told.append([(position, body) for kind, position, body in advisor.notes if kind == "resumed"])
    assert told == [[], [(200, {"workers": 1})], []]


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
    assert "model.pt does not match its SHA-256); going on from the one at draw 160" in caplog.text
    assert_same_end(undisturbed[0], job)


def test_where_every_checkpoint_is_damaged_nothing_begins_at_0(make_job):
    job = make_job(keep_checkpoints=1)
    run(job, LocalComm())
    for checkpoint in job.checkpoint_dir.iterdir():
        (checkpoint / "ema.pt").unlink()
    with pytest.raises(CheckpointsDamaged, match=r"draw-0+320 is damaged \(ema\.pt is missing\).*--from-start"):
        run(job, LocalComm())
    assert list(job.checkpoint_dir.iterdir())


@pytest.mark.parametrize("harm", ["state", "tensors", "shape"])
def test_a_whole_checkpoint_of_another_program_is_one_sentence(make_job, harm):
    job = make_job(keep_checkpoints=1)
    run(job, LocalComm())
    checkpoint = job.checkpoint_dir / f"draw-{job.budget:012d}"
    if harm == "state":
        (checkpoint / "state.json").write_text("{}")
    elif harm == "tensors":
        (checkpoint / "ema.pt").write_bytes(b"no tensors")
    else:
        torch.save({"mask_token": torch.zeros(3)}, checkpoint / "model.pt")
    manifest = json.loads((checkpoint / "manifest.json").read_text())
    manifest["files"] = {name: sha256_of(checkpoint / name) for name in manifest["files"]}
    (checkpoint / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointsDamaged, match=r"draw-0+320 does not fit this program"):
        run(job, LocalComm())


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
