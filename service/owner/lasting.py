"""Asking whoever owns an allocation now: another service, or a person through it, may take it over at any time.

Whoever opened an allocation last owns it. A person who sets a mode through the service takes it over for
that moment; the training's next question takes it back, from the journal, with what was set in force.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

from policies import BadReport, BadSetup
from service.journal import Fenced, Journal, StoreLost
from service.owner.owner import Owner

log = logging.getLogger(__name__)
T = TypeVar("T")
TAKEN_OVER = 8  # times in a row before the asker hears of it


def ask_newest(
    question: Callable[[Owner], T],
    opened: Callable[[], AbstractContextManager[Owner]],
    give_up: Callable[[Owner | None], None],
    instead: Callable[[], T | None] = lambda: None,
) -> T:
    """The answer of an owner that was the newest when it gave it; every question may be asked twice.

    `opened` has an owner at hand, opening one (which takes the allocation from whoever has it) if need be;
    `give_up` is told of one that must not be used again. Before each turn `instead` may have the answer.
    """
    for left in reversed(range(TAKEN_OVER)):
        owner, begun = None, time.monotonic()
        found = instead()
        if found is not None:
            return found
        try:
            with opened() as owner:
                return question(owner)
        except Fenced:
            give_up(owner)
            if not left:
                raise
            time.sleep(_aside(TAKEN_OVER - left, time.monotonic() - begun))
        except (BadReport, BadSetup):
            if owner is None or owner.is_current() or not left:
                raise
            give_up(owner)  # it judged by a state that another has moved on
        except StoreLost:
            give_up(owner)  # what it has in mind may not be what was committed
            raise
    raise AssertionError("the loop returns or raises")


def _aside(times: int, spent: float) -> float:
    """Seconds to step aside after having been fenced out so many times in a row, after `spent` seconds of work.

    Two services that want the same answer would otherwise each undo the other's fit for ever: at random, one
    of them leaves the other the time to end it.
    """
    return random.uniform(0, (0.05 + 2 * spent) * min(2**times, 8))


class LastingOwner:
    """An `Owner` that opens itself again where it finds itself fenced out. Safe for threads."""

    def __init__(self, journal: Journal, allocation: str) -> None:
        self._journal, self.allocation = journal, allocation
        self._opening = threading.Lock()
        self._owner: Owner | None = Owner(journal, allocation)

    def ask(self, question: Callable[[Owner], T]) -> T:
        """The answer of the newest owner; see `ask_newest`."""
        return ask_newest(question, self._opened, self._give_up)

    @contextmanager
    def _opened(self) -> Iterator[Owner]:
        with self._opening:
            if self._owner is None:
                log.info("'%s' was taken over for a moment, taking it back", self.allocation)
                self._owner = Owner(self._journal, self.allocation)
            found = self._owner
        yield found

    def _give_up(self, lost: Owner | None) -> None:
        with self._opening:
            if self._owner is lost:
                self._owner = None
