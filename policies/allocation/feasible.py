"""What mixtures are allowed for the rest of the budget."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from policies.records import Domain

Array = NDArray[np.float64]

SLACK = 1e-9  # of the cost: bounds that leave no room are widened by so much, so that an interior exists
ROUNDING = 1e-12  # relative; what sums of shares may be off by
TRUSTED = (0.0, 0.1, 0.25, 0.5, 1.0)  # of the way from the trust region to the bounds of the domains
WIDENINGS = 60  # caps that leave no room are made larger step by step, at last endless


@dataclasses.dataclass(frozen=True)
class Feasible:
    """Linear constraints on y (K,), the shares of the remaining *cost*: y_j = cost_j m_j / remaining.

    low, high: (K,) bounds on shares of draws; cap: (K,) most remaining draws; cost: (K,);
    remaining: cost units left. `relaxed` says that the caps had to be widened to spend it all.
    """

    names: tuple[str, ...]
    low: Array
    high: Array
    cap: Array
    cost: Array
    remaining: float
    relaxed: bool

    @classmethod
    def of(
        cls,
        domains: Sequence[Domain],
        spent: Mapping[str, float],
        remaining: float,
        trust: tuple[Array, Array] | None = None,
    ) -> Feasible:
        """Bounds of the domains, narrowed by `trust` (low, high) as far as the caps leave room."""
        low = np.array([d.min_share for d in domains])
        high = np.array([d.max_share for d in domains])
        cost = np.array([d.cost for d in domains])
        cap = np.array([max(d.cap - spent[d.name], 0.0) for d in domains])
        names = tuple(d.name for d in domains)
        free = cls(names, low, high, cap, cost, remaining, relaxed=False)
        if not free.possible():
            return free.narrowed(trust, 0.0).widened()
        return next(near for part in TRUSTED if (near := free.narrowed(trust, part)).possible())

    def narrowed(self, trust: tuple[Array, Array] | None, part: float) -> Feasible:
        """Within `trust` (low, high), widened by `part` of the way to the bounds of the domains; those bounds alone
        where that holds no mixture."""
        if trust is None:
            return self
        near = [np.clip(side, self.low, self.high) for side in trust]
        low, high = near[0] + part * (self.low - near[0]), near[1] + part * (self.high - near[1])
        return dataclasses.replace(self, low=low, high=high) if low.sum() <= 1.0 <= high.sum() else self

    def possible(self) -> bool:
        """Whether all that remains can be spent within bounds and caps."""
        share = self.most
        if np.all(self.cost == self.cost[0]):
            fits = np.all(self.low <= share * (1 + ROUNDING) + ROUNDING)
            return bool(fits and np.minimum(share, self.high).sum() >= 1 - ROUNDING)
        if np.all(share >= 1) or self._keeps(np.minimum(self.cap, self.remaining / self.cost)):
            return True
        G, _ = self._bounds()
        found = linprog(
            np.zeros(share.size),
            A_ub=G,
            b_ub=np.full(len(G), ROUNDING),
            A_eq=np.ones((1, share.size)),
            b_eq=np.ones(1),
            bounds=[(0.0, min(most, 1.0)) for most in share.tolist()],
            method="highs",
        )
        return bool(found.status == 0)

    def _keeps(self, draws: Array) -> bool:
        """Whether the mixture of `draws`, moved within the bounds, keeps all caps: a cheap way to see room."""
        mixture = clip_to_bounds(draws / max(draws.sum(), ROUNDING), self.low, self.high)
        return bool(np.all(self.cost_shares(mixture) <= self.most))

    def widened(self) -> Feasible:
        """With caps enlarged alike, a little at a time, until the budget can be spent within them."""
        unit = self.remaining / float(self.cost.min())
        wide = dataclasses.replace(self, relaxed=True)
        for _ in range(WIDENINGS):
            wide = dataclasses.replace(wide, cap=wide.cap * 1.25 + 1e-3 * unit)
            if wide.possible():
                return wide
        return dataclasses.replace(wide, cap=np.full_like(self.cap, np.inf))

    @property
    def most(self) -> Array:
        """(K,) largest shares of the cost that the caps allow."""
        return np.asarray(self.cap * self.cost / self.remaining)

    def _bounds(self) -> tuple[Array, Array]:
        """The bounds on shares of draws, G y <= 0: low for each domain, then high for those below 1, in units of
        the domain's share of the cost over the scale (m,) that makes each row's largest number 1."""
        eye, worth = np.eye(self.low.size), self.cost[:, None] / self.cost  # draws of one for the cost of another
        rows = np.concatenate([self.low[:, None] * worth - eye, (eye - self.high[:, None] * worth)[self.high < 1.0]])
        scale = np.maximum(np.abs(rows).max(axis=1), ROUNDING)
        return rows / scale[:, None], scale

    def linear(self, slack: float = 0.0) -> tuple[Array, Array, list[str]]:
        """G (m, K), h (m,) and a name for each row of G y <= h, all of them widened by `slack` (of the cost)."""
        G, scale = self._bounds()
        most, capped, pooled = self.most, np.flatnonzero(self.high < 1.0), np.flatnonzero(self.most < 1.0)
        labels = [f"min_share of {name}" for name in self.names] + [f"max_share of {self.names[j]}" for j in capped]
        rows = np.concatenate([G, np.eye(self.low.size)[pooled]])
        spent = np.maximum(np.where(most[pooled] < SLACK, SLACK, 0.0), slack)
        return (
            rows,
            np.append(slack / scale, most[pooled] + spent),
            labels + [f"pool of {self.names[j]}" for j in pooled],
        )

    def draws(self, y: Array) -> Array:
        """Remaining draws (K,) of cost shares y."""
        result: Array = y * self.remaining / self.cost
        return result

    def cost_shares(self, mixture: Array) -> Array:
        """Cost shares y of a mixture of draws."""
        spent = mixture * self.cost
        result: Array = spent / spent.sum()
        return result

    def mixture(self, y: Array) -> Array:
        """The mixture of draws that cost shares y amount to, within its bounds."""
        draws = np.maximum(y, 0.0) / self.cost
        return clip_to_bounds(draws / draws.sum(), self.low, self.high)

    def within_caps(self, y: Array) -> Array:
        """`y` with what a solver's rounding put beyond the caps moved to where there is room."""
        most = np.minimum(self.most, 1.0)
        kept = np.clip(y, 0.0, most)
        left, room = 1.0 - kept.sum(), most - kept
        if left > 0 and room.sum() > 0:
            kept = kept + min(left / room.sum(), 1.0) * room
        return np.asarray(kept / kept.sum())


def clip_to_bounds(mixture: Array, low: Array, high: Array) -> Array:
    """The point of the simplex within [low, high] nearest to `mixture` up to a common shift."""
    if np.all(mixture >= low) and np.all(mixture <= high):
        return np.asarray(mixture / mixture.sum())
    left, right = -1.0, 1.0
    for _ in range(100):
        shift = 0.5 * (left + right)
        left, right = (shift, right) if np.clip(mixture + shift, low, high).sum() < 1 else (left, shift)
    clipped: Array = np.clip(mixture + 0.5 * (left + right), low, high)
    return np.asarray(clipped / clipped.sum())
