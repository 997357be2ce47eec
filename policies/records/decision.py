"""A decision: the mixture from a position on, and why."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from policies.records.checks import check_mixture, json_number, plain_number
from policies.records.errors import BadSetup


@dataclasses.dataclass(frozen=True)
class Interval:
    """A best guess with its interval (by default 90 %); NaN where nothing is known, and in JSON beyond all numbers."""

    mean: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        ends = {"mean": self.mean, "low": self.low, "high": self.high}
        return {end: None if math.isinf(value) else json_number(value) for end, value in ends.items()}

    @classmethod
    def from_dict(cls, body: Mapping[str, float | None]) -> Interval:
        return cls(plain_number(body["mean"]), plain_number(body["low"]), plain_number(body["high"]))


Intervals = Mapping[str, Interval]


def _dump(values: Intervals | None) -> dict[str, Any] | None:
    return None if values is None else {name: value.to_dict() for name, value in values.items()}


def _load(values: Mapping[str, Any] | None) -> dict[str, Interval] | None:
    return None if values is None else {name: Interval.from_dict(value) for name, value in values.items()}


@dataclasses.dataclass(frozen=True)
class LawSummary:
    """The law a decision came from, in numbers a person can read.

    `transfer[to][from_]` is what a draw from `from_` is worth to `to`, relative to a draw of `to`
    itself (relative to the most useful domain where the target is no domain). `identified` says
    whether the data, not the prior, fixed that number. Where the law knows no transfer both are
    empty, and `hub_score` is. `families` holds the weight of each form of law in the average.
    `burn_in` is the position from which losses entered the fit.
    """

    exponents: Intervals
    floors: Intervals
    transfer: Mapping[str, Intervals]
    identified: Mapping[str, Mapping[str, bool]]
    hub_score: Intervals
    residual_sd: Mapping[str, float]
    families: Mapping[str, float]
    burn_in: float

    def to_dict(self) -> dict[str, Any]:
        return {
            "exponents": _dump(self.exponents),
            "floors": _dump(self.floors),
            "transfer": {to: _dump(row) for to, row in self.transfer.items()},
            "identified": {to: dict(row) for to, row in self.identified.items()},
            "hub_score": _dump(self.hub_score),
            "residual_sd": {name: json_number(value) for name, value in self.residual_sd.items()},
            "families": dict(self.families),
            "burn_in": self.burn_in,
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> LawSummary:
        return cls(
            exponents=_load(body["exponents"]) or {},
            floors=_load(body["floors"]) or {},
            transfer={to: _load(row) or {} for to, row in body["transfer"].items()},
            identified={to: dict(row) for to, row in body["identified"].items()},
            hub_score=_load(body["hub_score"]) or {},
            residual_sd={name: plain_number(value) for name, value in body["residual_sd"].items()},
            families=dict(body["families"]),
            burn_in=float(body["burn_in"]),
        )


@dataclasses.dataclass(frozen=True)
class Decision:
    """The mixture that applies from `position` on.

    Parameters
    ----------
    position:
        First draw the mixture applies to: the first interval boundary at or after the last report.
    weights:
        By domain; a point on the simplex.
    reason:
        A short code a person can read: `start`, `refit`, `probe`, `hold`, `fixed`, `burn-in`,
        `kept: no gain beyond uncertainty`, `kept: law not identified`, `kept: fit failed` ...
    detail:
        One sentence with the figures behind the reason.
    refit:
        How many refits had been made when this was decided.
    predicted, predicted_baseline:
        By target: final held-out loss at the budget if these weights are kept, also where they are a probe's (if the
        baseline mixture had been kept from the first draw).
    gain:
        Predicted final objective of the baseline minus that of the plan; for `mean_log` roughly
        the relative gain. Positive means the plan ends lower.
    binding:
        Constraints that hold with equality, such as `max_share of ct` or `pool of pet`.
    law:
        The law the decision came from; None for policies without one.
    replayed:
        True where the position had been answered before and the stored answer came back.
    """

    position: int
    weights: Mapping[str, float]
    reason: str
    detail: str = ""
    refit: int = 0
    predicted: Intervals | None = None
    predicted_baseline: Intervals | None = None
    gain: Interval | None = None
    binding: tuple[str, ...] = ()
    law: LawSummary | None = None
    replayed: bool = False

    def __post_init__(self) -> None:
        if int(self.position) != self.position or self.position < 0:
            raise BadSetup(f"position of the decision is {self.position}; it must be a whole number of draws >= 0")
        check_mixture(self.weights)

    @property
    def probes(self) -> bool:
        """Whether the mixture is there to learn from, and what it would end at nobody means to see."""
        return self.reason.startswith("probe")

    def to_dict(self) -> dict[str, Any]:
        return {
            "position": int(self.position),
            "weights": dict(self.weights),
            "reason": self.reason,
            "detail": self.detail,
            "refit": self.refit,
            "predicted": _dump(self.predicted),
            "predicted_baseline": _dump(self.predicted_baseline),
            "gain": None if self.gain is None else self.gain.to_dict(),
            "binding": list(self.binding),
            "law": None if self.law is None else self.law.to_dict(),
            "replayed": self.replayed,
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Decision:
        values = dict(body)
        values["predicted"] = _load(values.get("predicted"))
        values["predicted_baseline"] = _load(values.get("predicted_baseline"))
        values["gain"] = None if values.get("gain") is None else Interval.from_dict(values["gain"])
        values["binding"] = tuple(values.get("binding", ()))
        values["law"] = None if values.get("law") is None else LawSummary.from_dict(values["law"])
        return cls(**values)
