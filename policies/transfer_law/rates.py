"""What a learning-rate plan says: when the rate is up, and what it will have summed to at the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from policies.laws.rates import first_at_peak, stretch_rates

Plan = Sequence[Sequence[float]]


def warm_up_end(plan: Plan | None) -> float:
    """First position (draws) from which the rate is up; 0 without a plan."""
    if plan is None:
        return 0.0
    position, total = np.array(plan, dtype=np.float64).T
    first = first_at_peak(stretch_rates(position, total))
    return float(position[first - 1]) if first else 0.0


def final_time(plan: Plan | None, budget: int, reached: float) -> tuple[float | None, float]:
    """Cumulative learning rate at the budget, at least `reached`, and how far the rate will have come down
    from its peak (0 to 1); None and 0 without a plan."""
    if plan is None:
        return None, 0.0
    position, total = np.array(plan, dtype=np.float64).T
    rate = stretch_rates(position, total)
    down = float(1.0 - rate[-1] / rate.max()) if rate.max() > 0 else 0.0
    return float(max(np.interp(budget, position, total), reached)), down
