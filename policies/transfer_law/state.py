"""What one decision of a law-driven policy hands to the next."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from policies.laws import WarmStart


@dataclasses.dataclass(frozen=True)
class State:
    """What one decision hands to the next, apart from the history.

    warm: where the next fit starts; probe_from: first draw of the probing sweeps, None before that
    is known; weights: the mixture in use; away: it has left the baseline for a plan's sake; fitted_at:
    position of the report that was last fitted to.
    """

    warm: WarmStart | None
    probe_from: int | None
    weights: Mapping[str, float]
    away: bool
    refits: int
    fitted_at: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "warm": None if self.warm is None else self.warm.to_dict(),
            "probe_from": self.probe_from,
            "weights": dict(self.weights),
            "away": self.away,
            "refits": self.refits,
            "fitted_at": self.fitted_at,
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> State:
        warm = None if body["warm"] is None else WarmStart.from_dict(body["warm"])
        whole = (int(body["refits"]), int(body["fitted_at"]))
        return cls(warm, body["probe_from"], dict(body["weights"]), bool(body["away"]), *whole)
