"""The mixture schedule: an append-only list of stages, all that training needs to know."""

from __future__ import annotations

import bisect
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from policies.records.checks import check_mixture
from policies.records.errors import BadSetup


@dataclasses.dataclass(frozen=True)
class Stage:
    """From draw `position` on the mixture is `weights`; `items` digests the domains' item lists."""

    position: int
    weights: Mapping[str, float]
    items: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {"position": int(self.position), "weights": dict(self.weights), "items": self.items}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Stage:
        return cls(int(body["position"]), dict(body["weights"]), body.get("items", ""))


@dataclasses.dataclass(frozen=True)
class MixtureSchedule:
    """Stages in order of position, the first at 0, all over the same domains.

    Raises `BadSetup` naming the stage where that does not hold.
    """

    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        if not self.stages or self.stages[0].position != 0:
            raise BadSetup("a schedule must begin with a stage at position 0")
        for before, after in zip(self.stages, self.stages[1:], strict=False):
            _check_order(before, after)
        for stage in self.stages:
            check_mixture(stage.weights, self.stages[0].weights)

    @classmethod
    def start(cls, weights: Mapping[str, float], items: str = "") -> MixtureSchedule:
        return cls((Stage(0, dict(weights), items),))

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(self.stages[0].weights)

    def append(self, position: int, weights: Mapping[str, float], items: str | None = None) -> MixtureSchedule:
        """A longer schedule. The same mixture and items as before need no new stage.

        Only the new stage is checked: a long run appends thousands.
        """
        last = self.stages[-1]
        items = last.items if items is None else items
        if dict(weights) == dict(last.weights) and items == last.items and position > last.position:
            return self
        stage = Stage(int(position), dict(weights), items)
        _check_order(last, stage)
        check_mixture(stage.weights, self.stages[0].weights)
        longer = object.__new__(MixtureSchedule)
        object.__setattr__(longer, "stages", (*self.stages, stage))
        return longer

    def stage_at(self, position: int) -> Stage:
        """The stage that governs the draw with index `position`."""
        if position < 0:
            raise BadSetup(f"position is {position}; it must be >= 0")
        return self.stages[bisect.bisect_right(self.stages, position, key=lambda s: s.position) - 1]

    def cut(self, position: int) -> MixtureSchedule:
        """Only the stages that begin at or before `position`."""
        return MixtureSchedule(tuple(s for s in self.stages if s.position <= position))

    def digest(self) -> str:
        """SHA-256 over the canonical JSON form; equal on all ranks that hold the same schedule."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        return {"stages": [stage.to_dict() for stage in self.stages]}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> MixtureSchedule:
        return cls(tuple(Stage.from_dict(stage) for stage in body["stages"]))


def _check_order(before: Stage, after: Stage) -> None:
    if after.position <= before.position:
        raise BadSetup(f"a stage at {after.position} follows one at {before.position}; positions must increase")
