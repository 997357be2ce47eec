"""What the kills did to a store: every difference from the run in peace, in words."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

from service.journal import Journal
from tests.faults.service.courses import INTERVAL
from tests.faults.service.load import Trained
from tests.faults.service.peace import Peace, decisions

ODD = ("fit_failed", "differs", "hold", "rewind")


@dataclasses.dataclass
class Account:
    """Counts over all allocations, and what is wrong with them."""

    sent: int = 0
    acknowledged: int = 0
    stored: int = 0
    decided: int = 0
    mixtures: int = 0
    owners: int = 0
    wrong: list[str] = dataclasses.field(default_factory=list)
    troubles: Counter[str] = dataclasses.field(default_factory=Counter)


def account(journal: Journal, clients: list[Trained], peace: Peace) -> Account:
    found = Account()
    for one in clients:
        events = journal.events(one.allocation)
        reports = [event.position for event in events if event.kind == "report"]
        decided = decisions(journal, one.allocation)
        found.sent += len(one.sent)
        found.acknowledged += len(one.wire.acknowledged)
        found.stored += len(set(reports))
        found.decided += len(decided) - 1
        found.mixtures += len({str(body["weights"]) for body in decided.values()})
        found.troubles += one.wire.troubles
        found.wrong += [f"{one.course.name}: {line}" for line in _differences(journal, one, reports, decided, peace)]
        found.wrong += [f"{one.course.name}: {e.kind} at {e.position}: {e.body}" for e in events if e.kind in ODD]
        found.owners += journal.open(one.allocation) - 1
    return found


def _differences(
    journal: Journal, one: Trained, reports: list[int], decided: dict[int, dict[str, Any]], peace: Peace
) -> list[str]:
    journal.verify(one.allocation)
    known = peace.decisions(one.course, len(one.sent))
    twice = [f"report {at} is stored {n} times" for at, n in Counter(reports).items() if n > 1]
    lost = [f"report {at} was acknowledged and is not stored" for at in sorted(set(one.wire.acknowledged) - {*reports})]
    silent = [f"report {at} was never acknowledged" for at in sorted(set(one.sent) - set(one.wire.acknowledged))]
    other = [f"decision {at}: {known.get(at)} became {decided.get(at)}" for at in _unequal(known, decided)]
    told = [
        f"the client was told {answer} at {at}, stored is {decided.get(at)}"
        for at, answers in one.wire.acknowledged.items()
        for answer in answers
        if {**answer, "replayed": False} != {**decided.get(at, {}), "replayed": False}
    ]
    left = [f"{one.left} reports wait in the queue"] if one.left else []
    refused = [f"{one.refused} reports were refused"] if one.refused else []
    short = [] if len(one.sent) * INTERVAL in decided else ["the last report has no decision"]
    return twice + lost + silent + other + told + left + refused + short


def _unequal(known: dict[int, Any], found: dict[int, Any]) -> list[int]:
    return [at for at in sorted(known.keys() | found.keys()) if known.get(at) != found.get(at)]
