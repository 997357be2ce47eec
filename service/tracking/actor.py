"""The tracker as a Ray actor: a thread that sends what is new, and waits longer each time that fails."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import Any

import ray

from service.actor import OwnerAddress, get_or_create, stop_actor
from service.journal import Journal
from service.tracking.settings import TrackSettings
from service.tracking.writer import TrackWriter
from service.urls import without_secrets

log = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS = 30.0
DRIVER_GONE_SECONDS = 120.0
NICENESS = 10  # on a machine that trains on CPUs, tracking takes what training leaves


class TrackerActor:
    """Nothing it does reaches training: it only reads the journal. All that fails is tried again."""

    def __init__(self, url: str, allocation: str, settings: TrackSettings) -> None:
        os.nice(NICENESS)
        self._settings, self._url = settings, url
        self._writer = TrackWriter(Journal(url), allocation, settings)
        self._lock = threading.Lock()
        self._error = ""
        self._ended = False
        self._heard = time.monotonic()
        threading.Thread(target=self._work, name="tracker", daemon=True).start()

    @ray.method(concurrency_group="beside")  # type: ignore[untyped-decorator]
    def beat(self) -> dict[str, Any]:
        """The driver is alive; answers with how the tracking stands."""
        self._heard = time.monotonic()
        return {"run_id": self._writer.run_id(), "error": self._error}

    @ray.method(concurrency_group="beside")  # type: ignore[untyped-decorator]
    def finish(self, status: str, seconds: float) -> dict[str, Any]:
        """Send what is left within about `seconds` and end the run; says what could not be sent."""
        deadline = time.monotonic() + seconds
        while not (sent := self._try(lambda: self._writer.finish(status))) and time.monotonic() < deadline:
            time.sleep(min(1.0, max(0.0, deadline - time.monotonic())))
        self._ended = sent
        return {"run_id": self._writer.run_id(), "sent": sent, "error": self._error, "behind": self._writer.behind()}

    def _work(self) -> None:
        wait = self._settings.every_seconds
        while not self._ended:
            done = self._try(self._send_all)
            wait = self._settings.every_seconds if done else min(2 * wait, LONGEST_WAIT_SECONDS)
            if time.monotonic() - self._heard > DRIVER_GONE_SECONDS:
                self._ended = self._try(lambda: self._writer.finish("KILLED"))
            time.sleep(wait)

    def _send_all(self) -> None:
        while not self._ended and self._writer.step():
            pass

    def _try(self, call: Any) -> bool:
        with self._lock:
            try:
                call()
            except Exception as error:  # MLflow raises anything; the journal keeps what was not sent
                text = without_secrets(str(error), self._settings.uri, self._url)
                self._error = f"{type(error).__name__}: {(text.splitlines() or [''])[0][:300]}"
                log.warning("tracking is behind and will catch up: %s", self._error)
                return False
            self._error = ""
            return True


def reach_tracker(address: OwnerAddress, settings: TrackSettings) -> Any:
    """The tracker of an allocation, made if it is not there."""
    return get_or_create("tracker", TrackerActor, address, address.url, address.allocation, settings)


def stop_tracker(address: OwnerAddress) -> None:
    stop_actor("tracker", address.url, address.allocation)
