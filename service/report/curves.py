"""Where the run went in draws, and what the last law says about that path."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.story import Story

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
    """The last law along the run's own path, from the first report to the end of the budget.

    Empty for a policy without a law. Beyond the last report the last mixture is kept.
    """
    if story.law is None or not story.reports:
        return {}
    first = max(1.0, float(min(r.position for r in story.reports if r.position > 0 or len(story.reports) == 1)))
    positions = np.geomspace(first, float(max(story.budget, story.reached)), points)
    draws = cumulative(story, positions, story.law.domains)
    said = story.law.predict(draws, time=_time(story, positions), level=LEVEL)
    return {
        target: Curve(positions, said.mean[:, at], said.low[:, at], said.high[:, at])
        for at, target in enumerate(story.law.targets)
    }


def _time(story: Story, positions: Floats) -> Floats | None:
    """Sum of learning rates at each position: as reported, then as planned; None if neither is known."""
    plan = story.spec.get("lr_plan")
    known = [(float(r.position), float(r.lr_sum)) for r in story.reports if r.lr_sum is not None]
    if plan is None and not known:
        return None
    at, total = np.array(plan if plan is not None else [(0.0, 0.0), *known], dtype=np.float64).T
    sums: Floats = np.interp(positions, at, total)
    return sums
