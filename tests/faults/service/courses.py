"""What the load trains: courses of reports that any run repeats exactly, whatever happens to the service."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

NAMES = ("hub", "near", "far", "island")
INTERVAL, BUDGET = 100, 1_000_000

# Worth of a draw of the column's domain to the row's; a hub, two that live on it, and an island.
_WORTH = ((1.0, 0.1, 0.1, 0.0), (0.8, 1.0, 0.1, 0.0), (0.6, 0.1, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))
_FLOOR, _HEIGHT, _EXPONENT = (0.4, 0.5, 0.6, 0.3), (3.0, 2.5, 2.0, 4.0), (0.22, 0.3, 0.26, 0.18)

# Readier to move than the defaults, so that a decision that was lost or made twice shows in those after it.
BOLD = {"sure": 0.6, "caution": 0.3, "least_gain": 0.0, "probe_until": 0.4, "sure_gift": 0.0, "latest": 1.0}


@dataclasses.dataclass(frozen=True)
class Course:
    """One training run as the service sees it.

    waits: draws follow the mixture that was answered, so each report needs the answer before it; otherwise
    they are fixed beforehand and training goes on while reports queue. pace: seconds between reports.
    """

    name: str
    policy: str
    waits: bool
    pace: float
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def body(self, budget: int = BUDGET) -> dict[str, Any]:
        """Of `POST /v1/allocations`."""
        about = {"policy": self.policy, "options": dict(self.options), "seed": 5}
        return {"name": self.name, "domains": list(NAMES), "budget": budget, "interval": INTERVAL, **about}

    def next_draws(self, draws: Mapping[str, float], weights: Mapping[str, float], number: int) -> dict[str, float]:
        """Cumulative draws one interval later; report `number` is the first at 1."""
        shares = weights if self.waits else _drift(number)
        return {name: draws[name] + INTERVAL * shares[name] for name in NAMES}


def report(number: int, draws: Mapping[str, float]) -> dict[str, Any]:
    """The arguments of `AllocationClient.report`."""
    return {"position": number * INTERVAL, "draws": dict(draws), "eval_loss": losses(draws)}


def losses(draws: Mapping[str, float]) -> dict[str, float]:
    """Held-out losses as a function of what was drawn, and of nothing else."""
    seen = [draws[name] for name in NAMES]
    learnt = [1.0 + math.fsum(w * n for w, n in zip(row, seen, strict=True)) for row in _WORTH]
    parts = zip(NAMES, _FLOOR, _HEIGHT, _EXPONENT, learnt, strict=True)
    return {name: floor + height * x**-exponent for name, floor, height, exponent, x in parts}


def _drift(number: int) -> dict[str, float]:
    raw = {name: 1.5 + math.sin(0.3 * number + index) for index, name in enumerate(NAMES)}
    total = math.fsum(raw.values())
    return {name: value / total for name, value in raw.items()}


COURSES = (
    *(Course(f"waits-{policy}", policy, waits=True, pace=0.3) for policy in ("odm", "ado", "skill_it")),
    *(Course(f"goes-on-{policy}", policy, waits=False, pace=0.4) for policy in ("odm", "ado", "aioli")),
    Course("waits-law", "transfer_law", waits=True, pace=2.0, options=BOLD),
    Course("goes-on-law", "transfer_law", waits=False, pace=3.0, options=BOLD),
)
