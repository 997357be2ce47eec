"""What keeps a question from being answered, named after what the caller should do next."""

from __future__ import annotations


class Busy(RuntimeError):
    """Too many questions on one allocation wait already: ask again later."""


class NotAnswered(RuntimeError):
    """The answer takes longer than anyone should wait; what was sent is safe: ask again for the answer."""


class HostLost(RuntimeError):
    """The process that owns the allocation cannot be kept alive: see to its node or its store."""


class Refused(ValueError):
    """One report of several cannot be used; those before it were taken.

    Parameters
    ----------
    index:
        Its place among those sent.
    message:
        What is wrong with it and the cure.
    answered:
        True where the position was answered before, from other draws.
    """

    def __init__(self, index: int, message: str, answered: bool) -> None:
        super().__init__(index, message, answered)
        self.index, self.message, self.answered = index, message, answered

    def __str__(self) -> str:
        return self.message
