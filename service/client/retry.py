"""When to try again: exponential backoff with full jitter, within one deadline."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable, Generator
from typing import Any, TypeVar

from service.client.calls import Call, LostContact, Pause, Reply
from service.client.errors import ClientError, Unreachable
from service.client.problem import error_of, is_starting
from service.client.settings import Secret

_T = TypeVar("_T")
# A conversation asks its driver for calls and pauses; the driver sends replies in, or throws `LostContact`.
Steps = Generator["Call | Pause", "Reply | None", _T]

NO_ANSWER = "no answer from the service: "
BUSY = 429
PASSING = (502, 503, 504)
FIRST_SECONDS, LONGEST_SECONDS = 0.2, 10.0
# Its own generator: the one of `random` belongs to the training run that this client steers.
_DICE = random.SystemRandom()


@dataclasses.dataclass
class Deadline:
    """Seconds that a call with all its retries may still take; at most `attempts` tries."""

    seconds: float
    timeout: float
    attempts: int | None = None
    clock: Callable[[], float] = time.monotonic
    dice: Callable[[], float] = _DICE.random
    started: float = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.started = self.clock()

    @property
    def left(self) -> float:
        return self.seconds - (self.clock() - self.started)

    def backoff(self, tries: int) -> float:
        """Seconds before the next try: uniform below a bound that doubles."""
        return float(self.dice() * min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** (tries - 1)))


def exchange(call: Call, deadline: Deadline, token: Secret) -> Steps[Reply]:
    """Send until there is a reply that says something, or the deadline is over; raises what the caller should know."""
    tries = 0
    while True:
        tries += 1
        wait = deadline.backoff(tries)
        try:
            reply = yield dataclasses.replace(call, timeout=max(0.05, min(deadline.timeout, deadline.left)))
        except LostContact as lost:
            failure: ClientError = Unreachable(f"{NO_ANSWER}{token.hide_in(str(lost))}")
            again = call.repeatable or not lost.sent
        else:
            assert reply is not None
            if reply.status < 300:
                return reply
            failure = error_of(reply, token)
            passing = reply.status in PASSING or is_starting(reply)
            again = reply.status == BUSY or (passing and call.repeatable)
            wait = max(wait, reply.retry_after or 0.0)
        if not again or tries == deadline.attempts or wait >= deadline.left:
            raise failure
        yield Pause(wait)


def advance(steps: Steps[Any], answer: Reply | None, failure: LostContact | None) -> tuple[bool, Any]:
    """(False, the next step) or (True, the result): `StopIteration` could not leave a coroutine."""
    try:
        return False, steps.send(answer) if failure is None else steps.throw(failure)
    except StopIteration as end:
        return True, end.value
