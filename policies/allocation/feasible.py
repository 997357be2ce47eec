"""What mixtures are allowed for the rest of the budget."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from policies.records import Domain

Array = NDArray[np.float64]

SLACK = 1e-9  # bounds that leave no room are widened by so much, so that an interior exists


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
        """Bounds of the domains; `trust` (low, high) narrows them where that leaves room."""
        low = np.array([d.min_share for d in domains])
        high = np.array([d.max_share for d in domains])
        cost = np.array([d.cost for d in domains])
        cap = np.array([max(d.cap - spent[d.name], 0.0) for d in domains])
        low_t, high_t = (low, high) if trust is None else (np.clip(trust[0], low, high), np.clip(trust[1], low, high))
        if low_t.sum() <= 1.0 <= high_t.sum():
            low, high = low_t, high_t
        most = remaining / float(cost.min())
        room = np.minimum(cap, high * most)
        needed = np.maximum(low * most, 0.0)
        relaxed = bool(np.sum(cost * np.minimum(cap, most)) < remaining or np.any(needed > room))
        cap = cap if not relaxed else _widen(cap, low, high, cost, remaining)
        return cls(tuple(d.name for d in domains), low, high, cap, cost, remaining, relaxed)

    def linear(self) -> tuple[Array, Array, list[str]]:
        """G (m, K), h (m,) and a name for each row of G y <= h."""
        K = self.low.size
        eye, draws = np.eye(K), 1.0 / self.cost  # draws per unit of cost
        rows, bounds, labels = [], [], []
        for j, name in enumerate(self.names):
            rows.append(self.low[j] * draws - eye[j] * draws[j])
            bounds.append(SLACK)
            labels.append(f"min_share of {name}")
            if self.high[j] < 1.0:
                rows.append(eye[j] * draws[j] - self.high[j] * draws)
                bounds.append(SLACK)
                labels.append(f"max_share of {name}")
            most = self.cap[j] * self.cost[j] / self.remaining
            if most < 1.0:
                rows.append(eye[j])
                bounds.append(most + SLACK)
                labels.append(f"pool of {name}")
        return np.array(rows), np.array(bounds), labels

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


def _widen(cap: Array, low: Array, high: Array, cost: Array, remaining: float) -> Array:
    """Caps enlarged by a common factor until the budget can be spent within them."""
    most = remaining / float(cost.min())
    need = np.maximum(cap, low * most)
    for _ in range(60):
        if np.sum(cost * np.minimum(need, high * most)) >= remaining * (1 + 1e-9):
            break
        need = need * 1.25 + 1e-3 * most
    else:
        need = np.full_like(cap, np.inf)
    widened: Array = need
    return widened


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
