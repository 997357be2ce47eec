"""Where a simulated training stands: what was drawn, on which clocks, and lately."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Clocks = Callable[[float], Array]


@dataclasses.dataclass(frozen=True)
class State:
    """A point of a run, or a batch of them (leading dimensions `...`) at one position.

    draws (..., K): cumulative. counts (..., P, K): the same, each draw counted by what P clocks had
    moved on meanwhile (a clock that stops on a plateau, one for each regime of a world that changes,
    the sum of learning rates). recent (..., K): exponentially weighted share.
    """

    position: float
    draws: Array
    counts: Array
    recent: Array

    @classmethod
    def start(cls, K: int, clocks: Clocks) -> State:
        return cls(0.0, np.zeros(K), np.zeros((len(clocks(0.0)), K)), np.full(K, 1.0 / K))

    def advance(self, shares: Array, draws: float, clocks: Clocks, memory: float) -> State:
        """The state after `draws` more at `shares` (..., K). Two halves give what the whole gives."""
        ticks = clocks(self.position + draws) - clocks(self.position)
        keep = np.exp(-draws / memory)
        return State(
            self.position + draws,
            self.draws + draws * shares,
            self.counts + ticks[:, None] * shares[..., None, :],
            shares + (self.recent - shares) * keep,
        )

    @property
    def shares(self) -> Array:
        """Cumulative shares (..., K); equal ones before the first draw."""
        total = self.draws.sum(axis=-1, keepdims=True)
        equal = 1.0 / self.draws.shape[-1]
        return np.asarray(np.where(total > 0, self.draws / np.maximum(total, 1e-300), equal))
