"""What mixtures are allowed for the rest of the budget."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from policies.records import Domain

Array = NDArray[np.float64]

SLACK = 1e-9  # of its terms: a bound that leaves no room is widened by so much, so that an interior exists
ROOM = 1e-3  # of its terms over K: so far from all bounds a start is good enough
PASSES = 20  # a cap is a share of draws only once the mean cost of a draw is known
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
        holds = low.sum() <= 1.0 + ROUNDING and high.sum() >= 1.0 - ROUNDING
        return dataclasses.replace(self, low=low, high=high) if holds else self

    def possible(self) -> bool:
        """Whether all that remains can be spent within bounds and caps."""
        share = self.most
        if np.all(self.cost == self.cost[0]):
            fits = np.all(self.low <= share * (1 + ROUNDING) + ROUNDING)
            return bool(fits and np.minimum(share, self.high).sum() >= 1 - ROUNDING)
        uniform = clip_to_bounds(np.full(share.size, 1.0 / share.size), self.low, self.high)
        return bool(np.all(share >= 1) or self.inside(uniform)[3] <= 10 * SLACK)

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

    def linear(self) -> tuple[Array, Array, list[str]]:
        """G (m, K), h (m,) and a name for each row of G y <= h; the largest number of each row of G is 1."""
        eye, worth = np.eye(self.low.size), self.cost[:, None] / self.cost  # draws of one for the cost of another
        capped, pooled = np.flatnonzero(self.high < 1.0), np.flatnonzero(self.most < 1.0)
        rows = np.concatenate([self.low[:, None] * worth - eye, (eye - self.high[:, None] * worth)[capped]])
        rows /= np.maximum(np.abs(rows).max(axis=1, keepdims=True), ROUNDING)
        labels = [f"min_share of {name}" for name in self.names] + [f"max_share of {self.names[j]}" for j in capped]
        labels += [f"pool of {self.names[j]}" for j in pooled]
        return np.concatenate([rows, eye[pooled]]), np.append(np.zeros(len(rows)), self.most[pooled]), labels

    def inside(self, near: Array) -> tuple[Array, Array, Array, float]:
        """A point y (K,) well inside G y <= h, for the mixture `near` or as far from all bounds as can be; the bounds
        h (m,) it lies inside of; the size (m,) of each row's terms; and by how much of that no point keeps them all.

        Bounds that leave no room are widened by SLACK of their terms, so that an interior exists.
        """
        G, h, _ = self.linear()
        y = self.cost_shares(near)
        usual = self.cost_shares(near + 1e-3 / near.size)
        size = np.abs(G) @ usual + h
        size[size == 0] = 1.0  # a row of zeros: all must come from one domain
        room = float(np.min((h - G @ y) / size))
        if room < ROOM / y.size:
            found = linprog(
                np.append(np.zeros(y.size), -1.0),
                A_ub=np.column_stack([G * usual / size[:, None], np.ones(len(G))]),
                b_ub=h / size,
                A_eq=np.append(usual, 0.0)[None],
                b_eq=np.ones(1),
                bounds=[*[(None, None)] * y.size, (None, 0.1)],
                method="highs",
                options={"primal_feasibility_tolerance": 1e-10},
            )
            y = usual * np.asarray(found.x)[:-1] if found.status == 0 else y
            y = y / y.sum()
            room = float(np.min((h - G @ y) / size))
        wide = h if room > 10 * SLACK else h + (SLACK - min(room, 0.0)) * size
        return y, wide, size, max(-room, 0.0)

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

    def kept(self, y: Array) -> Array:
        """`y` with what a solver's rounding put beyond bounds and caps moved, in proportion, to where there is room."""
        draws = np.maximum(y, 0.0) / self.cost
        mixture = draws / draws.sum()
        for _ in range(PASSES):
            most = np.minimum(self.high, self.cap * (float(self.cost @ mixture) / self.remaining))
            if np.all(mixture >= self.low) and np.all(mixture <= most):
                break
            mixture = _scaled_to_bounds(mixture, self.low, most)
        return self.cost_shares(mixture)


def _scaled_to_bounds(mixture: Array, low: Array, high: Array) -> Array:
    """The point of the simplex within [low, high] that is `mixture` up to a common factor; shifted where none is."""
    left, right = 0.5, 2.0
    for _ in range(60):
        factor = 0.5 * (left + right)
        left, right = (factor, right) if np.clip(mixture * factor, low, high).sum() < 1 else (left, factor)
    scaled: Array = np.clip(mixture * right, low, high)
    return scaled if abs(float(scaled.sum()) - 1.0) < ROUNDING else clip_to_bounds(mixture, low, high)


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
