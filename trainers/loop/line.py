"""Rank 0's line to the advisor: a thread that asks while training goes on, and HOLD where nothing comes back."""

from __future__ import annotations

import dataclasses
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from policies.records import Decision, LossReport, check_mixture
from trainers.advisor import Advisor
from trainers.loop.errors import AdvisorSilent

log = logging.getLogger(__name__)
T = TypeVar("T")

HOLD_SECONDS = 10.0
RETRY_SECONDS = (0.1, 0.5, 2.0, 5.0)


@dataclasses.dataclass
class Question:
    """A report on its way: `answer` holds what comes back, `boundary` is the draw the decision must apply from."""

    report: LossReport
    boundary: int
    answer: Future[Decision]
    dropped: threading.Event


class AdvisorLine:
    """Calls are made one after the other in one thread; none of them raises into training.

    `timeout` None waits for decisions without limit.
    """

    def __init__(
        self, make: Callable[[], Advisor], timeout: float | None, digest: Callable[[], str] | None = None
    ) -> None:
        self._make, self._timeout, self._digest = make, timeout, digest
        self._advisor: Advisor | None = None
        self._tasks: queue.Queue[tuple[Callable[[], Any], Future[Any]]] = queue.Queue()
        self.journal_digest: str | None = None
        threading.Thread(target=self._work, name="advisor-line", daemon=True).start()

    def start(self, domains: Sequence[str]) -> Decision:
        """The first mixture; raises `AdvisorSilent` if none comes in time, `ValueError` if the advisor refuses."""
        asked = self._submit(lambda: self._retry(lambda: self._reached().start(), threading.Event()))
        try:
            decision: Decision = asked.result(self._timeout)
        except TimeoutError:
            raise AdvisorSilent(f"the advisor gave no first mixture within {self._timeout:g} seconds") from None
        check_mixture(decision.weights, domains)
        return decision

    def note(self, kind: str, position: int, body: dict[str, Any]) -> Future[None]:
        """Have an event written down, in order with the other calls."""
        return self._submit(lambda: self._retry(lambda: self._reached().note(kind, position, body), threading.Event()))

    def ask(self, report: LossReport, boundary: int) -> Question:
        """Send a report; the answer is taken later by `answer`."""
        dropped = threading.Event()
        asked = self._submit(lambda: self._retry(lambda: self._reached().decide(report), dropped))
        return Question(report, boundary, asked, dropped)

    def answer(self, question: Question, domains: Sequence[str], kept: dict[str, float]) -> Decision:
        """The decision, or HOLD of the mixture `kept` where none comes in time or it cannot be used."""
        try:
            decision = question.answer.result(self._timeout)
            fault = find_fault(decision, question.boundary, domains)
        except TimeoutError:
            question.dropped.set()
            decision, fault = None, f"no decision within {self._timeout:g} seconds"
        except Exception as error:
            decision, fault = None, f"{type(error).__name__}: {error}"
        if decision is not None and fault is None:
            return decision
        return self._hold(question, fault or "", domains, kept)

    def close(self, seconds: float) -> None:
        """Wait until all that was sent has been written down, at most so long."""
        try:
            self._submit(lambda: None).result(seconds)
        except TimeoutError:
            log.warning("the advisor did not take the last notes within %g seconds", seconds)

    def _hold(self, question: Question, why: str, domains: Sequence[str], kept: dict[str, float]) -> Decision:
        """Have the HOLD stored; a decision that was stored after all is applied instead."""
        log.warning("the mixture is held from draw %d on: %s", question.boundary, why)
        ours = Decision(question.boundary, kept, "hold", detail=why)
        held: Future[Decision] = Future()
        call = threading.Thread(
            target=_resolve, args=(held, lambda: self._reached().hold(question.report, why)), daemon=True
        )
        call.start()
        try:
            stored = held.result(HOLD_SECONDS)
        except Exception as error:
            log.warning("the hold could not be stored: %s: %s", type(error).__name__, error)
            body = {"report": question.report.position, "why": why, "weights": dict(kept)}
            self.note("hold", question.boundary, body)
            return ours
        return stored if find_fault(stored, question.boundary, domains) is None else ours

    def _reached(self) -> Advisor:
        if self._advisor is None:
            self._advisor = self._make()
        return self._advisor

    def _retry(self, call: Callable[[], T], dropped: threading.Event) -> T:
        """Ask again while the advisor is away; a refusal (`ValueError`) is final."""
        for attempt in range(1_000_000):
            try:
                return call()
            except ValueError:
                raise
            except Exception as error:
                if dropped.is_set():
                    raise
                log.warning("the advisor did not answer, asking again: %s: %s", type(error).__name__, error)
                time.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
        raise AdvisorSilent("the advisor never answered")

    def _submit(self, call: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        self._tasks.put((call, future))
        return future

    def _work(self) -> None:
        while True:
            call, future = self._tasks.get()
            _resolve(future, call)
            if self._digest is not None:
                try:
                    self.journal_digest = self._digest()
                except Exception as error:
                    log.warning("no digest of the journal: %s: %s", type(error).__name__, error)


def _resolve(future: Future[T], call: Callable[[], T]) -> None:
    try:
        result = call()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


def find_fault(decision: Decision, boundary: int, domains: Sequence[str]) -> str | None:
    """Why a decision cannot be applied from `boundary` on, or None."""
    if decision.position != boundary:
        return f"the decision applies from draw {decision.position}, the interval begins at {boundary}"
    try:
        check_mixture(decision.weights, domains)
    except ValueError as error:
        return str(error)
    return None
