"""Laws on new mixtures: fitted on some runs of a table, judged on the rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from policies.laws import fit_joint_law
from policies.records import Interval
from policies.tournament import resample
from policies.tournament.ahead import spearman

Array = NDArray[np.float64]

RUNS = (34, 64, 256)
FEWEST_JUDGED = 20
STREAM = 7  # of random numbers


@dataclasses.dataclass(frozen=True)
class Split:
    """One split: how far predicted losses (N, M) of left-out runs were off.

    error: mean |predicted / measured - 1|. rank: Spearman over runs, averaged over targets. coverage: part
    of the 90 % intervals that hold the measured loss. width, median_error: medians, in log loss.
    """

    runs: int
    seed: int
    error: float
    rank: float
    coverage: float
    width: float
    median_error: float


@dataclasses.dataclass(frozen=True)
class StaticFigures:
    """Means over splits with 95 % bootstrap intervals over splits; width and error are means of medians."""

    runs: int
    splits: int
    error: Interval
    rank: Interval
    coverage: Interval
    width: float
    median_error: float


def split_sizes(runs: int) -> tuple[int, ...]:
    """The numbers of runs to fit on that leave enough of a table's `runs` to judge."""
    return tuple(size for size in RUNS if size <= runs - FEWEST_JUDGED)


def judge_split(
    shares: Array, losses: Array, domains: Sequence[str], targets: Sequence[str], *, runs: int, seed: int
) -> Split:
    """Fit on `runs` rows of shares (N, K) and losses (N, M), drawn by `seed`, and judge on the others."""
    order = np.random.default_rng([STREAM, seed]).permutation(len(shares))
    fitted, left = order[:runs], order[runs:]
    law = fit_joint_law(shares[fitted], losses[fitted], domains=domains, targets=targets)
    predicted, truth = law.predict(shares[left]), losses[left]
    held = (predicted.low <= truth) & (truth <= predicted.high)
    return Split(
        runs=runs,
        seed=seed,
        error=float(np.abs(predicted.mean / truth - 1).mean()),
        rank=float(np.mean([spearman(predicted.mean[:, i], truth[:, i]) for i in range(truth.shape[1])])),
        coverage=float(held.mean()),
        width=float(np.median(np.log(predicted.high / predicted.low))),
        median_error=float(np.median(np.abs(np.log(predicted.mean / truth)))),
    )


def static_figures(splits: Sequence[Split], rng: np.random.Generator) -> tuple[StaticFigures, ...]:
    """A row for each number of runs."""
    return tuple(_row([s for s in splits if s.runs == size], rng) for size in sorted({s.runs for s in splits}))


def _row(splits: Sequence[Split], rng: np.random.Generator) -> StaticFigures:
    times = resample.counts(len(splits), rng)
    error, rank, coverage = (
        resample.mean(np.array([getattr(split, name) for split in splits]), times)
        for name in ("error", "rank", "coverage")
    )
    return StaticFigures(
        runs=splits[0].runs,
        splits=len(splits),
        error=error,
        rank=rank,
        coverage=coverage,
        width=float(np.mean([split.width for split in splits])),
        median_error=float(np.mean([split.median_error for split in splits])),
    )
