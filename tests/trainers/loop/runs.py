"""Two runs that must end alike, a run that dies on the way, an advisor that keeps what it was told."""

from __future__ import annotations

import pytest
import torch

from policies.records import LossReport
from trainers.advisor import RecordedAdvisor
from trainers.loop import LocalComm, TrainJob, read_trace, run
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
