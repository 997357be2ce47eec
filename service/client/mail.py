"""Reports sent beside training, in order, by one thread."""

from __future__ import annotations

import concurrent.futures as futures
import threading
from collections.abc import Mapping
from typing import Any

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
            answer = self._client.report(**report)
        except Exception as error:  # whatever it was, the next `take` tells
            with self._turn:
                self._failure = error
        else:
            with self._turn:
                self._latest = answer
