"""Who tells the training what to draw next. Training knows this protocol and nothing of actors or stores."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any, Protocol

from policies.records import Decision, LossReport, MixtureSchedule


class Advisor(Protocol):
    """Called on rank 0 only. Every answer is durable before it is returned, and the same when asked again."""

    def start(self) -> Decision:
        """The decision for position 0."""
        ...

    def decide(self, report: LossReport) -> Decision:
        """The decision that follows from `report`; may take as long as a refit."""
        ...

    def hold(self, report: LossReport, why: str) -> Decision:
        """No answer came in time: the mixture is kept, and that is the decision for this report.

        Where a decision had been stored after all, that one comes back and is to be applied.
        """
        ...

    def note(self, kind: str, position: int, body: dict[str, Any]) -> None:
        """Write down an event: `checkpoint`, `skipped`, `quarantine`, `throughput`, `finished` ...

        May be called again with the same kind and position after a restart.
        """
        ...


class OnlinePolicy(Protocol):
    """What `PolicyAdvisor` needs of a `policies.Policy`."""

    def propose(self) -> Decision: ...

    def observe(self, report: LossReport) -> None: ...


@dataclasses.dataclass
class PolicyAdvisor:
    """An advisor in memory around any policy: for tests, and for training without a service.

    It answers a position once and gives the same answer again; `interval` places a HOLD.
    """

    policy: OnlinePolicy
    interval: int
    answers: dict[int, Decision] = dataclasses.field(default_factory=dict)
    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock, repr=False)
    reports: dict[int, LossReport] = dataclasses.field(default_factory=dict)
    notes: list[tuple[str, int, dict[str, Any]]] = dataclasses.field(default_factory=list)

    def start(self) -> Decision:
        return self._answer(-1, self.policy.propose)

    def decide(self, report: LossReport) -> Decision:
        def fit() -> Decision:
            self.reports[report.position] = report
            self.policy.observe(report)
            return self.policy.propose()

        return self._answer(report.position, fit)

    def hold(self, report: LossReport, why: str) -> Decision:
        def keep() -> Decision:
            last = self.answers[max(self.answers)]
            boundary = -(-report.position // self.interval) * self.interval
            return Decision(boundary, last.weights, "hold", detail=why)

        return self._answer(report.position, keep)

    def note(self, kind: str, position: int, body: dict[str, Any]) -> None:
        self.notes.append((kind, position, body))

    def _answer(self, position: int, find: Callable[[], Decision]) -> Decision:
        """The stored answer, or what `find` gives; a HOLD that came while it was at work wins."""
        if position not in self.answers:
            found = find()
            with self.lock:
                if self.answers.setdefault(position, found) is found:
                    return found
        return dataclasses.replace(self.answers[position], replayed=True)


@dataclasses.dataclass
class RecordedAdvisor:
    """Draws by a schedule that was recorded before, whatever the losses."""

    schedule: MixtureSchedule
    interval: int
    notes: list[tuple[str, int, dict[str, Any]]] = dataclasses.field(default_factory=list)

    def start(self) -> Decision:
        return Decision(0, self.schedule.stages[0].weights, "recorded")

    def decide(self, report: LossReport) -> Decision:
        boundary = -(-report.position // self.interval) * self.interval
        return Decision(boundary, self.schedule.stage_at(boundary).weights, "recorded")

    def hold(self, report: LossReport, why: str) -> Decision:
        return self.decide(report)

    def note(self, kind: str, position: int, body: dict[str, Any]) -> None:
        self.notes.append((kind, position, body))
