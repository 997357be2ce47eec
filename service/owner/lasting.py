"""The owner of a run in training, beside a service that may open the same allocation.

Whoever opened an allocation last owns it. A person who sets a mode through the service takes it over for
that moment; the training's next question takes it back, from the journal, with what was set in force.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from policies import BadReport
from service.journal import Fenced, Journal
from service.owner.owner import Owner

log = logging.getLogger(__name__)
T = TypeVar("T")
TAKEN_OVER = 6  # times in a row before the asker hears of it


class LastingOwner:
    """An `Owner` that opens itself again where it finds itself fenced out. Safe for threads."""

    def __init__(self, journal: Journal, allocation: str) -> None:
        self._journal, self.allocation = journal, allocation
        self._opening = threading.Lock()
        self._owner = Owner(journal, allocation)

    def ask(self, question: Callable[[Owner], T]) -> T:
        """The answer of the newest owner; every question to an owner may be asked twice."""
        for left in reversed(range(TAKEN_OVER)):
            owner = self._owner
            try:
                return question(owner)
            except Fenced:
                if not left:
                    raise
            except BadReport:  # it may have judged by a state that the service has moved on
                if owner.is_current() or not left:
                    raise
            self._take_back(owner)
        raise AssertionError("the loop returns or raises")

    def _take_back(self, lost: Owner) -> None:
        with self._opening:
            if self._owner is lost:
                time.sleep(random.uniform(0, 0.05))  # two that want the same do not meet again at once
                log.info("'%s' was taken over for a moment, taking it back", self.allocation)
                self._owner = Owner(self._journal, self.allocation)
