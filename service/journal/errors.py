"""Errors of the journal, named after what the caller should do next."""


class JournalError(RuntimeError):
    """The store could not be read or written; what it held before is untouched."""


class StoreLost(JournalError):
    """The database does not answer or cannot write: what was committed is safe; see to it, then ask again."""


class NoSuchAllocation(JournalError):
    """Create the allocation first, or look for it in another store."""


class AllocationExists(JournalError):
    """Choose another name, or go on with the one that is there."""


class Fenced(JournalError):
    """Another owner has taken this allocation over: stop, and ask that one."""


class JournalDamaged(JournalError):
    """An event does not match its digest: restore the store from a backup."""


class Archived(JournalError):
    """The allocation was archived: it can be read, and begun anew under another name."""


class TooManyAllocations(JournalError):
    """The project has as many allocations as it may: archive some, or have the limit raised."""


def said(error: BaseException) -> str:
    """What a database said, in one line, without SQLAlchemy's statement and parameters."""
    cause = getattr(error, "orig", None) or error
    return (str(cause).splitlines() or [type(cause).__name__])[0]


def is_damage(error: BaseException | None) -> bool:
    """Whether SQLite says that its file is not what it wrote: cut short, or overwritten."""
    text = str(getattr(error, "orig", None) or "")
    return any(sign in text for sign in ("disk image is malformed", "file is not a database"))
