"""Where an allocation stands, for anyone who reads its journal: nobody has to own it for that."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from policies import Decision, Domain, LossReport
from policies.intake import same
from service.journal import Event, Journal, decision_of, report_of
from service.owner.spec import Spec
from service.owner.steering import Steering


def status(journal: Journal, allocation: str, spec: Spec) -> dict[str, Any]:
    """The newest report's position, the newest decision, mode and pins."""
    decision = journal.last(allocation, ["decision"])
    report = journal.last(allocation, ["report"])
    return {
        "allocation": allocation,
        "attempt": journal.attempt(allocation),
        "budget": spec.budget,
        "position": 0 if report is None else report.position,
        "decision": None if decision is None else decision_of(decision).to_dict(),
        **steering(journal, allocation, spec).to_dict(),
    }


def steering(journal: Journal, allocation: str, spec: Spec) -> Steering:
    """What a person has laid over the policy."""
    event = journal.last(allocation, ["mode"])
    return spec.steering if event is None else Steering.from_dict(event.body)


def known_at(journal: Journal, allocation: str, position: int) -> tuple[Event | None, Event | None]:
    """The first report stored for `position`, and the decision that answers it.

    A decision that training acted on by itself comes first.
    """
    report, decision, held = f"report:{position}", f"decision:{position}", f"held:{position}"
    found = journal.find_all(allocation, [report, decision, held])
    return found.get(report), found.get(held) or found.get(decision)


def stored_answer(journal: Journal, allocation: str, report: LossReport) -> Decision | None:
    """The decision that this very report was answered with, marked `replayed`; None where it was not.

    A report that differs in anything is for the owner, who writes down what differs.
    """
    known, answer = known_at(journal, allocation, report.position)
    if answer is None or known is None or not same(report_of(known), report):
        return None
    return dataclasses.replace(decision_of(answer), replayed=True)


def domains(journal: Journal, allocation: str, spec: Spec) -> tuple[Domain, ...]:
    """The domains as they are now."""
    event = journal.last(allocation, ["domains"])
    bodies: list[Mapping[str, Any]] = [] if event is None else event.body["domains"]
    return tuple(Domain.from_dict(body) for body in bodies) or spec.domains


def ever_named(journal: Journal, allocation: str, spec: Spec) -> set[str]:
    """Names of all domains that it has had, also of those that left: their series are still there."""
    changes = journal.events(allocation, kinds=["domains"])
    return {domain.name for domain in spec.domains} | {
        one["name"] for event in changes for one in event.body["domains"]
    }
