"""What could have been reached: the best mixture known in hindsight, fixed or changing with the truth."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import LinearConstraint, minimize

from policies.bounds import within_bounds
from policies.records import Domain
from policies.worlds.state import State
from policies.worlds.world import World

Array = NDArray[np.float64]

SCREENED = 64  # random mixtures looked at
STARTS = 16  # the best of them, beside the uniform one, from which the solver starts
STEP = 1e-7  # of a share, for slopes by differences


@dataclasses.dataclass(frozen=True)
class Oracle:
    """The lowest final score found, and the mixture of each stage: (first position, shares)."""

    score: float
    stages: tuple[tuple[float, dict[str, float]], ...]

    @property
    def weights(self) -> dict[str, float]:
        """The mixture of the last stage, over all domains."""
        return self.stages[-1][1]


class _Cache:
    """Oracles by world; worlds made from a table also carry their truth's identity."""

    def __init__(self) -> None:
        self.known: dict[tuple[object, ...], tuple[World, Oracle]] = {}

    def get(self, kind: str, world: World, solve: Callable[[], Oracle]) -> Oracle:
        key = (kind, world.name, world.K, world.seed)
        found = self.known.get(key)
        if found is None or not (found[0].spec is world.spec or _rebuilt(found[0], world)):
            found = (world.fresh(), solve())
            self.known[key] = found
        return found[1]


def _rebuilt(known: World, world: World) -> bool:
    """Whether two worlds of one key ask for the same, with the same truth, judged by their losses at the start."""
    one, other = known.spec, world.spec
    alike = one.domains == other.domains and one.changes == other.changes and np.array_equal(one.joins, other.joins)
    return alike and known.targets == world.targets and known.losses() == world.fresh().losses()


_CACHE = _Cache()


def static_oracle(world: World) -> Oracle:
    """The mixture that ends lowest if kept from the first draw to the budget.

        argmin over h of the final score, subject to  sum_j h_j = 1,  min_share_j <= h_j <= max_share_j
        and  budget h_j <= max_epochs_j pool_j.

    Where a domain joins later, the others share its part until then. SLSQP from the uniform mixture
    and the best of random ones; not convex in every world, so a bound from above.
    """
    return _CACHE.get("static", world, lambda: _solve(world, (0.0,)))


def adaptive_oracle(world: World) -> Oracle | None:
    """The best schedule that may change where the truth does; None where it never does."""
    if not world.spec.changes:
        return None
    return _CACHE.get("adaptive", world, lambda: _solve(world, (0.0, *world.spec.changes)))


def _solve(world: World, begins: Sequence[float]) -> Oracle:
    lengths = np.diff([*begins, float(world.budget)])
    K, S = world.K, len(begins)
    low, high = _bounds(world, lengths)

    def score(x: Array) -> Array:
        return _final(world, x.reshape(*x.shape[:-1], S, K), begins)

    def with_slopes(x: Array) -> tuple[float, Array]:
        values = score(np.vstack([x, x + STEP * np.eye(S * K)]))
        return float(values[0]), (values[1:] - values[0]) / STEP

    total = LinearConstraint(np.kron(np.eye(S), np.ones(K)), 1.0, 1.0)
    best, best_value = np.empty(0), math.inf
    for start in _starts(world, score, low, high):
        found = minimize(
            with_slopes,
            start,
            jac=True,
            method="SLSQP",
            bounds=list(zip(low, high, strict=True)),
            constraints=[total],
            options={"ftol": 1e-9, "maxiter": 100},
        )
        for x in (start, _on_simplex(found.x, low, high, S)):
            value = float(score(x))
            if value < best_value:
                best, best_value = x, value
    names = [domain.name for domain in world.spec.domains]
    shares = [dict(zip(names, row.tolist(), strict=True)) for row in best.reshape(S, K)]
    return Oracle(best_value, tuple(zip(map(float, begins), shares, strict=True)))


def _bounds(world: World, lengths: Array) -> tuple[Array, Array]:
    """Least and largest share (S*K,); one who may give only so many draws may give them in any stage."""
    low = np.array([d.min_share for d in world.spec.domains])
    cap = np.array([d.cap for d in world.spec.domains])
    high = np.minimum([d.max_share for d in world.spec.domains], cap / world.budget)
    return np.tile(low, len(lengths)), np.tile(np.maximum(high, low), len(lengths))


def _starts(world: World, score: Callable[[Array], Array], low: Array, high: Array) -> list[Array]:
    """Uniform, and the best of random mixtures around it and near the corners."""
    K, stages = world.K, len(low) // world.K
    rng = np.random.default_rng([world.seed, K])
    shares = np.concatenate([rng.dirichlet(np.full(K, a), SCREENED // 2) for a in (0.3, 2.0)])
    tried = np.vstack([np.full((1, stages * K), 1.0 / K), np.tile(shares, (1, stages))])
    tried = np.array([_on_simplex(x, low, high, stages) for x in tried])
    order = 1 + np.argsort(score(tried[1:]))
    return [tried[0], *tried[order[:STARTS]]]


def _on_simplex(x: Array, low: Array, high: Array, stages: int) -> Array:
    """The nearest shares that keep their bounds and sum to 1, stage by stage."""
    K = len(x) // stages
    parts = []
    for s in range(stages):
        part = slice(s * K, (s + 1) * K)
        domains = [
            Domain(str(j), min_share=lo, max_share=hi)
            for j, (lo, hi) in enumerate(zip(low[part], high[part], strict=True))
        ]
        clipped = np.clip(x[part], low[part], high[part])
        total = clipped.sum()
        shares = {str(j): float(v / total) for j, v in enumerate(clipped)}
        parts.append(np.array(list(within_bounds(shares, domains).values())))
    return np.concatenate(parts)


def _final(world: World, shares: Array, begins: Sequence[float]) -> Array:
    """Final score (...) of schedules (..., S, K)."""
    truth, joins = world.spec.truth, world.spec.joins
    cuts = sorted({*begins, *(j for j in joins.tolist() if 0 < j < world.budget), float(world.budget)})
    state = State.start(world.K, truth.clocks)
    for begin, end in itertools.pairwise(cuts):
        stage = int(np.searchsorted(begins, begin, side="right")) - 1
        present = np.where(joins <= begin, shares[..., stage, :], 0.0)
        total = present.sum(axis=-1, keepdims=True)
        state = state.advance(present / np.maximum(total, 1e-12), end - begin, truth.clocks, truth.memory)
    logs = np.log(truth.losses(state))
    weights = np.ones(logs.shape[-1]) if world.targets is None else np.array(list(world.targets.values()))
    value: Array = logs @ (weights / weights.sum())
    return value
