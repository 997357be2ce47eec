"""What one cell of the tournament leaves behind."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

_NUMBERS = ("score", "uniform", "proportional", "oracle", "worst_target")


@dataclasses.dataclass(frozen=True)
class CellResult:
    """One policy on one seed of one world. Scores are noise-free mean log losses at the budget; lower is better.

    Parameters
    ----------
    policy, world, K, seed, noise:
        Which cell it is; `noise` is NaN where the world does not say.
    score:
        Where the policy ended.
    uniform, proportional, oracle:
        Where those mixtures, and the best fixed one, end; NaN where the world cannot start afresh.
    adaptive:
        Where the best schedule that follows the truth ends; None where the truth is fixed.
    has_gap:
        Whether any mixture beats uniform by more than a hair.
    left_baseline:
        Whether a decision other than a probe moved away from the policy's baseline.
    probing:
        Part of the budget that was drawn under probes.
    worst_target:
        Largest log loss relative to uniform's over the targets, at the end; NaN where unknown.
    plan30:
        The plan published at 30 % of the budget, frozen, and the truth (see `plan30.py`).
    seconds:
        CPU seconds, filled in by the caller: there is no clock here.
    refits:
        How often the policy fitted its law.
    """

    policy: str
    world: str
    K: int
    seed: int
    noise: float
    score: float
    uniform: float
    proportional: float
    oracle: float
    adaptive: float | None
    has_gap: bool
    left_baseline: bool
    probing: float
    worst_target: float
    plan30: dict[str, Any] | None
    seconds: float | None
    refits: int

    def to_dict(self) -> dict[str, Any]:
        """JSON: NaN is written as null."""
        return {key: _plain(value) for key, value in dataclasses.asdict(self).items()}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> CellResult:
        values = dict(body)
        for name in (*_NUMBERS, "noise"):
            values[name] = math.nan if values[name] is None else float(values[name])
        return cls(**values)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
