"""Why a file is left out, while it is being read."""

from __future__ import annotations


class Refused(Exception):
    """This file is no usable volume: `value` is what was found, `cause` why that will not do and the cure.

    `passing` says that the file may be good and the machine was not (permission, memory, network): the next
    look reads it again. `names` are words (of a patient) that must not be shown with it.
    """

    def __init__(self, value: str, cause: str, *, passing: bool = False) -> None:
        super().__init__(value, cause)
        self.value, self.cause, self.passing = value, cause, passing
        self.names: tuple[str, ...] = ()
