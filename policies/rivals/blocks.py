"""What each block of a probing phase did: the mixture really drawn and how fast every loss fell."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.records import LossReport
from policies.rivals.losses import shares_since, target_logs

Array = NDArray[np.float64]

_STEEPEST = 50.0  # slopes beyond are not believed
ALIKE = 1e-7  # slopes, and what is made of them, that differ by less are alike: the rest is rounding, as of the unit


@dataclasses.dataclass(frozen=True)
class Block:
    """One block that has ended.

    label: whose block it was; shares: part of its draws by domain; slopes: by target, fall of log
    loss per unit of log draws, which is what makes early and late blocks comparable; middle: log of
    all draws at its middle.
    """

    label: str
    shares: Mapping[str, float]
    slopes: Mapping[str, float]
    middle: float


@dataclasses.dataclass(frozen=True)
class Watch:
    """The block that is running, where it began, and the blocks that have ended."""

    label: str = ""
    draws: Mapping[str, float] = dataclasses.field(default_factory=dict)
    logs: Mapping[str, float] = dataclasses.field(default_factory=dict)
    ended: tuple[Block, ...] = ()

    def at(self, report: LossReport, label: str) -> Watch:
        """The watch after a report, when the next draws belong to block `label` (empty: to none)."""
        if label == self.label and self.draws:
            return self
        block = self._block(report) if self.label else None
        ended = self.ended if block is None else (*self.ended, block)
        return Watch(label, dict(report.draws), target_logs(report), ended)

    def _block(self, report: LossReport) -> Block | None:
        before = {name: self.draws.get(name, 0.0) for name in report.draws}
        start, end = math.fsum(sorted(before.values())), math.fsum(sorted(report.draws.values()))
        if start <= 0 or end <= start:
            return None
        length = math.log(end / start)
        slopes = {
            name: (self.logs[name] - log) / length for name, log in target_logs(report).items() if name in self.logs
        }
        believed = {name: min(max(slope, -_STEEPEST), _STEEPEST) for name, slope in slopes.items()}
        return Block(self.label, shares_since(report.draws, before), believed, math.log(start) + 0.5 * length)

    def to_dict(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "draws": dict(self.draws),
            "logs": dict(self.logs),
            "ended": [dataclasses.asdict(block) for block in self.ended],
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any] | None) -> Watch:
        if body is None:
            return cls()
        return cls(body["label"], body["draws"], body["logs"], tuple(Block(**block) for block in body["ended"]))


def table(blocks: Sequence[Block], names: Sequence[str], target: str) -> tuple[Array, Array, Array]:
    """Of the blocks in which `target` was measured: shares (N, K), slopes (N,), log draws at the middle (N,)."""
    rows = [block for block in blocks if target in block.slopes]
    shares = np.array([[block.shares.get(name, 0.0) for name in names] for block in rows]).reshape(-1, len(names))
    return shares, np.array([block.slopes[target] for block in rows]), np.array([block.middle for block in rows])
