"""Where the run went in draws, and what the last law says about that path."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.story.rates import rates
from service.story.story import Story

Floats = NDArray[np.float64]
LEVEL = 0.9


@dataclasses.dataclass(frozen=True)
class Curve:
    """The law's loss of one target along the path: four arrays of the same length."""

    position: Floats
    mean: Floats
    low: Floats
    high: Floats


def cumulative(story: Story, positions: Floats, names: Sequence[str]) -> Floats:
    """Draws by domain at each position, (N, K): as reported, then on with the last mixture."""
    last = story.reports[-1] if story.reports else None
    knots = [0.0, *(float(r.position) for r in story.reports if r.position > 0)]
    columns = []
    for name in names:
        seen = [0.0, *(float(r.draws.get(name, 0.0)) for r in story.reports if r.position > 0)]
        share = story.decisions[-1].weights.get(name, 0.0) if story.decisions else 1 / len(names)
        beyond = np.maximum(0.0, positions - (last.position if last else 0.0)) * share
        columns.append(np.interp(positions, knots, seen) + beyond)
    return np.stack(columns, axis=1)


def law_curves(story: Story, points: int = 64) -> dict[str, Curve]:
    """The last law along the run's own path, from the first report that it was fitted to, to the end of the budget.

    Empty for a policy without a law. Beyond the last report the last mixture is kept.
    """
    if story.law is None or not story.reports:
        return {}
    first = max(1.0, float(min(r.position for r in story.reports if r.position > 0 or len(story.reports) == 1)))
    positions = np.geomspace(max(first, story.law.burn_in), float(max(story.budget, story.reached)), points)
    draws = cumulative(story, positions, story.law.domains)
    time, annealing = rates(story, positions)
    rows = []
    for at, anneal in enumerate(annealing):  # the law takes one annealing at a time
        now = None if time is None else time[at : at + 1]
        rows.append(story.law.predict(draws[at : at + 1], now, LEVEL, anneal=float(anneal)))
    mean, low, high = (np.concatenate([getattr(row, end) for row in rows]) for end in ("mean", "low", "high"))
    return {
        target: Curve(positions, mean[:, at], low[:, at], high[:, at]) for at, target in enumerate(story.law.targets)
    }
