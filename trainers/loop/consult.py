"""Asking for a new mixture while training goes on, and changing to it on all ranks at the same draw."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch

from policies.records import LossReport
from trainers.faults import reach
from trainers.loop.comm import Comm, all_equal
from trainers.loop.errors import ScheduleDiffers
from trainers.loop.job import TrainJob
from trainers.loop.line import AdvisorLine, Question
from trainers.stream import SampleStream


@dataclasses.dataclass(frozen=True)
class Pending:
    """A report whose decision is not in force yet: known to all ranks and stored in checkpoints.

    `boundary` is the draw it applies from, `excluded` the volumes left out from there on.
    """

    report: LossReport
    boundary: int
    excluded: Mapping[str, tuple[str, ...]]

    def to_dict(self) -> dict[str, Any]:
        excluded = {name: list(keys) for name, keys in self.excluded.items()}
        return {"report": self.report.to_dict(), "boundary": self.boundary, "excluded": excluded}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Pending:
        excluded = {name: tuple(keys) for name, keys in body["excluded"].items()}
        return cls(LossReport.from_dict(body["report"]), int(body["boundary"]), excluded)


class Consultation:
    """At most one question is open. `line` is there on rank 0 only."""

    def __init__(self, job: TrainJob, comm: Comm, stream: SampleStream, line: AdvisorLine | None) -> None:
        self.job, self.comm, self.stream, self.line = job, comm, stream, line
        self.pending: Pending | None = None
        self._question: Question | None = None

    def ask(self, pending: Pending) -> None:
        """Send the report and go on."""
        self.pending = pending
        if self.line is not None:
            self._question = self.line.ask(pending.report, pending.boundary)
        reach("report.sent")

    def settle(self, position: int) -> None:
        """Put the decision in force if this is the agreed step: one prefetch horizon before the boundary.

        Rank 0 waits for the answer (or holds) and broadcasts it; all ranks append the stage and
        check that they hold the same stream.
        """
        pending = self.pending
        if pending is None or position < pending.boundary - self.job.train.horizon or position >= self.job.budget:
            return
        reach("decision.before_apply")
        names = self.job.domains
        shares = self.comm.broadcast(torch.tensor(self._answer(pending), dtype=torch.float64)).tolist()
        self.stream.extend(pending.boundary, dict(zip(names, shares, strict=True)), pending.excluded)
        if not all_equal(self.comm, self.stream.digest):
            raise ScheduleDiffers(f"the ranks hold different schedules at draw {position}")
        self.pending = self._question = None

    def await_last(self) -> None:
        """Wait until the final report was answered, so that it is in the journal and refitted."""
        if self.pending is not None:
            self._answer(self.pending)
        self.pending = self._question = None

    def _answer(self, pending: Pending) -> list[float]:
        """Shares in the order of the domains; the present ones on ranks that have no line."""
        kept = dict(self.stream.schedule.stages[-1].weights)
        if self.line is None or self._question is None:
            return list(kept.values())
        decision = self.line.answer(self._question, self.job.domains, kept)
        return [decision.weights[name] for name in self.job.domains]
