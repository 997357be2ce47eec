"""What the cells of one policy in one world come to."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from policies.records import Interval
from policies.tournament import resample
from policies.tournament.calibration import Calibration, calibration
from policies.tournament.result import CellResult

Array = NDArray[np.float64]

HARM = 0.002  # mean log loss by which an end must be worse to count as harm
WORST_PART = 0.05


@dataclasses.dataclass(frozen=True)
class Figures:
    """Figures in mean log loss, noise-free, with 95 % intervals over seeds.

    Parameters
    ----------
    gap:
        Mean of uniform less oracle; None of the shares below is known where it is not > 0.
    closed, closed_proportional, closed_adaptive:
        Share of the gap closed, sum(uniform - score) / sum(uniform - oracle): from uniform to the best
        fixed mixture, from proportional to it, from uniform to the best schedule that follows the truth.
        NaN where there is no such gap.
    loss:
        Mean of score - uniform: negative is a gain.
    regret:
        Mean of score - oracle.
    harm, harm_proportional:
        How often the end is worse by more than `HARM`, Clopper-Pearson.
    worst5:
        Mean of score - uniform over the worst 5 % of the runs (at least one).
    worst_target:
        Mean over runs of the largest log loss of a target relative to uniform.
    left_baseline, probing:
        How often a decision other than a probe left the baseline; mean part of draws that were probes.
    seconds:
        Median CPU seconds of a run, None where nobody measured.
    """

    cells: int
    has_gap: bool
    gap: float
    closed: Interval
    closed_proportional: Interval
    closed_adaptive: Interval
    loss: Interval
    regret: Interval
    harm: Interval
    harm_proportional: Interval
    worst5: float
    worst_target: float
    left_baseline: Interval
    probing: float
    seconds: float | None
    refits: float
    calibration: Calibration | None


def closed_samples(cells: Sequence[CellResult], rng: np.random.Generator) -> tuple[float, Array]:
    """Share of the gap closed and its resamples (B,), for cells of one world that has a gap."""
    score, uniform, oracle = (_column(cells, name) for name in ("score", "uniform", "oracle"))
    return resample.ratio(uniform - score, uniform - oracle, resample.counts(len(cells), rng))


def figures(cells: Sequence[CellResult], rng: np.random.Generator) -> Figures:
    """Of at least one cell, all of one policy and one world."""
    score, uniform, proportional, oracle, worst = (
        _column(cells, name) for name in ("score", "uniform", "proportional", "oracle", "worst_target")
    )
    adaptive = np.array([math.nan if cell.adaptive is None else cell.adaptive for cell in cells])
    has_gap = all(cell.has_gap for cell in cells)
    times = resample.counts(len(cells), rng)

    def closed(start: Array, end: Array) -> Interval:
        if not has_gap:
            return Interval(math.nan, math.nan, math.nan)
        return resample.between(*resample.ratio(start - score, start - end, times))

    seconds = [cell.seconds for cell in cells if cell.seconds is not None]
    return Figures(
        cells=len(cells),
        has_gap=has_gap,
        gap=float((uniform - oracle).mean()),
        closed=closed(uniform, oracle),
        closed_proportional=closed(proportional, oracle),
        closed_adaptive=closed(uniform, adaptive),
        loss=resample.mean(score - uniform, times),
        regret=resample.mean(score - oracle, times),
        harm=resample.rate(_known(score - uniform) > HARM),
        harm_proportional=resample.rate(_known(score - proportional) > HARM),
        worst5=worst_mean(_known(score - uniform)),
        worst_target=float(_known(worst).mean()) if len(_known(worst)) else math.nan,
        left_baseline=resample.rate([cell.left_baseline for cell in cells]),
        probing=float(np.mean([cell.probing for cell in cells])),
        seconds=float(np.median(seconds)) if seconds else None,
        refits=float(np.mean([cell.refits for cell in cells])),
        calibration=calibration(cells, rng),
    )


def worst_mean(losses: Array) -> float:
    """Mean of the largest 5 % of `losses`, of at least one; NaN of none."""
    if not len(losses):
        return math.nan
    return float(np.sort(losses)[-math.ceil(WORST_PART * len(losses)) :].mean())


def _column(cells: Sequence[CellResult], name: str) -> Array:
    return np.array([getattr(cell, name) for cell in cells], dtype=np.float64)


def _known(values: Array) -> Array:
    return values[np.isfinite(values)]
