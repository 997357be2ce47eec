"""Why a file is left out, while it is being read."""

from __future__ import annotations


class Refused(Exception):
    """This file is no usable volume: `value` is what was found, `cause` why that will not do and the cure."""

    def __init__(self, value: str, cause: str) -> None:
        super().__init__(value, cause)
        self.value, self.cause = value, cause
