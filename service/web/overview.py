"""The allocations of a project as rows, straight from the store."""

from __future__ import annotations

import dataclasses
from typing import Any

from markupsafe import Markup

from service.journal import Entry, Event, Journal
from service.web.reasons import ago, in_words, steered
from service.web.strip import strip


@dataclasses.dataclass(frozen=True)
class Row:
    """One allocation in the list; `position` and `budget` in draws, `reported` says how long ago."""

    id: str
    name: str
    project: str
    policy: str
    state: str
    position: int
    budget: int
    mode: str
    reason: str
    words: str
    detail: str
    mixture: Markup
    reported: str


def row(journal: Journal, entry: Entry, now: float) -> Row:
    """Three small reads; nobody has to own the allocation for that."""
    report, decision, mode = (journal.last(entry.id, [kind]) for kind in ("report", "decision", "mode"))
    position = 0 if report is None else report.position
    spec, body = entry.spec, {} if decision is None else decision.body
    reason = str(body.get("reason", "none yet"))
    return Row(
        id=entry.id,
        name=entry.name or entry.id,
        project=entry.project or "",
        policy=spec["policy"],
        state=_state(entry, position),
        position=position,
        budget=spec["budget"],
        mode=steered(spec["steering"] if mode is None else mode.body),
        reason=reason,
        words=in_words(reason),
        detail=str(body.get("detail", "")),
        mixture=strip(body.get("weights", {}), _names(spec)),
        reported=_since(report, now),
    )


def _names(spec: dict[str, Any]) -> list[str]:
    return [domain["name"] for domain in spec["domains"]]


def _since(event: Event | None, now: float) -> str:
    return "none yet" if event is None else ago(now - event.at)


def _state(entry: Entry, position: int) -> str:
    if entry.archived_at is not None:
        return "archived"
    return "finished" if position >= entry.spec["budget"] else "running" if position else "begun"
