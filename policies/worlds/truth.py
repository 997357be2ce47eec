"""Noise-free losses as a function of the state of a run: the protocol, and effective data."""

from __future__ import annotations

import dataclasses
import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from policies.laws.pools import distinct_worth
from policies.worlds.state import State

Array = NDArray[np.float64]


class Truth(Protocol):
    """What a world knows and its policies have to find out."""

    @property
    def memory(self) -> float:
        """Draws over which the recent share forgets; infinity where nothing depends on it."""

    def clocks(self, position: float) -> Array:
        """(P,): what each clock shows at `position`, in draws; they never go back."""

    def losses(self, state: State) -> Array:
        """(..., M) positive losses of the targets."""


class Plain:
    """One clock, which counts draws, and no memory."""

    memory = math.inf

    def clocks(self, position: float) -> Array:
        return np.array([position])


@dataclasses.dataclass(frozen=True, kw_only=True)
class EffectiveData(Plain):
    """Losses E_i + A_i ((x_i + start) / reference)^-alpha_i after x_i effective draws.

        x_i = S_i + sum_(j not i) tau_ij T(S_j),   S_j = S(n_j; U_j)
        T(S) = reference ( ((S + start) / reference)^power - (start / reference)^power )

    Own draws count fully, foreign ones less and less (`power` < 1), as in the laws of transferred
    data k D^a (2102.01293, 2508.11953); after an equal share, tau_ij is what they are worth.

    tau (M, K), 1 on its diagonal; floor E, size A, alpha (M,); start and reference (an equal share of
    the budget) in draws; pools (K,), infinite where endless; repeat: R* of S in epochs.
    """

    tau: Array
    floor: Array
    size: Array
    alpha: Array
    start: float
    reference: float
    pools: Array
    repeat: float
    power: float

    def losses(self, state: State) -> Array:
        return self.floor + self.excess(self.effective(self.distinct(state.counts[..., 0, :])))

    def distinct(self, draws: Array) -> Array:
        return distinct_worth(draws, self.pools, self.repeat)

    def effective(self, distinct: Array) -> Array:
        """x (..., M) from distinct draws (..., K)."""
        x: Array = distinct + self.transferred(distinct) @ (self.tau - np.eye(len(self.tau))).T
        return x

    def transferred(self, distinct: Array) -> Array:
        """What distinct draws are worth to others, before tau."""
        start = self.start / self.reference
        grown = (distinct / self.reference + start) ** self.power - start**self.power
        return np.asarray(self.reference * grown)

    def excess(self, x: Array) -> Array:
        y: Array = self.size * ((x + self.start) / self.reference) ** -self.alpha
        return y


@dataclasses.dataclass(frozen=True)
class Wrapped:
    """A truth around another; by default it changes nothing. Stacks: forgetting(hubs)."""

    inner: Truth

    @property
    def memory(self) -> float:
        return self.inner.memory

    def clocks(self, position: float) -> Array:
        return self.inner.clocks(position)

    def losses(self, state: State) -> Array:
        return self.inner.losses(state)
