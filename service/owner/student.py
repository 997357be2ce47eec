"""The policy of an owner as a function of the journal: it has seen the active events up to `seen`, in order.

Whether the process lived all the time or came back after a kill makes no difference: both read
the same events, and the same calls on the policy follow.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from policies import Decision, Domain
from policies.policy import BasePolicy
from policies.records import check_mixture
from service.journal import Event, Journal, Snapshot, report_of
from service.journal.event import canonical
from service.owner.spec import Spec

log = logging.getLogger(__name__)

LEARNT_FROM = ("report", "domains")


class Student:
    """Feeds journaled events to a policy, and puts the policy back where it was if one of them breaks it."""

    def __init__(self, journal: Journal, allocation: str, epoch: int) -> None:
        self._journal, self._allocation, self._epoch = journal, allocation, epoch
        self.spec = Spec.from_dict(journal.spec(allocation))
        self.restore()

    def restore(self) -> None:
        """The last dump; the events after it follow with the next `catch_up`."""
        self.policy, self.seen = self._last_dump()
        failed = self._journal.events(self._allocation, kinds=["fit_failed"], active=True)
        self._skipped = {int(event.body["event"]) for event in failed}

    def _last_dump(self) -> tuple[BasePolicy, int]:
        """The policy and the event it has seen; one that has seen nothing where no dump can be read.

        A dump of an older version may be unreadable; the reports are always there to learn from again.
        """
        snapshot = self._journal.latest_snapshot(self._allocation)
        if snapshot is not None:
            try:
                return self.spec.load(snapshot.state), snapshot.event
            except Exception as error:
                log.warning("the policy's dump cannot be read (%r); all its reports are replayed", error)
        return self.spec.build(), 0

    def unseen(self) -> list[Event]:
        """What the policy has still to learn from, oldest first."""
        return self._journal.events(self._allocation, self.seen, LEARNT_FROM, active=True)

    def costs_a_fit(self, events: Sequence[Event]) -> bool:
        """Whether taking in `events` means fitting laws, and not just keeping books."""
        reports = [event for event in events if event.kind == "report" and event.id not in self._skipped]
        return any(self.policy.fits_on(report_of(event)) for event in reports)

    def catch_up(self, events: Sequence[Event] | None = None) -> str | None:
        """Take in every event not seen yet; returns why the newest could not be used, or None."""
        failure = None
        for event in self.unseen() if events is None else events:
            failure = self._take(event) if event.id not in self._skipped else "it failed before"
            self.seen = event.id
        return failure

    def snapshot(self, position: int) -> Snapshot | None:
        """A dump to keep beside the decision; without one a restart only takes longer."""
        try:
            state = self.policy.dump()
            text = canonical(state)
        except Exception:
            log.warning("no dump of the policy at %d; a restart replays its reports", position, exc_info=True)
            return None
        return Snapshot(self.seen, position, state, text)

    def tried(self, position: int, domains: Sequence[Domain]) -> Decision:
        """What a copy of the policy would propose with other domains; raises whatever it raises at them."""
        copy = self.spec.load(self.policy.dump())
        copy.update_domains(position, domains)
        decision = copy.propose()
        check_mixture(decision.weights, [domain.name for domain in domains])
        canonical(decision.to_dict())
        return decision

    def _take(self, event: Event) -> str | None:
        before = self.policy.dump()
        try:
            if event.kind == "report":
                self.policy.replay(report_of(event))  # checked before it was committed
            else:
                self.policy.update_domains(event.position, [Domain.from_dict(d) for d in event.body["domains"]])
            self._check_answer()
        except Exception as error:  # a policy is anybody's code: whatever it raises, training goes on
            return self._fail(event, before, error)
        return None

    def _check_answer(self) -> None:
        """An answer that cannot be drawn from or written down is a failure too."""
        decision = self.policy.propose()
        check_mixture(decision.weights, [domain.name for domain in self.policy.domains])
        canonical(decision.to_dict())

    def _fail(self, event: Event, before: Mapping[str, Any], error: Exception) -> str:
        why = f"{type(error).__name__}: {error}"
        log.warning("the policy failed on event %d at %d: %s", event.id, event.position, why, exc_info=error)
        body = {"event": event.id, "kind": event.kind, "cause": why}
        self._journal.append(
            self._allocation, "fit_failed", body, epoch=self._epoch, position=event.position, once=f"failed:{event.id}"
        )
        self._skipped.add(event.id)
        self.policy = self.spec.load(before)
        return why
