"""Rank 0's dealings with the service, and the mixture that came of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from service.client.errors import ServerFault, Unreachable, WrongSettings
from service.client.mail import Mail
from service.client.records import Answer
from service.client.sync import AllocationClient
from service.client.wire import creation_body, domain_names, target_weights

Say = Callable[[Exception], None]


class Desk:
    """Every rank has one for the mixture; only rank 0 opens it."""

    def __init__(
        self, client: AllocationClient | None, queue: str | os.PathLike[str] | None, ask: Mapping[str, Any]
    ) -> None:
        if client is not None and queue is not None:
            raise WrongSettings("a client and a queue were given; pass queue= to the client")
        self._client, self._queue, self._ask = client, queue, dict(ask)
        self._mail: Mail | None = None
        self._pending: dict[str, Any] | None = None
        names = domain_names(ask["domains"])
        self.weights: dict[str, float] = dict(ask.get("baseline") or {name: 1 / len(names) for name in names})
        self.names: tuple[str, ...] = names
        self.reason = "start"

    def open(self, say: Say) -> None:
        """Get or create the allocation. Where the service is away it is said, and asked again with each report."""
        creation_body(**{**self._ask, "targets": target_weights(self._ask.get("targets"))})
        if self._client is None:
            # Without a file, reports still wait in memory for as long as the process lives.
            self._client = AllocationClient(queue=self._queue if self._queue is not None else ":memory:")
        self._mail = Mail(self._client, self._ask)
        try:
            answer = self._client.create(**self._ask)
        except (Unreachable, ServerFault) as error:
            say(error)
            return
        if answer.offline:
            say(Unreachable("the service cannot be reached; reports wait in the queue"))
        self.follow(word_of(answer))

    def send(self, report: dict[str, Any], say: Say) -> None:
        self._pending = report
        if self._mail is None:
            say(Unreachable("this callback is closed"))
        else:
            self._mail.send(report)

    def hear(self, seconds: float | None) -> tuple[dict[str, Any] | None, Exception | None]:
        """What the service says by now, as a word that ranks can pass on, and what went wrong."""
        self._pending = None
        if self._mail is None:
            return None, None
        answer, failure = self._mail.take(seconds)
        if answer is None:
            return None, failure or Unreachable(f"no answer after {seconds} seconds")
        if answer.offline:
            return None, failure or Unreachable(f"the service cannot be reached; {answer.queued} reports wait")
        return word_of(answer), failure

    def follow(self, word: Mapping[str, Any]) -> None:
        """The mixture from here on."""
        self.weights = dict(word["weights"])
        self.names = tuple(self.weights)
        self.reason = str(word["reason"])

    def state(self) -> dict[str, Any]:
        return {"weights": self.weights, "reason": self.reason, "pending": self._pending}

    def restore(self, state: Mapping[str, Any], *, resend: bool) -> None:
        self.follow(state)
        if resend and state["pending"] is not None and self._mail is not None:
            self._pending = dict(state["pending"])
            self._mail.send(self._pending)

    def close(self) -> None:
        if self._mail is not None:
            self._mail.close()
            self._mail = None
        if self._client is not None:
            self._client.close()


def word_of(answer: Answer) -> dict[str, Any]:
    return {"weights": dict(answer.weights), "reason": answer.decision.reason}
