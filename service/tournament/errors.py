"""What can be wrong with a tournament."""

from __future__ import annotations


class BadTournament(ValueError):
    """The tournament cannot be run as it was ordered: mend the order and start again."""


class CellsFailed(RuntimeError):
    """Some cells could not be run; the results of the others are written, and the same command tries again."""
