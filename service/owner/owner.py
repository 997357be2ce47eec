"""The owner of one allocation.

1. A report is committed to the journal, then the policy sees it, then the decision is committed,
   then it is answered. Whoever dies in between finds the same state when it comes back.
2. A report position is answered once. Asked again, the stored answer comes back marked `replayed`.
3. Only `decide`, `set_domains` and `rewind` wait for a fit; `hold`, `note`, `set_mode` and `status`
   go to the journal alone.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from policies import BadSetup, Decision, Domain, LossReport
from policies.bounds import carry_over
from policies.intake import decision_position
from policies.records import RecordedName, check_apart, check_domains
from service.journal import Event, Journal, Snapshot, decision_of
from service.journal.event import finite
from service.owner.reports import Reports
from service.owner.spec import Spec
from service.owner.status import domains as domains_now
from service.owner.status import ever_named, known_at, status, steering
from service.owner.steering import Steering
from service.owner.student import Student
from trainers import faults

RESERVED = ("allocation", "report", "decision", "mode", "rewind", "fit_failed", "differs", "domains", "archived")
T = TypeVar("T")

__all__ = ["Owner", "Spec", "at_once"]


def at_once(fit: Callable[[], T]) -> T:
    """The place where a fit runs, by default: here and now. A host of many owners has them queue."""
    return fit()


class Fitting(Protocol):
    """Runs a fit, when its turn comes, and returns what it returned."""

    def __call__(self, fit: Callable[[], T], /) -> T: ...


class Owner:
    """Answers for one allocation; opening it fences out whoever owned it before.

    `fitting` runs what costs a fit; see `at_once`. Raises `service.journal.Fenced` from any writing call
    once a newer owner has been opened.
    """

    def __init__(self, journal: Journal, allocation: str, *, fitting: Fitting = at_once) -> None:
        self._journal, self.allocation, self._fitting = journal, allocation, fitting
        self._epoch = journal.open(allocation)
        self._fit = threading.Lock()
        self._student = Student(journal, allocation, self._epoch)
        self._reports = Reports(journal, allocation, self._epoch)
        self.spec = self._student.spec

    # -- what training asks

    def start(self) -> Decision:
        """The decision for position 0."""
        stored = self._journal.find(self.allocation, "start")
        if stored is not None:
            return _again(stored)
        with self._fit:
            advice = self._student.policy.propose()
            return self._decide(advice, advice, {}, once="start", at=0, in_force=self._student.policy.baseline)

    def decide(self, report: LossReport) -> Decision:
        """The decision that follows from `report`, durable before it is returned.

        Raises `BadReport` where the report cannot be used; nothing is recorded then.
        """
        with self._fit:
            known, answer = known_at(self._journal, self.allocation, report.position)
            self._reports.record(report, known, self._student.policy)
            if answer is not None:
                return _again(answer)
            faults.reach("journal.report")
            decision = self._refit(report.position)
            faults.reach("journal.decision")
            return decision

    def hold(self, report: LossReport, why: str) -> Decision:
        """Training could not wait: the mixture is kept, and that is the decision for this report.

        Does not wait for a fit. If the decision was stored after all, that one comes back.
        """
        known, answer = known_at(self._journal, self.allocation, report.position)
        if answer is not None:
            return _again(answer)
        self._reports.record(report, known, self._student.policy)
        kept = self._kept(report.position, "hold", why)
        return self._decide(kept, None, {}, once=f"decision:{report.position}", at=report.position)

    def note(self, kind: str, position: int, body: Mapping[str, Any]) -> None:
        """Record something that happened in training; durable when it returns.

        A note `quarantine` says which volumes were left out and what pool remains; the policy hears
        of it with its next report. A note `hold` tells afterwards of a mixture that was kept while
        this owner was out of reach: `report` (its position), `weights`, `why`. It is the decision for
        that report, since it was acted on, whatever had been decided here.
        """
        if kind in RESERVED:
            raise ValueError(f"'{kind}' is written by the owner itself; choose another kind for a note")
        if kind == "hold":
            self._was_held(position, body)
            return
        self._append(kind, position, finite(body))
        if kind == "quarantine":
            self._pools_shrank(position, body)

    # -- what a person asks

    def status(self) -> dict[str, Any]:
        """Where the allocation stands, from the journal alone."""
        return status(self._journal, self.allocation, self.spec)

    def set_mode(self, mode: str, pin: Mapping[str, float] | None = None, *, position: int | None = None) -> None:
        """From the next decision on: `act`, `advise` or `pause`, with these shares pinned (None: as before)."""
        wanted = Steering(mode, dict(self._steering().pin if pin is None else pin))
        wanted.check(self._names())
        where = self.status()["position"] if position is None else position
        self._journal.append(self.allocation, "mode", wanted.to_dict(), epoch=self._epoch, position=where)

    def rewind(self, position: int, why: str = "") -> None:
        """Training begins again from a checkpoint at `position`: later events stay, but inactive."""
        with self._fit:
            self._journal.rewind(self.allocation, position, epoch=self._epoch, why=why)
            self._student.restore()

    def set_domains(self, domains: Sequence[Domain], *, position: int | None = None) -> Decision:
        """From `position` on (the last report, if not given) these are the domains; returns the mixture over them.

        A domain may join, leave, or have a larger pool. Tried on a copy of the policy first: raises `BadSetup`
        where the policy or a pinned share cannot live with it, and nothing is recorded then.
        """
        with self._fit:
            last = int(self.status()["position"])
            position = last if position is None else position
            self._check_change(domains, position, last)
            event = self._domains_event(position, {"domains": [domain.to_dict() for domain in domains]})
            stored = self._journal.find(self.allocation, f"joined:{event.id}")
            if stored is not None:
                return _again(stored)
            self._student.catch_up()
            advice = dataclasses.replace(self._student.policy.propose(), replayed=False)
            once, kept = f"joined:{event.id}", self._student.snapshot(position)
            return self._decide(advice, advice, {}, once=once, at=position, snapshot=kept)

    def is_current(self) -> bool:
        """Whether no newer owner has been opened."""
        return self._journal.owned(self.allocation, self._epoch)

    # -- inside

    def _check_change(self, domains: Sequence[Domain], position: int, last: int) -> None:
        if not last <= position <= self.spec.budget:
            raise BadSetup(
                f"domains cannot change at position {position}; give one from the last report at {last} "
                f"to the budget of {self.spec.budget}"
            )
        check_domains(domains)
        self._check_series(domains)
        self._steering().check(tuple(domain.name for domain in domains))
        self._fitting(self._student.catch_up)
        try:
            self._student.tried(position, domains)
        except Exception as error:
            raise BadSetup(f"the policy cannot go on with these domains: {error}") from error

    def _check_series(self, domains: Sequence[Domain]) -> None:
        """One that joins shares no series with a target, nor with a domain that was there before and left."""
        before = {*ever_named(self._journal, self.allocation, self.spec), *(self.spec.targets or {})}
        joining = [str(domain.name) for domain in domains if domain.name not in before]
        if joining:
            check_apart([*map(RecordedName, sorted(before)), *joining])

    def _domains_event(self, position: int, body: Mapping[str, Any]) -> Event:
        """Asked twice, it is one change."""
        last = self._journal.last(self.allocation, ["domains", "report"])
        if last is not None and last.kind == "domains" and (last.position, last.body) == (position, body):
            return last
        return self._append("domains", position, body)

    def _was_held(self, boundary: int, body: Mapping[str, Any]) -> None:
        """What training acted on by itself takes the place of what was decided here."""
        report = int(body["report"])
        held = Decision(boundary, dict(body["weights"]), "hold", detail=str(body["why"])).to_dict()
        self._journal.append(
            self.allocation,
            "decision",
            {**held, "meta": {"report": report}},
            epoch=self._epoch,
            position=report,
            once=f"held:{report}",
            instead_of=self._journal.find(self.allocation, f"decision:{report}"),
        )

    def _pools_shrank(self, boundary: int, body: Mapping[str, Any]) -> None:
        """Volumes were left out: the policy plans with the draws that are left, from its next report on."""
        left = {name: int(found["pool"]) for name, found in body.get("domains", {}).items()}
        known = [domain.to_dict() for domain in domains_now(self._journal, self.allocation, self.spec)]
        shrunk = [d | {"pool": left[d["name"]]} if left.get(d["name"], 0) > 0 else d for d in known]
        position = int(self.status()["position"])
        self._append("domains", position, {"domains": shrunk}, once=f"domains:{boundary}")

    def _names(self) -> tuple[str, ...]:
        return tuple(domain.name for domain in self._student.policy.domains)

    def _steering(self) -> Steering:
        return steering(self._journal, self.allocation, self.spec)

    def _in_force(self) -> Mapping[str, float]:
        """The newest mixture that was given out."""
        event = self._journal.last(self.allocation, ["decision"])
        if event is None:
            return self._student.policy.baseline
        weights = event.body["weights"]
        domains = self._student.policy.domains
        return weights if set(weights) == set(self._names()) else carry_over(weights, domains)

    def _kept(self, position: int, reason: str, detail: str) -> Decision:
        boundary = decision_position(position, self.spec.interval)
        return Decision(boundary, self._in_force(), reason, detail=detail)

    def _append(self, kind: str, position: int, body: Mapping[str, Any], once: str | None = None) -> Event:
        return self._journal.append(self.allocation, kind, body, epoch=self._epoch, position=position, once=once)[0]

    def _refit(self, position: int) -> Decision:
        """Let the policy see what it has not seen, and commit what follows."""
        once = f"decision:{position}"
        if self._steering().mode == "pause":
            paused = self._kept(position, "paused", "reports are kept for later; no refit")
            return self._decide(paused, None, {}, once=once, at=position)
        failure, seconds = self._learn()
        dump = self._student.snapshot(position)
        if failure is not None:
            kept = self._kept(position, "kept: fit failed", failure)
            return self._decide(kept, None, seconds, once=once, at=position, snapshot=dump)
        boundary = decision_position(position, self.spec.interval)
        advice = dataclasses.replace(self._student.policy.propose(), position=boundary, replayed=False)
        return self._decide(advice, advice, seconds, once=once, at=position, snapshot=dump)

    def _learn(self) -> tuple[str | None, dict[str, float]]:
        """Why the newest report could not be used, or None; and the seconds it took."""
        unseen = self._student.unseen()

        def timed() -> tuple[str | None, dict[str, float]]:
            cpu, wall = time.thread_time(), time.perf_counter()
            failure = self._student.catch_up(unseen)
            return failure, {"seconds": time.thread_time() - cpu, "wall_seconds": time.perf_counter() - wall}

        return self._fitting(timed) if self._student.costs_a_fit(unseen) else timed()

    def _decide(
        self,
        decision: Decision,
        advice: Decision | None,
        meta: Mapping[str, Any],
        *,
        once: str,
        at: int,
        in_force: Mapping[str, float] | None = None,
        snapshot: Snapshot | None = None,
    ) -> Decision:
        """Lay the steering over the decision and commit it, with a dump; a decision that was there first wins."""
        laid = self._steering()
        in_force = self._in_force() if in_force is None else in_force
        acted = laid.act(decision, in_force) if advice is not None else laid.keep(decision)
        body = acted.to_dict()
        body["meta"] = {**meta, **laid.to_dict(), "report": at if once != "start" else None}
        if advice is not None and acted is not advice:
            body["meta"]["advice"] = {key: value for key, value in advice.to_dict().items() if key != "law"}
        event, fresh = self._journal.append(
            self.allocation, "decision", body, epoch=self._epoch, position=at, once=once, snapshot=snapshot
        )
        return decision_of(event) if fresh else _again(event)


def _again(event: Event) -> Decision:
    return dataclasses.replace(decision_of(event), replayed=True)
