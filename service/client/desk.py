"""Rank 0's dealings with the service, and the mixture that came of them."""

from __future__ import annotations

import concurrent.futures as futures
import os
import time
from collections.abc import Mapping
from typing import Any

from service.client.errors import ClientError, ServerFault, Unreachable, WrongSettings
from service.client.mail import Mail
from service.client.notices import Notices
from service.client.records import Answer
from service.client.retry import NO_ANSWER
from service.client.sync import AllocationClient
from service.client.wire import creation_body, domain_names, target_weights

START_SECONDS = 5.0  # training waits so long for the service, and then begins with the baseline
CLOSING_SECONDS = 5.0  # after so long it is said what `close` waits for
AGAIN_SECONDS, LONGEST_SECONDS = 5.0, 60.0  # between two tries to begin; doubled each time, up to the second


class Desk:
    """Every rank has one for the mixture; only rank 0 opens it. `begun`: the service has answered."""

    def __init__(
        self,
        client: AllocationClient | None,
        queue: str | os.PathLike[str] | None,
        ask: Mapping[str, Any],
        notices: Notices,
        start_seconds: float = START_SECONDS,
    ) -> None:
        if client is not None and queue is not None:
            raise WrongSettings("a client and a queue were given; pass queue= to the client")
        self._client, self._queue, self._ask, self._notices = client, queue, dict(ask), notices
        self._start_seconds = start_seconds
        self._mail: Mail | None = None
        self._beginning: futures.Future[Answer] | None = None
        self._again_at, self._pause = 0.0, AGAIN_SECONDS
        self._pending: dict[str, Any] | None = None
        self._address_said = False
        names = domain_names(ask["domains"])
        self.weights: dict[str, float] = dict(ask.get("baseline") or {name: 1 / len(names) for name in names})
        self.names: tuple[str, ...] = names
        self.reason = "start"
        self.begun = False

    def open(self) -> None:
        """Get or create the allocation. Where the service is away it is said, and asked again beside training."""
        creation_body(**{**self._ask, "targets": target_weights(self._ask.get("targets"))})
        if self._client is None:
            # Without a file, reports still wait in memory for as long as the process lives.
            self._client = AllocationClient(queue=self._queue if self._queue is not None else ":memory:")
        self._mail = Mail(self._client, self._ask)
        asked = time.monotonic()
        self._beginning = self._mail.begin(self._start_seconds)
        futures.wait([self._beginning], timeout=self._start_seconds + 0.5)
        word, failure = self._begun_with()
        if failure is not None and not isinstance(failure, Unreachable | ServerFault):
            raise failure
        if word is not None:
            self.follow(word)
        else:
            self._notices.warn(self._silence(time.monotonic() - asked, failure))

    def late_start(self) -> dict[str, Any] | None:
        """What the service said to a start that it did not answer in time; asks again where it has not. Never waits."""
        if self.begun or self._mail is None:
            return None
        if self._beginning is not None:
            word, failure = self._begun_with()
            if isinstance(failure, Unreachable | ServerFault):
                self._notices.warn(failure)
            elif failure is not None:
                self._notices.warn(WrongSettings(f"the allocation was refused: {failure}", status=failure.status))
            return word
        if time.monotonic() >= self._again_at and self._mail.waited is None:
            self._beginning = self._mail.begin(self._start_seconds)
        return None

    def send(self, report: dict[str, Any]) -> None:
        self._pending = report
        if self._mail is None:
            self._notices.warn(Unreachable("this callback is closed; the report was not sent"))
        else:
            self._mail.send(report)

    def hear(self, seconds: float | None) -> tuple[dict[str, Any] | None, list[Exception]]:
        """What the service says by now, as a word that ranks can pass on, and what went wrong."""
        self._pending = None
        if self._mail is None:
            return None, []
        answer, failures = self._mail.take(seconds)
        if answer is not None and not answer.offline:
            return self._word(answer), failures
        if answer is not None:
            failures.append(self._away(answer))
        waited = self._mail.waited
        if not failures and waited is not None:
            failures.append(Unreachable(f"no answer after {waited:.1f} s; it is taken at the next report if it comes"))
        return None, failures

    def follow(self, word: Mapping[str, Any]) -> None:
        """The mixture from here on."""
        self.weights = dict(word["weights"])
        self.names = tuple(self.weights)
        self.reason = str(word["reason"])
        self.begun = True
        if word.get("page") and not self._address_said:
            self._address_said = True
            self._notices.line(f"this run is steered; its page is {word['page']}")
        if word.get("page"):
            self._notices.mixture(int(word["position"]), self.weights, self.reason, str(word.get("detail", "")))

    def state(self) -> dict[str, Any]:
        return {"weights": self.weights, "reason": self.reason, "pending": self._pending, "begun": self.begun}

    def restore(self, state: Mapping[str, Any], *, resend: bool) -> None:
        self.weights, self.reason = dict(state["weights"]), str(state["reason"])
        self.names = tuple(self.weights)
        if resend and state["pending"] is not None and self._mail is not None:
            self._pending = dict(state["pending"])
            self._mail.send(self._pending)

    def close(self) -> list[Exception]:
        """Wait for what is on its way; what went wrong with it and was not told yet."""
        failures: list[Exception] = []
        if self._mail is not None:
            last = self._mail.finish()
            if futures.wait([last], timeout=CLOSING_SECONDS).not_done and self._client is not None:
                most = self._client.deadline
                self._notices.repeat("closing", f"closing: reports are still on their way, for {most:g} s at most")
            self._mail.close()
            failures = self.hear(0)[1]
            self._mail = None
        if self._client is not None:
            if self._client.queued:
                kept = (
                    f"they wait in {self._client.path}" if self._client.path else "without a queue file they are lost"
                )
                self._notices.repeat("left", f"{self._client.queued} reports were not delivered; {kept}")
            self._client.close()
        return failures

    def _silence(self, seconds: float, failure: ClientError | None) -> ClientError:
        """What is said where training begins without the service."""
        assert self._client is not None
        then = "beginning with the baseline mixture, going on trying"
        if isinstance(failure, ServerFault):
            return ServerFault(f"{self._client.url} failed: {failure}; {then}", status=failure.status)
        if failure is not None and failure.status is not None:
            return Unreachable(f"{self._client.url} cannot serve now: {failure}; {then}", status=failure.status)
        cause = str(failure or "it is silent").removeprefix(NO_ANSWER).removesuffix(f" ({self._client.url})")
        return Unreachable(f"no answer after {seconds:.0f} s from {self._client.url}: {cause}; {then}")

    def _begun_with(self) -> tuple[dict[str, Any] | None, ClientError | None]:
        """What came of the last try to begin; nothing while it goes on."""
        assert self._beginning is not None
        if not self._beginning.done():
            return None, None
        done, self._beginning = self._beginning, None
        self._again_at, self._pause = time.monotonic() + self._pause, min(2 * self._pause, LONGEST_SECONDS)
        try:
            answer = done.result()
        except ClientError as error:
            return None, error
        return (None, self._away(answer)) if answer.offline else (self._word(answer), None)

    def _away(self, answer: Answer) -> ClientError:
        """Why the answer is only the last one known, as an error of the kind that it was."""
        found = None if self._client is None else self._client.trouble
        kind = type(found) if isinstance(found, Unreachable | ServerFault) else Unreachable
        waiting = f"; {answer.queued} reports wait" if answer.queued else ""
        return kind(f"{answer.why or 'the service is away'}{waiting}", status=None if found is None else found.status)

    def _word(self, answer: Answer) -> dict[str, Any]:
        decision = answer.decision
        page = None if self._client is None else f"{self._client.url}/allocations/{answer.allocation}"
        about = {"position": decision.position, "detail": decision.detail, "page": page}
        return {"weights": dict(answer.weights), "reason": decision.reason, **about}
