"""Effective data whose parameters change once in the run; shared by the worlds that drift."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from policies.worlds import settings
from policies.worlds.draw import Range, uniform
from policies.worlds.state import State
from policies.worlds.truth import EffectiveData

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwoRegimes(EffectiveData):
    """From position `at` on, a draw from j is worth factor_ij of before to i, and floors are `floor_after`."""

    at: float
    factor: Array
    floor_after: Array

    def clocks(self, position: float) -> Array:
        return np.array([min(position, self.at), max(position - self.at, 0.0)])

    def losses(self, state: State) -> Array:
        before = self.distinct(state.counts[..., 0, :])
        after = self.distinct(state.counts.sum(axis=-2)) - before
        distinct = before[..., None, :] + self.factor * after[..., None, :]  # (..., M, K)
        own = np.einsum("...mm->...m", distinct)
        foreign = self.tau - np.eye(len(self.tau))
        x = own + (self.transferred(distinct) * foreign).sum(axis=-1)
        return (self.floor if state.position < self.at else self.floor_after) + self.excess(x)


def boundary(rng: np.random.Generator, part: Range) -> float:
    """A position within `part` of the budget at which the mixture may change."""
    interval = settings.BUDGET // settings.INTERVALS
    return float(round(float(uniform(rng, part)) * settings.INTERVALS) * interval)
