"""Is the plan published at 30 % of the budget true? Its intervals against the noise-free end of the frozen plan."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from policies.records import Interval
from policies.tournament import resample
from policies.tournament.result import CellResult


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Of 90 % intervals of final losses, in log loss.

    Parameters
    ----------
    runs, intervals:
        How many runs published a plan whose truth is known, and how many intervals that were.
    coverage:
        Part of a run's intervals that hold the truth, averaged over runs; its interval is over runs,
        since the targets of one run err together.
    width, error:
        Median width of the intervals, median absolute error of their centres.
    gain:
        How often the interval of the predicted gain held the true one (Clopper-Pearson over runs).
    """

    runs: int
    intervals: int
    coverage: Interval
    width: float
    error: float
    gain: Interval

    @property
    def ratio(self) -> float:
        """Median width over median absolute error; 4.9 for a true 90 % interval of a normal error."""
        return self.width / self.error if self.error > 0 else math.nan


def calibration(cells: Sequence[CellResult], rng: np.random.Generator) -> Calibration | None:
    """None where no cell published a law's plan with a known truth."""
    plans = [cell.plan30 for cell in cells if cell.plan30 is not None]
    runs = [rows for plan in plans if len(rows := _rows(plan))]
    if not runs:
        return None
    held = np.array([((rows[:, 1] <= rows[:, 3]) & (rows[:, 3] <= rows[:, 2])).mean() for rows in runs])
    rows = np.vstack(runs)
    return Calibration(
        runs=len(runs),
        intervals=len(rows),
        coverage=resample.mean(held, resample.counts(len(held), rng)),
        width=float(np.median(rows[:, 2] - rows[:, 1])),
        error=float(np.median(np.abs(rows[:, 0] - rows[:, 3]))),
        gain=resample.rate([hit for plan in plans if (hit := _gain_held(plan)) is not None]),
    )


def _rows(plan: Mapping[str, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(targets, 4): logarithms of mean, low, high and truth."""
    predicted, truth = plan["predicted"] or {}, plan["truth"] or {}
    found = [
        [value["mean"], value["low"], value["high"], truth[name]]
        for name, value in predicted.items()
        if name in truth and None not in (value["mean"], value["low"], value["high"])
    ]
    return np.log(np.array(found, dtype=np.float64).reshape(-1, 4))


def _gain_held(plan: Mapping[str, Any]) -> bool | None:
    """Whether the predicted gain's interval holds the truth; None where no gain over the baseline was claimed."""
    gain, truth = plan["gain"], plan["truth_gain"]
    if gain is None or truth is None or None in (gain["low"], gain["high"]) or gain["low"] == gain["high"]:
        return None
    return bool(gain["low"] <= truth <= gain["high"])
