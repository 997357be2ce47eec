"""Token buckets: a steady rate with room for a burst, one bucket a name."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from service.api.problems import Trouble

MOST = 10_000  # names remembered; a forgotten one starts with a full bucket


class Buckets:
    """`rate` drops a second run into each bucket, which holds `most`."""

    def __init__(self, rate: float, most: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._most, self._clock = rate, most, clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, name: str) -> None:
        """Take one drop; raises `Trouble` (429) where there is none."""
        wait = self.take(name)
        if wait > 0:
            raise Trouble(429, "requests come too fast; wait", {"Retry-After": str(int(wait) + 1)})

    def take(self, name: str) -> float:
        """Take one drop: 0 where there was one, else the seconds until there will be."""
        now = self._clock()
        with self._lock:
            level, then = self._levels.pop(name, (self._most, now))
            level = min(self._most, level + (now - then) * self._rate)
            enough = level >= 1
            self._levels[name] = (level - 1 if enough else level, now)
            if len(self._levels) > MOST:
                self._levels.popitem(last=False)
        return 0.0 if enough else (1 - level) / self._rate
