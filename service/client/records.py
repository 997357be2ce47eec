"""What the service answers, as plain frozen records. Fields that a newer service adds are kept in `body`."""

from __future__ import annotations

import bisect
import dataclasses
import math
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Interval:
    """A best guess with its 90 % interval; NaN where nothing is known."""

    mean: float
    low: float
    high: float

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Interval:
        return cls(*(_float(body.get(key)) for key in ("mean", "low", "high")))


@dataclasses.dataclass(frozen=True)
class Decision:
    """The mixture from draw `position` on, and why.

    `weights` are shares by domain; `reason` is a short code, `detail` a sentence with its figures. `predicted` holds
    final losses by target, `gain` that of the plan over the baseline in the objective. `replayed`: this position had
    been answered before.
    """

    position: int
    weights: Mapping[str, float]
    reason: str
    detail: str = ""
    refit: int = 0
    predicted: Mapping[str, Interval] | None = None
    gain: Interval | None = None
    binding: tuple[str, ...] = ()
    replayed: bool = False
    body: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Decision:
        predicted, gain = body.get("predicted"), body.get("gain")
        return cls(
            position=int(body["position"]),
            weights=_shares(body["weights"]),
            reason=str(body.get("reason", "")),
            detail=str(body.get("detail") or ""),
            refit=int(body.get("refit") or 0),
            predicted=None if predicted is None else {name: Interval.read(row) for name, row in predicted.items()},
            gain=None if gain is None else Interval.read(gain),
            binding=tuple(body.get("binding") or ()),
            replayed=bool(body.get("replayed")),
            body=dict(body),
        )


@dataclasses.dataclass(frozen=True)
class Stage:
    """From draw `position` on the mixture is `weights`."""

    position: int
    weights: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Schedule:
    """All mixtures of a run, in order of position."""

    stages: tuple[Stage, ...]

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Schedule:
        return cls(tuple(Stage(int(stage["position"]), _shares(stage["weights"])) for stage in body["stages"]))

    @classmethod
    def start(cls, weights: Mapping[str, float]) -> Schedule:
        return cls((Stage(0, dict(weights)),))

    def weights_at(self, position: int) -> Mapping[str, float]:
        """The shares that govern the draw with index `position`."""
        where = bisect.bisect_right([stage.position for stage in self.stages], position) - 1
        return self.stages[max(where, 0)].weights

    def to_dict(self) -> dict[str, Any]:
        return {"stages": [{"position": stage.position, "weights": dict(stage.weights)} for stage in self.stages]}


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a report, or the start, was answered with.

    `offline`: the service could not be reached, and this is the last mixture it gave (the baseline where it never gave
    one), and `why` says the cause. `queued` reports wait to be sent. `created`: a new allocation was made.
    """

    decision: Decision
    schedule: Schedule
    position: int = 0
    offline: bool = False
    queued: int = 0
    created: bool = False
    allocation: str | None = None
    why: str = ""

    @property
    def weights(self) -> Mapping[str, float]:
        return self.decision.weights

    @classmethod
    def read(cls, body: Mapping[str, Any], **more: Any) -> Answer:
        decision = Decision.read(body["decision"])
        schedule = body.get("schedule")
        return cls(
            decision,
            Schedule.start(decision.weights) if schedule is None else Schedule.read(schedule),
            int(body.get("position") or 0),
            **more,
        )


@dataclasses.dataclass(frozen=True)
class Planned:
    """What-if for one budget: the best mixture, predicted losses by target, the objective's best guess.

    `pool_value` is what one more distinct draw in a domain's pool would be worth; `binding` the constraints that hold
    with equality.
    """

    budget: float
    mixture: Mapping[str, float]
    predicted: Mapping[str, Interval]
    pool_value: Mapping[str, Interval]
    binding: tuple[str, ...] = ()
    body: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Planned:
        return cls(
            budget=float(body["budget"]),
            mixture=_shares(body["mixture"]),
            predicted={name: Interval.read(row) for name, row in (body.get("predicted") or {}).items()},
            pool_value={name: Interval.read(row) for name, row in (body.get("pool_value") or {}).items()},
            binding=tuple(body.get("binding") or ()),
            body=dict(body),
        )


def _float(value: Any) -> float:
    return math.nan if value is None else float(value)


def _shares(values: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in values.items()}
