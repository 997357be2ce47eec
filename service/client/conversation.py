"""What is said to the service and in which order; who sends it, and whether it waits or awaits, is not known here."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from service.client import calls
from service.client.calls import Call, Reply
from service.client.errors import (
    BadValue,
    ClientError,
    Conflict,
    QueueInUse,
    Refused,
    ServerFault,
    Unreachable,
    WrongSettings,
)
from service.client.outbox import Entry, Outbox
from service.client.records import Answer, Decision, Schedule
from service.client.retry import Deadline, Steps, exchange
from service.client.settings import Settings

log = logging.getLogger("isthmus")
AT_ONCE = 1_000
# A report the service will never take, whatever the weather: it must not hold up those behind it.
_NEVER = (Refused, Conflict)
_NOT_NOW = (Unreachable, ServerFault)
_STRANGE = "the answer is not one of this service: is this URL its own, and not that of something in between?"


class Conversation:
    """The state between calls: which allocation, what waits, whether the service was there last time."""

    def __init__(self, settings: Settings, allocation: str | None = None, outbox: Outbox | None = None) -> None:
        self.settings = settings
        self.outbox = outbox
        self._allocation = allocation
        self.offline = False
        self.limit: float | None = None  # seconds, where a call may take less than the settings say
        self.trouble: ClientError | None = None  # why the service could not be reached
        if outbox is not None and allocation is not None:
            self._bind(outbox, allocation)

    @property
    def allocation(self) -> str:
        found = self._allocation or (self.outbox.state.get("allocation") if self.outbox is not None else None)
        if not found:
            raise WrongSettings("no allocation yet; call create(...) first, or pass allocation= its id")
        return str(found)

    @property
    def ready(self) -> bool:
        return bool(self._allocation) or (self.outbox is not None and bool(self.outbox.state))

    def use(self, allocation: str) -> None:
        self._allocation = allocation

    # -- calls that need nothing but an answer

    def ask(self, call: Call) -> Steps[Any]:
        """The JSON of the reply, None where it has no body."""
        reply = yield from self._exchange(call, self._deadline())
        return reply.json() if reply.content else None

    def text(self, call: Call) -> Steps[str]:
        reply = yield from self._exchange(call, self._deadline())
        return reply.content.decode("utf-8", "replace")

    # -- the start

    def create(self, body: Mapping[str, Any]) -> Steps[Answer]:
        """Get or create; with a queue, a service that is not there is no reason not to begin."""
        if self.outbox is None:
            return (yield from self._created(body, self._deadline()))
        self._claim(self.outbox, body)
        try:
            return (yield from self._created(body, self._deadline()))
        except _NOT_NOW as error:
            self.offline, self.trouble = True, error
            return self._last_known(self.outbox)

    def _created(self, body: Mapping[str, Any], deadline: Deadline) -> Steps[Answer]:
        reply = yield from self._exchange(calls.create(body), deadline)
        answered = reply.json()
        found = str(answered["id"]) if isinstance(answered, dict) and "id" in answered else None
        if found is None:
            raise ServerFault(_STRANGE, status=reply.status)
        self._check_owner(found)
        self._allocation = found
        if self.outbox is not None:
            self.outbox.remember(allocation=self._allocation)
        return self._keep(_read(answered, created=reply.status == 201, allocation=self._allocation))

    def _check_owner(self, found: str) -> None:
        """Reports that wait for one allocation are not sent to another of the same name, such as another project's."""
        before = None if self.outbox is None else self.outbox.state.get("allocation")
        if self.outbox is not None and len(self.outbox) and before not in (None, found):
            raise QueueInUse(
                f"queue '{self.outbox.path}' holds {len(self.outbox)} reports for allocation {before}, and this one is "
                f"{found}: of another project, or another service; name another file"
            )

    # -- reports

    def report(self, bodies: Sequence[Mapping[str, Any]]) -> Steps[Answer]:
        """Send reports in order; the answer is that of the last one.

        With a queue they are written down first, then everything that waits is sent, oldest first.
        """
        if not bodies:
            raise BadValue("no report was given; send one at least")
        if self.outbox is not None:
            entries = self.outbox.add(bodies)
            return (yield from self.deliver({entry.number for entry in entries}))
        deadline, answer = self._deadline(), None
        for first in range(0, len(bodies), AT_ONCE):
            part = list(bodies[first : first + AT_ONCE])
            answer = yield from self._send(part if len(part) > 1 else part[0], deadline)
        assert answer is not None
        return answer

    def deliver(self, own: frozenset[int] | set[int] = frozenset()) -> Steps[Answer]:
        """Send what waits, one by one. An entry of `own` that is refused raises, once the others are through."""
        if self.outbox is None:
            raise WrongSettings("this client has no queue; pass queue= a file")
        deadline, answer, refusal = self._deadline(), None, None
        refused: list[ClientError] = []
        try:
            for entry in self.outbox.waiting():
                try:
                    answer = yield from self._deliver(entry, self.outbox, deadline)
                except _NEVER as error:
                    self.outbox.set_aside(entry, error)
                    refused.append(error)
                    refusal = error if entry.number in own else refusal
        except _NOT_NOW as error:
            self.offline, self.trouble = True, error
            answer = None
        finally:
            self._warn_of([error for error in refused if error is not refusal], self.outbox)
        if refusal is not None:
            raise refusal
        return answer or self._last_known(self.outbox)

    @staticmethod
    def _warn_of(refused: Sequence[ClientError], outbox: Outbox) -> None:
        """What was refused and raises nowhere: reports that had waited, and all but one of several."""
        if refused:
            where = "" if outbox.path is None else f"; they lie in {outbox.path}.refused"
            log.warning("%d report(s) were refused and steer nothing: %s%s", len(refused), refused[0], where)

    def _deliver(self, entry: Entry, outbox: Outbox, deadline: Deadline) -> Steps[Answer]:
        if not (self._allocation or outbox.state.get("allocation")):
            yield from self._create_late(outbox, deadline)
        answer = yield from self._send(entry.body, deadline)
        outbox.done(entry)
        return answer

    def _create_late(self, outbox: Outbox, deadline: Deadline) -> Steps[None]:
        wanted = outbox.state.get("create")
        if wanted is None:
            raise WrongSettings("no allocation yet; call create(...) first, or pass allocation= its id")
        try:
            yield from self._created(wanted, deadline)
        except _NEVER as error:
            # Not the report is wrong but the allocation: no report may be set aside for it.
            raise WrongSettings(
                f"the allocation was refused: {error}", status=error.status, problem=error.problem
            ) from error

    def _send(self, body: Any, deadline: Deadline) -> Steps[Answer]:
        reply = yield from self._exchange(calls.reports(self.allocation, body), deadline)
        return self._keep(_read(reply.json(), allocation=self.allocation))

    # -- inside

    def _deadline(self) -> Deadline:
        """While the service is known to be away, a client with a queue tries once a call and goes on."""
        once = self.offline and self.outbox is not None
        seconds = self.settings.deadline if self.limit is None else min(self.limit, self.settings.deadline)
        return Deadline(seconds, self.settings.timeout, attempts=1 if once else None)

    def _exchange(self, call: Call, deadline: Deadline) -> Steps[Reply]:
        try:
            reply = yield from exchange(call, deadline, self.settings.token)
        except ClientError as error:
            self.offline = isinstance(error, _NOT_NOW)
            raise
        self.offline = False
        return reply

    def _keep(self, answer: Answer) -> Answer:
        """Remember the mixture, for the time when the service cannot be reached."""
        if self.outbox is not None:
            self.outbox.remember(decision=answer.decision.body, schedule=answer.schedule.to_dict())
        return answer

    def _last_known(self, outbox: Outbox) -> Answer:
        state = outbox.state
        waiting = len(outbox)
        if state.get("decision") is not None:
            decision = Decision.read(state["decision"])
            schedule = Schedule.read(state["schedule"])
        elif state.get("create") is not None:
            decision = Decision(0, _baseline(state["create"]), "offline", "the service has not been reached yet")
            schedule = Schedule.start(decision.weights)
        else:
            raise Unreachable("the service cannot be reached and no mixture is known yet")
        where = max((int(entry.body["position"]) for entry in outbox.waiting()), default=decision.position)
        known = self._allocation or state.get("allocation")
        why = str(self.trouble or "") if self.offline else ""
        return Answer(decision, schedule, where, offline=self.offline, queued=waiting, allocation=known, why=why)

    def _claim(self, outbox: Outbox, body: Mapping[str, Any]) -> None:
        """The queue belongs to this allocation from now on."""
        before = outbox.state.get("create")
        if before is not None and before.get("name") != body["name"]:
            raise QueueInUse(
                f"queue '{outbox.path}' belongs to allocation '{before.get('name')}', not '{body['name']}'; "
                f"name another file"
            )
        if outbox.state.get("allocation") is None or before is None:
            outbox.remember(create=dict(body))

    @staticmethod
    def _bind(outbox: Outbox, allocation: str) -> None:
        before = outbox.state.get("allocation")
        if before is not None and before != allocation:
            raise QueueInUse(f"queue '{outbox.path}' belongs to allocation '{before}', not '{allocation}'")
        outbox.remember(allocation=allocation)


def _read(body: Any, **more: Any) -> Answer:
    try:
        return Answer.read(body, **more)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ServerFault(_STRANGE) from None


def _baseline(body: Mapping[str, Any]) -> dict[str, float]:
    """The mixture to begin with when nobody can be asked: the baseline, by default uniform."""
    if body.get("baseline"):
        total = sum(body["baseline"].values())
        return {name: share / total for name, share in body["baseline"].items()}
    names = [domain if isinstance(domain, str) else domain["name"] for domain in body["domains"]]
    return {name: 1.0 / len(names) for name in names}
