"""Replay: a world between the runs of a real table, whose truth nobody here wrote.

A table holds static mixtures and their end losses, nothing about time or order. Assumed: only the
cumulative shares h matter, and the excess over a floor falls as a power of the draws so far,

    L_i(h, t) = F_i + (L_i(h) - F_i) ((t + start) / (1 + start))^-alpha_i,   t = T / budget

with L_i(h) interpolated between all runs of the table, so that the table's losses are reached at the
end of the budget. F, alpha and start are drawn from the seed. `interpolation_error` on the truth says
how far left-out runs are missed.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from policies.records import BadSetup, Domain, RecordedName
from policies.worlds import measure, settings
from policies.worlds.draw import ALPHA, START, Spec, uniform
from policies.worlds.interpolant import Interpolant, interpolate
from policies.worlds.state import State
from policies.worlds.truth import Plain
from policies.worlds.world import World

FLOOR = (0.3, 0.7)  # of the lowest loss in the table
LEAST_EXCESS = 0.05  # of the loss, where the interpolant goes below the floor
FEWEST_RUNS = 8
SUM_TOLERANCE = 0.02  # tables are rounded


@dataclasses.dataclass(frozen=True)
class Replay(Plain):
    """floor, alpha (M,); start as part of the budget."""

    table: Interpolant
    floor: NDArray[np.float64]
    alpha: NDArray[np.float64]
    start: float

    @property
    def interpolation_error(self) -> NDArray[np.float64]:
        """(M,): leave-one-out root mean square error of the log loss."""
        return self.table.error

    def losses(self, state: State) -> NDArray[np.float64]:
        end = np.exp(self.table.log_losses(state.shares))
        time = (state.position / settings.BUDGET + self.start) / (1.0 + self.start)
        excess = np.maximum(end - self.floor, LEAST_EXCESS * end)
        return np.asarray(self.floor + excess * time**-self.alpha)


def make_replay(
    shares: ArrayLike,
    losses: ArrayLike,
    names: Sequence[str],
    targets: Sequence[str] | Mapping[str, float],
    *,
    seed: int,
    noise: float,
    name: str = "replay",
) -> World:
    """A world from N runs: shares (N, K) of the domains `names`, end losses (N, M) of the `targets`.

    `targets` may give weights; a target need not be a domain. No domain's share may go beyond the
    largest in the table. `BadSetup` where shapes disagree or a value cannot be used.
    """
    shares_NxK, losses_NxM = _checked(shares, losses, names, targets)
    table = _fitted(shares_NxK.tobytes(), losses_NxM.tobytes(), len(names), len(targets))
    rng = measure.generator(name, len(names), seed, measure.PARAMETERS)
    M = len(targets)
    truth = Replay(
        table,
        uniform(rng, FLOOR, M) * losses_NxM.min(axis=0),
        uniform(rng, ALPHA, M),
        float(uniform(rng, START)),
    )
    most = np.minimum(shares_NxK.max(axis=0), 1.0)
    domains = tuple(Domain(RecordedName(name), max_share=float(m)) for name, m in zip(names, most, strict=True))
    weights = dict(targets) if isinstance(targets, Mapping) else dict.fromkeys(targets, 1.0)
    spec = Spec(truth, domains, np.zeros(len(names)), np.ones(M), targets=weights)
    return World(name, len(names), seed=seed, noise=noise, spec=spec)


@functools.lru_cache(maxsize=8)
def _fitted(shares: bytes, losses: bytes, K: int, M: int) -> Interpolant:
    return interpolate(np.frombuffer(shares).reshape(-1, K), np.log(np.frombuffer(losses).reshape(-1, M)))


def _checked(
    shares: ArrayLike, losses: ArrayLike, names: Sequence[str], targets: Sequence[str] | Mapping[str, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The arrays, each row of shares divided by its sum."""
    shares_NxK, losses_NxM = np.array(shares, dtype=np.float64), np.array(losses, dtype=np.float64)
    for what, table, columns in (("shares", shares_NxK, len(names)), ("losses", losses_NxM, len(targets))):
        if table.ndim != 2 or table.shape[1] != columns or len(table) != len(shares_NxK):
            raise BadSetup(f"{what} have shape {table.shape}; needed is ({len(shares_NxK)}, {columns})")
    if len(shares_NxK) < FEWEST_RUNS:
        raise BadSetup(f"the table has {len(shares_NxK)} runs; at least {FEWEST_RUNS} are needed")
    if not (np.isfinite(losses_NxM).all() and (losses_NxM > 0).all()):
        raise BadSetup("losses of the table must be finite and > 0; leave out runs with missing values")
    sums = shares_NxK.sum(axis=1)
    if not ((shares_NxK >= 0).all() and (np.abs(sums - 1) <= SUM_TOLERANCE).all()):
        worst = int(np.abs(sums - 1).argmax())
        raise BadSetup(f"shares of run {worst} sum to {sums[worst]:.6g}; they must be >= 0 and sum to 1")
    return shares_NxK / sums[:, None], losses_NxM
