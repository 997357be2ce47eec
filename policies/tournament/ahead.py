"""The second table: laws alone. Change of log loss from the report at 30 % to budgets 2 to 16 times as large."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.records import Interval
from policies.tournament import resample
from policies.tournament.result import CellResult

Array = NDArray[np.float64]
LAW, LOW, HIGH, OWN, TRUTH = range(5)
FEWEST_RANKED = 3


@dataclasses.dataclass(frozen=True)
class LawFigures:
    """How well a law carries on, over the runs of one policy; `factor` None means all budgets together.

    Parameters
    ----------
    error, own_error:
        Mean absolute error of the change of log loss: of the law, and of each domain's own power law
        carried forward.
    rank:
        Spearman correlation over the targets of a run between predicted and true change, averaged over
        runs and budgets.
    r2:
        Within a domain: 1 - (squared error) / (squared deviation from the domain's mean change) over the
        budgets of one run; the median over domains and runs. Known for all budgets together only.
    coverage:
        Of the 90 % intervals, clustered by run; width over error are medians.
    """

    world: str | None
    factor: int | None
    runs: int
    error: float
    own_error: float
    rank: float
    r2: float
    own_r2: float
    coverage: Interval
    width: float
    median_error: float

    @property
    def ratio(self) -> float:
        return self.error / self.own_error if self.own_error > 0 else math.nan


def law_figures(
    cells: Sequence[CellResult], rng: np.random.Generator, *, world: str | None = None
) -> tuple[LawFigures, ...]:
    """A row for all budgets together, then one for each; empty where no law looked ahead."""
    runs = [rows for cell in cells if cell.plan30 is not None and (rows := _finite(cell.plan30["ahead"]))]
    factors = sorted({row["factor"] for rows in runs for row in rows})
    if not factors:
        return ()
    return tuple(_figures(runs, factor, world, rng) for factor in (None, *factors))


def _finite(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if None not in row.values() and all(math.isfinite(v) for v in _numbers(row))]


def _numbers(row: dict[str, Any]) -> tuple[float, ...]:
    return row["law"], row["low"], row["high"], row["own"], row["truth"]


def _figures(
    runs: Sequence[list[dict[str, Any]]], factor: int | None, world: str | None, rng: np.random.Generator
) -> LawFigures:
    kept = [[row for row in rows if factor in (None, row["factor"])] for rows in runs]
    kept = [rows for rows in kept if rows]
    tables = [np.array([_numbers(row) for row in rows]) for rows in kept]
    every = np.vstack(tables)
    held = np.array([((t[:, LOW] <= t[:, TRUTH]) & (t[:, TRUTH] <= t[:, HIGH])).mean() for t in tables])
    off = np.abs(every[:, LAW] - every[:, TRUTH])
    within = [] if factor is not None else [pair for rows in kept for pair in _within(rows)]
    return LawFigures(
        world=world,
        factor=factor,
        runs=len(tables),
        error=float(off.mean()),
        own_error=float(np.abs(every[:, OWN] - every[:, TRUTH]).mean()),
        rank=_mean([value for rows in kept for value in _ranks(rows)]),
        r2=_median([pair[0] for pair in within]),
        own_r2=_median([pair[1] for pair in within]),
        coverage=resample.mean(held, resample.counts(len(held), rng)),
        width=float(np.median(every[:, HIGH] - every[:, LOW])),
        median_error=float(np.median(off)),
    )


def _by(rows: Sequence[dict[str, Any]], key: str) -> list[Array]:
    groups: dict[Any, list[tuple[float, ...]]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(_numbers(row))
    return [np.array(group) for group in groups.values()]


def _within(rows: Sequence[dict[str, Any]]) -> list[tuple[float, float]]:
    """R2 of the law and of own power laws, for each domain with at least two budgets."""
    found = []
    for group in _by(rows, "target"):
        spread = float(((group[:, TRUTH] - group[:, TRUTH].mean()) ** 2).sum())
        if len(group) > 1 and spread > 0:
            law, own = (float(((group[:, at] - group[:, TRUTH]) ** 2).sum()) for at in (LAW, OWN))
            found.append((1 - law / spread, 1 - own / spread))
    return found


def _ranks(rows: Sequence[dict[str, Any]]) -> list[float]:
    groups = [group for group in _by(rows, "factor") if len(group) >= FEWEST_RANKED]
    return [spearman(group[:, LAW], group[:, TRUTH]) for group in groups]


def spearman(a: Array, b: Array) -> float:
    """Correlation of ranks; ties, which noise-free losses do not have, are broken by order."""
    ranks = [np.argsort(np.argsort(values, kind="stable"), kind="stable") for values in (a, b)]
    return float(np.asarray(np.corrcoef(np.array(ranks, dtype=np.float64)))[0, 1])


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else math.nan
