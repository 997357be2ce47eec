"""The host of many allocations: opens their owners, has their fits queue, and never decides anything itself.

1. Every question goes to the allocation's `Owner`, the same one that a training run of ours asks.
2. Whoever opened an allocation last owns it. A host that finds itself fenced out opens it again,
   once a question is put to it: so two services on one store pass an allocation to and fro, and
   never both decide.
3. A store that is gone for a moment is asked again; every question may be asked twice.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from policies import BadReport, BadSetup, Decision, Domain, LossReport
from policies.records import OtherDraws
from service.hosting.errors import Refused
from service.hosting.fits import MOST_WAITING, FitNeeded, FitQueue
from service.hosting.seats import Seats
from service.journal import Journal, StoreLost
from service.owner import Owner, Schedules
from service.owner.lasting import ask_newest
from service.owner.status import stored_answer

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class HostSettings:
    """Limits of one host.

    Parameters
    ----------
    owners:
        Kept in memory (30 kB each without laws, 250 kB with those of four domains).
    fits, long_fits:
        Short and long fits at a time; see `fits.py`.
    waiting:
        Fits of one project that may wait.
    patience:
        Seconds a lost store is waited for.
    """

    owners: int = 1000
    fits: int = 1
    long_fits: int = 1
    waiting: int = MOST_WAITING
    patience: float = 5.0


class Host:
    """Answers for any allocation of a store. Every method may be called from any thread."""

    def __init__(self, journal: Journal, settings: HostSettings | None = None) -> None:
        self._journal, self.settings = journal, settings or HostSettings()
        self.fits = FitQueue(self.settings.fits, self.settings.long_fits, self.settings.waiting)
        self._seats = Seats(journal, self.fits, self.settings.owners)
        self._schedules = Schedules(journal)

    # -- what the service asks; arguments and answers are plain JSON

    def create(
        self, allocation: str, spec: Mapping[str, Any], project: str, name: str, most: int | None
    ) -> dict[str, Any]:
        """Begin an allocation, or find it begun with the same specification."""
        begin = functools.partial(self._journal.begin, allocation, spec, project=project, name=name, most=most)
        _, fresh = self._patiently(begin)
        decision = self._ask(allocation, lambda owner: owner.start())
        decision = dataclasses.replace(decision, replayed=not fresh)
        return {**self._answer(allocation, decision), "fresh": fresh}

    def report(self, allocation: str, reports: Sequence[Mapping[str, Any]], *, begin: int = 0) -> dict[str, Any]:
        """Take the reports in order; answers with what follows from the last. Raises `Refused`.

        Those before `begin` were taken when it was asked the time before.
        """
        decision, position = None, 0
        for index, body in enumerate(reports[begin:], begin):
            try:
                report = LossReport.from_dict(body)
                decision, position = self._decide(allocation, report), report.position
            except BadReport as error:
                raise Refused(index, str(error), isinstance(error, OtherDraws)) from error
            except FitNeeded as need:
                need.done = index
                raise
        if decision is None:
            raise Refused(0, "no report was sent; send at least one", False)
        return {**self._answer(allocation, decision), "position": position}

    def set_mode(self, allocation: str, mode: str | None, pin: Mapping[str, float] | None) -> dict[str, Any]:
        """Modes and pins; what is None stays as it is. Answers with the status."""

        def ask(owner: Owner) -> dict[str, Any]:
            owner.set_mode(str(owner.status()["mode"]) if mode is None else mode, pin)
            return owner.status()

        return self._ask(allocation, ask)

    def set_domains(
        self, allocation: str, domains: Sequence[Mapping[str, Any]], position: int | None
    ) -> dict[str, Any]:
        """Other domains from `position` on; answers with the mixture over them."""
        wanted = [Domain.from_dict(body) for body in domains]
        decision = self._ask(allocation, lambda owner: owner.set_domains(wanted, position=position))
        return self._answer(allocation, decision)

    def rewind(self, allocation: str, position: int, why: str) -> dict[str, Any]:
        """A new attempt at `position`; answers with the decision that is in force there."""

        def ask(owner: Owner) -> dict[str, Any]:
            reached = int(owner.status()["position"])
            if position > reached:
                raise BadSetup(f"position is {position}, beyond the last report at {reached}; rewind to an earlier one")
            owner.rewind(position, why)
            return owner.status()

        status = self._ask(allocation, ask)
        schedule = self._patiently(lambda: self._schedules.read(allocation))
        return {"decision": status["decision"], "schedule": schedule.to_dict(), "attempt": status["attempt"]}

    def archive(self, allocation: str, why: str) -> None:
        """Take no more reports."""
        self._patiently(lambda: self._journal.archive(allocation, why))

    def stats(self) -> dict[str, float]:
        """How busy the host is."""
        return {"owners": len(self._seats), "waiting": self.fits.waiting, "fits": self.fits.done}

    def ready(self) -> None:
        """Raises `StoreLost` where the store does not answer."""
        self._journal.count()

    def close(self) -> None:
        self.fits.close()

    # -- inside

    def _decide(self, allocation: str, report: LossReport) -> Decision:
        """What was answered before is read, so that a report sent twice takes the allocation from nobody."""
        return self._ask(
            allocation,
            lambda owner: owner.decide(report),
            lambda: stored_answer(self._journal, allocation, report),
        )

    def _answer(self, allocation: str, decision: Decision) -> dict[str, Any]:
        schedule = self._patiently(lambda: self._schedules.read(allocation))
        return {"decision": decision.to_dict(), "schedule": schedule.to_dict()}

    def _ask(
        self, allocation: str, question: Callable[[Owner], T], instead: Callable[[], T | None] = lambda: None
    ) -> T:
        """Put a question to the owner; a newer one, or a new one after trouble, may have to answer it.

        Before an owner is opened, which takes the allocation from whoever has it, `instead` may have the answer.
        """

        seats = self._seats

        def known() -> T | None:
            return None if seats.holds(allocation) else instead()

        def asked() -> T:
            return ask_newest(
                question, lambda: seats.owner(allocation), lambda owner: seats.give_up(allocation, owner), known
            )

        return self._patiently(asked)

    def _patiently(self, question: Callable[[], T]) -> T:
        """Ask again while the store is lost, for as long as `patience` says."""
        until, pause = time.monotonic() + self.settings.patience, 0.05
        while True:
            try:
                return question()
            except StoreLost as error:
                if time.monotonic() + pause > until:
                    raise
                log.warning("asking again in %.2f s: %s", pause, error)
                time.sleep(pause)
                pause = min(2 * pause, 1.0)
