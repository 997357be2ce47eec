"""The observations a law is fitted to, as arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from policies.laws.form import COVARIATES, SHARE_FLOOR, Inputs
from policies.laws.pools import worth_since
from policies.laws.products import Products
from policies.records import BadReport, BadSetup

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Rows:
    """N observations of M targets after draws from K domains.

    draws: (N, K) cumulative since the draws `since` (K,), before which lie a plateau or what has changed;
    log_loss: (N, M), NaN where not measured; sem: (N, M) relative standard error, NaN where unknown; time:
    (N,) cumulative learning rate, or draws, since `time_since`; anneal: (N,) how far the learning rate has
    come down from its peak, 0 to 1; count: (N,) reports averaged into a row; run: (N,) labels of runs.
    """

    domains: tuple[str, ...]
    targets: tuple[str, ...]
    own: NDArray[np.int64]  # (M,) the target's place among the domains, -1 where it is none
    pools: Array
    draws: Array
    log_loss: Array
    sem: Array
    time: Array
    anneal: Array
    count: Array
    run: NDArray[np.int64]
    since: Array | float = 0.0
    time_since: float = 0.0
    products: Products | None = None

    @property
    def total(self) -> Array:
        total: Array = self.draws.sum(axis=1)
        return total

    def keep(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> Rows:
        """Only the rows `which`."""
        by_row = ("draws", "log_loss", "sem", "time", "anneal", "count", "run")
        kept = dataclasses.replace(self, **{name: getattr(self, name)[which] for name in by_row})
        if self.products is None or not len(kept.draws):
            return kept
        least = 0.0 if np.array_equal(kept.draws[0], self.draws[0]) else float(kept.total.min())
        return dataclasses.replace(kept, products=self.products.within(least, float(kept.total.max())))

    def steps(self) -> Array:
        """(N, K): draws since the row before of the same run."""
        before = np.zeros_like(self.draws)
        before[1:] = np.where((self.run[1:] == self.run[:-1])[:, None], self.draws[:-1], 0.0)
        return self.draws - before

    def recency(self) -> Array:
        """(N, M): the target's own share since the row before, less its share of all draws so far."""
        step = self.steps()
        recent = step / np.maximum(step.sum(axis=1, keepdims=True), 1e-12)
        lead = recent - self.draws / self.total[:, None]
        return np.where(self.own >= 0, lead[:, np.maximum(self.own, 0)], 0.0)

    def inputs(self, total_ref: float, time_ref: float, start: float) -> Inputs:
        """What the law takes, in units of the references."""
        covariates = np.zeros((len(self.draws), len(self.targets), COVARIATES))
        covariates[:, :, 0] = self.anneal[:, None]
        covariates[:, :, 1] = self.recency()
        return make_inputs(self.draws, self.pools, self.time, total_ref, time_ref, start, covariates, self.since)

    @property
    def worth(self) -> Array:
        """(N, K): distinct draws that `draws` are worth."""
        return worth_since(self.draws + self.since, self.since, self.pools)


def make_inputs(
    draws: Array,
    pools: Array,
    time: Array,
    total_ref: float,
    time_ref: float,
    start: float,
    covariates: Array,
    since: Array | float = 0.0,
) -> Inputs:
    """`Inputs` of draws (N, K) since `since`; `start` is the unit of what the model knew by then, in draws."""
    total = draws.sum(axis=1)
    worth = np.concatenate([worth_since(draws + since, since, pools), np.full((len(draws), 1), start)], axis=1)
    share = worth / total[:, None]
    return Inputs(np.log(share + SHARE_FLOOR), np.log(total / total_ref), np.log(time / time_ref), covariates)


def one_run_or_many(draws: Array) -> NDArray[np.int64]:
    """Run labels where none are given: one run if the draws only ever grow, else each row its own."""
    if len(draws) > 1 and np.all(np.diff(draws, axis=0) >= 0) and np.all(np.diff(draws.sum(axis=1)) > 0):
        return np.zeros(len(draws), dtype=np.int64)
    return np.arange(len(draws))


def from_arrays(
    draws: ArrayLike,
    losses: ArrayLike,
    *,
    pools: ArrayLike | None,
    time: ArrayLike | None,
    sem: ArrayLike | None,
    run: ArrayLike | None,
    domains: Sequence[str] | None,
    targets: Sequence[str] | None,
) -> Rows:
    """Checked `Rows` from the arguments of `fit_joint_law`; rows before the first draw are left out."""
    draws_NxK, losses_NxM = np.atleast_2d(np.asarray(draws, float)), np.atleast_2d(np.asarray(losses, float))
    if draws_NxK.shape[0] != losses_NxM.shape[0]:
        raise BadSetup(f"draws have {draws_NxK.shape[0]} rows and losses {losses_NxM.shape[0]}; give one each a row")
    if not np.all(np.isfinite(draws_NxK)) or np.any(draws_NxK < 0):
        raise BadReport("draws hold a negative or non-finite value; send cumulative draws >= 0")
    if np.any(np.isinf(losses_NxM)) or np.any(losses_NxM <= 0):
        raise BadReport("losses hold a value that is infinite or not positive; send a positive form of the loss")
    rows, K = draws_NxK.shape
    M = losses_NxM.shape[1]
    if domains is None and targets is None and M == K:
        targets = [str(j) for j in range(K)]
    domains = [str(j) for j in range(K)] if domains is None else list(domains)
    targets = [f"target {i}" for i in range(M)] if targets is None else list(targets)
    total = draws_NxK.sum(axis=1)
    pools_K = np.full(K, np.inf) if pools is None else np.asarray(pools, dtype=np.float64)  # None reads as NaN
    data = Rows(
        tuple(domains),
        tuple(targets),
        np.array([domains.index(name) if name in domains else -1 for name in targets], dtype=np.int64),
        np.where(np.isnan(pools_K), np.inf, pools_K),
        draws_NxK,
        np.log(losses_NxM),
        np.full(losses_NxM.shape, np.nan) if sem is None else np.asarray(sem, float) / losses_NxM,
        total if time is None else np.asarray(time, float),
        np.zeros(rows),
        np.ones(rows),
        one_run_or_many(draws_NxK) if run is None else np.unique(np.asarray(run), return_inverse=True)[1],
    )
    return data.keep((total > 0) & (data.time > 0))
