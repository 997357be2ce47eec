"""Reads the journal while training runs and says what happened. It only reads: it cannot be in the way."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from policies import Decision
from service.journal import Event, Journal, decision_of, report_of
from service.pretrain.console import Console
from service.pretrain.lines import event_line, report_line, status_line
from trainers.loop import read_progress

log = logging.getLogger(__name__)

EVERY_SECONDS = 1.0
BEAT_EVERY = 5


class Watch:
    """A thread, for the time of a `with` block; what came last is said before the block ends.

    `beat` is called every few seconds, to show that this driver lives.
    """

    def __init__(
        self, journal: Journal, allocation: str, run_dir: str, budget: int, console: Console, beat: Callable[[], None]
    ) -> None:
        self._journal, self._allocation, self._run_dir = journal, allocation, run_dir
        self._budget, self._console, self._beat = budget, console, beat
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="watch", daemon=True)
        self._seen = journal.events(allocation)[-1].id if journal.events(allocation) else 0
        self._before: Decision | None = self._last_decision()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(30)
        self._console.status("")

    def _work(self) -> None:
        rounds = 0
        while not self._stop.wait(EVERY_SECONDS):
            self._guard(self._look)
            if rounds % BEAT_EVERY == 0:
                self._guard(self._beat)
            rounds += 1
        self._guard(self._look)

    def _guard(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:
            log.debug("the progress line missed a turn", exc_info=True)

    def _look(self) -> None:
        for event in self._journal.events(self._allocation, self._seen):
            self._seen = event.id
            self._say(event)
        progress = read_progress(self._run_dir)
        if progress is not None:
            self._console.status(status_line(progress))

    def _say(self, event: Event) -> None:
        if event.kind == "decision":
            self._say_decision(event)
        elif (text := event_line(event)) is not None:
            self._console.line(text)

    def _say_decision(self, event: Event) -> None:
        decision, asked = decision_of(event), (event.body.get("meta") or {}).get("report")
        report = None if asked is None else self._journal.find(self._allocation, f"report:{asked}")
        if report is not None:
            progress = read_progress(self._run_dir) or {}
            left = progress.get("seconds_left")
            self._console.line(report_line(report_of(report), event, self._budget, self._before, left))
        self._before = decision

    def _last_decision(self) -> Decision | None:
        last = self._journal.last(self._allocation, ["decision"])
        return None if last is None else decision_of(last)
