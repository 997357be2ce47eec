"""The journal: what was asked, what was answered and why, on disk before anyone acts on it."""

from service.journal.catalog import Entry
from service.journal.errors import (
    AllocationExists,
    Archived,
    Fenced,
    JournalDamaged,
    JournalError,
    NoSuchAllocation,
    StoreLost,
    TooManyAllocations,
)
from service.journal.event import Event, decision_of, report_of
from service.journal.journal import Journal
from service.journal.store import Snapshot, Watermark

__all__ = [
    "AllocationExists",
    "Archived",
    "Entry",
    "Event",
    "Fenced",
    "Journal",
    "JournalDamaged",
    "JournalError",
    "NoSuchAllocation",
    "Snapshot",
    "StoreLost",
    "TooManyAllocations",
    "Watermark",
    "decision_of",
    "report_of",
]
