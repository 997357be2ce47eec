"""How a history stays short: neighbours become their average."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Protocol, Self, TypeVar

import numpy as np


class Averaged(Protocol):
    """One report, or the average of neighbouring ones, at a mean position in draws."""

    @property
    def position(self) -> float: ...

    def merged(self, later: Self) -> Self:
        """The average of this and the next."""
        ...


T = TypeVar("T", bound=Averaged)


def thinned(rows: Sequence[T], limit: int) -> tuple[T, ...]:
    """`rows`, in order of position; where they are more than `limit`, the two nearest in log position as one.

    The latest stays as it is.
    """
    if len(rows) <= limit:
        return tuple(rows)
    ratios = [b.position / max(a.position, 1.0) for a, b in itertools.pairwise(rows)]
    k = int(np.argmin(ratios[:-1]))
    return (*rows[:k], rows[k].merged(rows[k + 1]), *rows[k + 2 :])
