"""What is sent beside training, in order, by one thread."""

from __future__ import annotations

import concurrent.futures as futures
import contextlib
import threading
import time
from collections.abc import Mapping
from typing import Any

from service.client.errors import ClientError, Refused, UnknownName, about
from service.client.records import Answer
from service.client.sync import AllocationClient

SHORTEST_SECONDS = 0.1  # of a try


class Mail:
    """The thread ends with the process, which waits for what is on its way, at most the client's deadline.

    `ask` makes the allocation where the service was away at the start.
    """

    def __init__(self, client: AllocationClient, ask: Mapping[str, Any]) -> None:
        self._client, self._ask = client, ask
        self._thread = futures.ThreadPoolExecutor(1, thread_name_prefix="isthmus-mail")
        self._sent: futures.Future[None] | None = None
        self._sent_at = 0.0
        self._latest: Answer | None = None
        self._failures: list[Exception] = []
        self._until: float | None = None  # the end of the time that is left, once there is one
        self._turn = threading.Lock()

    def begin(self, seconds: float) -> futures.Future[Answer]:
        """Get or create the allocation, giving up after `seconds`; returns at once."""
        return self._thread.submit(self._create, seconds)

    def send(self, report: Mapping[str, Any]) -> None:
        """Returns at once."""
        self._sent_at = time.monotonic()
        self._sent = self._thread.submit(self._deliver, dict(report))

    def take(self, seconds: float | None) -> tuple[Answer | None, list[Exception]]:
        """The newest answer that was not taken yet, and what went wrong since the last call.

        Waits at most `seconds` for the report sent last; None waits for as long as the client tries.
        """
        if self._sent is not None:
            futures.wait([self._sent], timeout=seconds)
        with self._turn:
            found = self._latest, self._failures
            self._latest, self._failures = None, []
        return found

    @property
    def waited(self) -> float | None:
        """Seconds since the last report was sent, where it is still on its way."""
        return None if self._sent is None or self._sent.done() else time.monotonic() - self._sent_at

    def finish(self) -> futures.Future[None]:
        """Send what is left, and what waits in the queue, within the client's deadline; returns at once."""
        self._until = time.monotonic() + self._client.deadline
        return self._thread.submit(self._flush)

    def close(self) -> None:
        """Wait for what is on its way."""
        self._thread.shutdown(wait=True)

    def _create(self, seconds: float) -> Answer:
        with self._client.within(seconds):
            return self._client.create(**self._ask)

    def _deliver(self, report: Mapping[str, Any]) -> None:
        try:
            with self._in_time():
                if not self._client.ready:
                    self._client.create(**self._ask)
                answer = self._say(report)
        except Exception as error:  # whatever it was, the next `take` tells
            self._fail(error)
        else:
            with self._turn:
                self._latest = answer

    def _flush(self) -> None:
        try:
            with self._in_time():
                if self._client.queued:
                    self._client.flush()
        except Exception as error:
            self._fail(error)

    def _in_time(self) -> contextlib.AbstractContextManager[None]:
        """Once it is closing, several reports take no longer together than one may."""
        if self._until is None:
            return contextlib.nullcontext()
        return self._client.within(max(SHORTEST_SECONDS, self._until - time.monotonic()))

    def _fail(self, error: Exception) -> None:
        with self._turn:
            self._failures.append(error)

    def _say(self, report: Mapping[str, Any]) -> Answer:
        """A site may have joined or left since the last answer: then the report is put into today's names."""
        try:
            return self._client.report(**report)
        except Refused:
            today = in_names(report, self._client.status())
            if today == report:
                raise
            answer = self._client.report(**today)
            for error in left_out(report, today):
                self._fail(error)
            return answer


def in_names(report: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any]:
    """The report over the domains and targets that the allocation has by now: nothing drawn, nothing measured else."""
    domains = [str(domain["name"]) for domain in status["domains"]]
    targets = list(status.get("targets") or domains)
    today = dict(report)
    today["draws"] = {name: report["draws"].get(name, 0) for name in domains}
    today["eval_loss"] = {name: report["eval_loss"].get(name) for name in targets}
    for field, names in (("eval_sem", targets), ("train_loss", domains), ("train_count", domains)):
        if report.get(field) is not None:
            today[field] = {name: value for name, value in report[field].items() if name in names}
    return today


def left_out(report: Mapping[str, Any], today: Mapping[str, Any]) -> list[ClientError]:
    """What was measured or drawn, and is of no use to the allocation as it is by now."""
    losses = [name for name, loss in report["eval_loss"].items() if loss is not None and name not in today["eval_loss"]]
    draws = [name for name, drawn in report["draws"].items() if drawn and name not in today["draws"]]
    found: list[ClientError] = []
    if losses:
        known = ", ".join(today["eval_loss"])
        names = ", ".join(f"'{name}'" for name in losses)
        text = f"the allocation has no target {names}; known are {known}; the loss is left out"
        found.append(about(UnknownName(text), f"target {names}"))
    if draws:
        known = ", ".join(today["draws"])
        names = ", ".join(f"'{name}'" for name in draws)
        text = f"the allocation has no domain {names}; known are {known}; its draws are left out"
        found.append(about(UnknownName(text), f"domain {names}"))
    return found
