"""Errors of the journal, named after what the caller should do next."""


class JournalError(RuntimeError):
    """The store could not be read or written; what it held before is untouched."""


class NoSuchAllocation(JournalError):
    """Create the allocation first, or look for it in another store."""


class AllocationExists(JournalError):
    """Choose another name, or go on with the one that is there."""


class Fenced(JournalError):
    """Another owner has taken this allocation over: stop, and ask that one."""


class JournalDamaged(JournalError):
    """An event does not match its digest: restore the store from a backup."""
