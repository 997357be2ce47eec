"""The learning rate along a run, as the laws want it: its sum so far, and how far it has come down."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.story.story import Story

Floats = NDArray[np.float64]


def rates(story: Story, positions: Floats) -> tuple[Floats | None, Floats]:
    """Sum of learning rates (N,) and annealing (N,) at `positions` (N,), rising.

    The sum is None where a report came without it: then the laws were fitted to draws instead.
    Annealing is 1 - rate / highest rate so far: 0 until the rate falls, 1 when it has gone.
    Beyond the last report the plan of the learning rate holds, or else the last slope.
    """
    told = [(float(r.position), float(r.lr_sum)) for r in story.reports if r.lr_sum is not None and r.position > 0]
    if not told or len(told) < sum(r.position > 0 for r in story.reports):
        return None, np.zeros(len(positions))
    at, total = np.array([(0.0, 0.0), *told, *_beyond(story, told[-1])]).T
    sums: Floats = np.interp(positions, at, total)
    slope = np.diff(total) / np.diff(at)
    here = slope[np.clip(np.searchsorted(at, positions, side="left") - 1, 0, len(slope) - 1)]
    peak = np.maximum.accumulate(slope)[np.clip(np.searchsorted(at, positions, side="left") - 1, 0, len(slope) - 1)]
    return sums, np.clip(1.0 - here / np.maximum(peak, 1e-30), 0.0, 1.0)


def final_annealing(story: Story) -> float:
    """How far the learning rate is to have come down at the end of the budget."""
    return float(rates(story, np.array([float(max(story.budget, story.reached))]))[1][0])


def _beyond(story: Story, last: tuple[float, float]) -> list[tuple[float, float]]:
    """Planned (position, sum) after the last report; the sum goes on from the one that was reported."""
    end = float(max(story.budget, last[0]))
    if end <= last[0]:
        return []
    plan = story.spec.get("lr_plan")
    if not plan:
        return [(end, last[1] * end / last[0])]
    at, total = np.array(plan, dtype=np.float64).T
    shift = last[1] - float(np.interp(last[0], at, total))
    inside = [float(p) for p in at if last[0] < p < end]
    return [(p, float(np.interp(p, at, total)) + shift) for p in [*inside, end]]
