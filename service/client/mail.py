"""Reports sent beside training, in order, by one thread."""

from __future__ import annotations

import concurrent.futures as futures
import threading
from collections.abc import Mapping
from typing import Any

from service.client.errors import Refused
from service.client.records import Answer
from service.client.sync import AllocationClient


class Mail:
    """The thread ends with the process, which waits for what is on its way, at most the client's deadline.

    `ask` makes the allocation where the service was away at the start.
    """

    def __init__(self, client: AllocationClient, ask: Mapping[str, Any]) -> None:
        self._client, self._ask = client, ask
        self._thread = futures.ThreadPoolExecutor(1, thread_name_prefix="isthmus-mail")
        self._sent: futures.Future[None] | None = None
        self._latest: Answer | None = None
        self._failure: Exception | None = None
        self._turn = threading.Lock()

    def send(self, report: Mapping[str, Any]) -> None:
        """Returns at once."""
        self._sent = self._thread.submit(self._deliver, dict(report))

    def take(self, seconds: float | None) -> tuple[Answer | None, Exception | None]:
        """The newest answer that was not taken yet, and what went wrong since the last call.

        Waits at most `seconds` for the report sent last; None waits for as long as the client tries.
        """
        if self._sent is not None:
            futures.wait([self._sent], timeout=seconds)
        with self._turn:
            found = self._latest, self._failure
            self._latest = self._failure = None
        return found

    def close(self) -> None:
        """Wait for what is on its way."""
        self._thread.shutdown(wait=True)

    def _deliver(self, report: Mapping[str, Any]) -> None:
        try:
            if not self._client.ready:
                self._client.create(**self._ask)
            answer = self._say(report)
        except Exception as error:  # whatever it was, the next `take` tells
            with self._turn:
                self._failure = error
        else:
            with self._turn:
                self._latest = answer

    def _say(self, report: Mapping[str, Any]) -> Answer:
        """A site may have joined or left since the last answer: then the report is put into today's names."""
        try:
            return self._client.report(**report)
        except Refused:
            today = in_names(report, self._client.status())
            if today == report:
                raise
            return self._client.report(**today)


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
