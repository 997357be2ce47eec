"""The observations a law is fitted to, as arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from policies.laws import checks
from policies.laws.form import COVARIATES, SHARE_FLOOR, Inputs
from policies.laws.groups import numbered
from policies.laws.pools import worth_since
from policies.laws.products import Products
from policies.records import MOST, BadReport, BadSetup

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Rows:
    """N observations of M targets after draws from K domains.

    draws: (N, K) cumulative since the draws `since` (K,), before which lie a plateau or what has changed;
    log_loss: (N, M), NaN where not measured; sem: (N, M) relative standard error, NaN where unknown; time:
    (N,) cumulative learning rate, or draws, since `time_since`; anneal: (N,) how far the learning rate has
    come down from its peak, 0 to 1; count: (N,) reports averaged into a row; run: (N,) labels of runs; groups: (K,)
    see `groups`, None where there are none.
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
    groups: NDArray[np.int64] | None = None

    @property
    def total(self) -> Array:
        total: Array = self.draws.sum(axis=1)
        return total

    @property
    def alone(self) -> bool:
        """Whether there are many runs, of one row each."""
        return 1 < len(self.run) == np.unique(self.run).size

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

    def ahead(self, weights: Mapping[str, float], interval: float) -> Array:
        """(2, K): draws of the whole run at the last row, and one `interval` later if drawn at `weights`."""
        now = self.draws[-1] + self.since
        return np.stack([now, now + interval * np.array([weights.get(name, 0.0) for name in self.domains])])

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
    groups: Sequence[str | None] | None = None,
) -> Rows:
    """Checked `Rows` from the arguments of `fit_joint_law`, run by run in the order of their draws; rows before the
    first draw are left out."""
    draws_NxK, losses_NxM = _table(draws, losses)
    rows, K = draws_NxK.shape
    M = losses_NxM.shape[1]
    if domains is None and targets is None and M == K:
        targets = [str(j) for j in range(K)]
    domains = checks.names("domains", [str(j) for j in range(K)] if domains is None else domains, K)
    targets = checks.names("targets", [f"target {i}" for i in range(M)] if targets is None else targets, M)
    label = one_run_or_many(draws_NxK) if run is None else checks.labels(run, rows)
    total = draws_NxK.sum(axis=1)
    order = np.lexsort((total, label))
    checks.check_growth("draws", draws_NxK, label, order)
    data = Rows(
        domains,
        targets,
        np.array([domains.index(name) if name in domains else -1 for name in targets], dtype=np.int64),
        np.full(K, np.inf) if pools is None else _pools(pools, K),
        draws_NxK,
        np.log(losses_NxM),
        np.full(losses_NxM.shape, np.nan) if sem is None else _relative(sem, losses_NxM),
        total if time is None else _time(time, label, order),
        np.zeros(rows),
        np.ones(rows),
        label,
        groups=None if groups is None else numbered(checks.groups(groups, K)),
    )
    data = data.keep(order)
    learnt = (data.total > 0) & (data.time > 0)
    if not np.any(learnt):
        raise BadSetup("no measured loss after the first draw; at least one row needs draws, and time, above 0")
    return data.keep(learnt)


def _table(draws: ArrayLike, losses: ArrayLike) -> tuple[Array, Array]:
    """Draws (N, K) and losses (N, M)."""
    draws_NxK = checks.table("draws", draws, "domain", BadReport)
    losses_NxM = checks.table("losses", losses, "target", BadReport)
    if draws_NxK.shape[0] != losses_NxM.shape[0]:
        raise BadSetup(f"draws have {draws_NxK.shape[0]} rows and losses {losses_NxM.shape[0]}; give one each a row")
    if not len(draws_NxK):
        raise BadSetup("draws have no rows; at least one is needed to fit a law")
    checks.check_draws(draws_NxK, BadReport)
    checks.check_losses(losses_NxM)
    return draws_NxK, losses_NxM


def _pools(pools: ArrayLike, count: int) -> Array:
    """(K,), infinite where endless."""
    given = checks.shaped(
        "pools", checks.numbers("pools", pools), (count,), "give one for each domain, None for endless"
    )
    pools_K = np.where(np.isnan(given), np.inf, given)
    checks.require("pools", pools_K, pools_K > 0, "and must be > 0, or None for an endless one", BadSetup)
    return pools_K


def _relative(sem: ArrayLike, losses: Array) -> Array:
    """Standard errors (N, M) in units of the losses."""
    given = checks.shaped("sem", checks.numbers("sem", sem, BadReport), losses.shape, "give one for each loss")
    good = np.isnan(given) | ((given >= 0) & np.isfinite(given))
    checks.require("sem", given, good, "and must be finite and >= 0, or NaN where unknown", BadReport)
    with np.errstate(over="ignore"):
        return np.minimum(given / losses, MOST)


def _time(time: ArrayLike, run: NDArray[np.int64], order: NDArray[np.int64]) -> Array:
    """(N,) cumulative learning rate."""
    given = checks.numbers("time", time, BadReport)
    given = checks.shaped("time", given, run.shape, "give the cumulative learning rate of each row")
    checks.require("time", given, np.isfinite(given) & (given >= 0), "and must be finite and >= 0", BadReport)
    checks.check_growth("time", given, run, order)
    return given
