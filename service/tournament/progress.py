"""How far it is and how long it will take: a moving line on a terminal, every twentieth in a log."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from service.story.words import duration, plural
from service.tournament.cell import Outcome
from service.tournament.order import Entrant, Job

LOG_PARTS = 20
Kind = tuple[str, int]  # of cells that take about the same time: name of the policy, K


class TimeLeft:
    """Seconds left, from the CPU time of finished cells of the same policy and K."""

    def __init__(self, jobs: Sequence[Job], workers: int) -> None:
        self._workers = workers
        self._open: dict[Kind, int] = defaultdict(int)
        for job in jobs:
            for entrant in job.entrants:
                self._open[_kind(entrant, job)] += 1
        self._seen: dict[Kind, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self._spent = 0.0

    def done(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            kind = (outcome.entrant, outcome.place.K)
            self._open[kind] -= 1
            if outcome.result is not None and outcome.result.seconds is not None:
                self._seen[kind][0] += outcome.result.seconds
                self._seen[kind][1] += 1
                self._spent += outcome.result.seconds

    def seconds(self, elapsed: float) -> float | None:
        """None before anything is known; other work on the machine is allowed for by `elapsed` seconds so far."""
        if not self._spent:
            return None
        cpu = sum(left * self._cost(kind) for kind, left in self._open.items())
        return cpu * elapsed / self._spent

    def _cost(self, kind: Kind) -> float:
        total, number = self._seen[kind]
        if number:
            return total / number
        alike = [(t / n, K) for (name, K), (t, n) in self._seen.items() if name == kind[0] and n]
        if alike:  # the same policy elsewhere: the work grows about as K to the 1.5
            cost, K = alike[-1]
            return float(cost * (kind[1] / K) ** 1.5)
        known = [t / n for t, n in self._seen.values() if n]
        return sum(known) / len(known)


def _kind(entrant: Entrant, job: Job) -> Kind:
    return entrant.name, job.place.K


class Show:
    """Shows the progress of `jobs` while it is open."""

    def __init__(self, jobs: Sequence[Job], workers: int, what: str = "cells", console: Console | None = None) -> None:
        self._left = TimeLeft(jobs, workers)
        self._total = sum(len(job.entrants) for job in jobs)
        self._what, self._workers, self._done, self._failed = what, workers, 0, 0
        self._console = console or Console(file=sys.stdout, highlight=False)
        self._begun = time.monotonic()
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[said]}"),
                console=self._console,
            )  # fmt: skip
            self._task = self._bar.add_task(self._what, total=self._total, said="")
            self._bar.start()
        else:
            self._console.print(f"{plural(self._total, 'cell')} to run on {plural(self._workers, 'core')}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def done(self, outcomes: Sequence[Outcome]) -> None:
        """Some cells have ended."""
        before = self._done
        self._done += len(outcomes)
        self._failed += sum(outcome.result is None for outcome in outcomes)
        self._left.done(outcomes)
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, said=self._said(outcomes))
        elif self._done * LOG_PARTS // self._total > before * LOG_PARTS // self._total:
            self._console.print(f"{self._what}: {self._done} of {self._total}, {self._said(outcomes)}", soft_wrap=True)

    def _said(self, outcomes: Sequence[Outcome]) -> str:
        left = self._left.seconds(time.monotonic() - self._begun)
        place = outcomes[-1].place
        said = f"{place.world} K={place.K}"
        said += "" if left is None else f", {duration(left)} left"
        return said + (f", {self._failed} failed" if self._failed else "")
