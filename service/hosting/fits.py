"""Fits of many allocations queue: first come, first served, a few at a time.

A fit is seconds of one core. Run as they come, a burst of them would slow each other and every
answer beside them; in a queue each ends as early as it can, and whoever needs none passes by.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class FitQueue:
    """The `fitting` of owners that share a process."""

    def __init__(self, at_once: int) -> None:
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="fit")
        self._lock = threading.Lock()
        self.waiting = self.done = 0

    def __call__(self, fit: Callable[[], T], /) -> T:
        with self._lock:  # counted and queued at once, so that places are in the order of counting
            place = self._pool.submit(self._run, fit)
            self.waiting += 1
        return place.result()

    def _run(self, fit: Callable[[], T]) -> T:
        with self._lock:
            self.waiting -= 1
        try:
            return fit()
        finally:
            with self._lock:
                self.done += 1

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
