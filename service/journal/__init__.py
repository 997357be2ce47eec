"""The journal: what was asked, what was answered and why, on disk before anyone acts on it."""

from service.journal.errors import AllocationExists, Fenced, JournalDamaged, JournalError, NoSuchAllocation
from service.journal.event import Event, decision_of, report_of
from service.journal.journal import Journal
from service.journal.store import Snapshot, Watermark

__all__ = [
    "AllocationExists",
    "Event",
    "Fenced",
    "Journal",
    "JournalDamaged",
    "JournalError",
    "NoSuchAllocation",
    "Snapshot",
    "Watermark",
    "decision_of",
    "report_of",
]
