"""The chapter on where an allocation stands: its last decision and why, and what a person has laid over it."""

from __future__ import annotations

from service.journal import Entry, Journal
from service.report.page import Section
from service.story import Story, words
from service.web.frame import render
from service.web.overview import row
from service.web.reasons import ago
from service.web.strip import spelled, strip


def now_section(journal: Journal, entry: Entry, story: Story, now: float) -> Section:
    """Read fresh: mode and report may be newer than the story."""
    last = story.decisions[-1] if story.decisions else None
    found = row(journal, entry, now)
    decided = journal.last(entry.id, ["decision"])
    body = render(
        "now.html",
        row=found,
        attempt=entry.attempt,
        last=last,
        decided="" if decided is None else ago(now - decided.at),
        strip=strip(last.weights, story.names) if last else "",
        mixture=spelled(last.weights) if last else "",
        limits=[words.limit(label) for label in last.binding] if last else [],
        count=words.count,
    )
    return Section("now", "Last decision", "", body)
