"""A loss report: what one held-out evaluation saw, and what had been drawn by then."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from policies.records.checks import MOST, json_mapping, named, number
from policies.records.errors import BadReport

_MAPPINGS = ("draws", "eval_loss", "eval_sem", "train_loss", "train_count")
_NEEDED = ("draws", "eval_loss")


@dataclasses.dataclass(frozen=True)
class LossReport:
    """One evaluation during training. NaN (JSON null) means not measured and is never filled in.

    Parameters
    ----------
    position:
        Draws served by the stream so far, over all domains.
    draws:
        By domain: draws learnt from so far (cumulative). Their sum may fall short of `position`
        where draws were masked out of the loss.
    eval_loss:
        By target: mean held-out loss, positive. A target need not be a domain.
    eval_sem:
        By target: standard error of `eval_loss`.
    train_loss, train_count:
        By domain: mean training loss and number of draws since the last report.
    lr_sum:
        Sum of learning rates over all steps so far.
    grad_dot:
        By target, then domain: inner product of the gradients of their losses, NaN where not measured, which an
        infinite one counts as. Only which domains a target agrees with most counts, so the unit is of no matter.
        Where a target is a domain, take the two gradients on different volumes: the square of one noisy gradient is
        too large.

    Raises
    ------
    BadReport
        With the domain or target, the bad value and the cure.
    """

    position: int
    draws: Mapping[str, float]
    eval_loss: Mapping[str, float]
    eval_sem: Mapping[str, float] | None = None
    train_loss: Mapping[str, float] | None = None
    train_count: Mapping[str, float] | None = None
    lr_sum: float | None = None
    grad_dot: Mapping[str, Mapping[str, float]] | None = None

    def __post_init__(self) -> None:
        position = number("position", self.position, BadReport)
        if not 0 <= position <= MOST or int(position) != position:
            raise BadReport(f"position is {position}; it must be a whole number of draws >= 0, at most {MOST:.0e}")
        object.__setattr__(self, "position", int(position))
        for field in _MAPPINGS:
            if getattr(self, field) is not None or field in _NEEDED:
                object.__setattr__(self, field, named(field, getattr(self, field), BadReport))
        if self.lr_sum is not None:
            object.__setattr__(self, "lr_sum", number("lr_sum", self.lr_sum, BadReport))
        if self.grad_dot is not None:
            object.__setattr__(self, "grad_dot", _products(self.grad_dot))
        for name, value in self.draws.items():
            if not 0 <= value <= MOST:
                raise BadReport(
                    f"draws of '{name}' is {value}; send the cumulative number of draws, finite and >= 0, at most "
                    f"{MOST:.0e}"
                )
        self._check_losses(self.eval_loss, "eval_loss", "send a positive form of the loss")
        self._check_losses(self.train_loss or {}, "train_loss", "send a positive form of the loss")
        for field, values in (("eval_sem", self.eval_sem), ("train_count", self.train_count)):
            for name, value in (values or {}).items():
                if not math.isnan(value) and not (math.isfinite(value) and value >= 0):
                    raise BadReport(f"{field} of '{name}' is {value}; it must be finite and >= 0")
        if self.lr_sum is not None and not 0 <= self.lr_sum <= MOST:
            raise BadReport(f"lr_sum is {self.lr_sum}; it must be finite and >= 0, at most {MOST:.0e}")

    @staticmethod
    def _check_losses(losses: Mapping[str, float], field: str, cure: str) -> None:
        for name, value in losses.items():
            if not math.isnan(value) and not (math.isfinite(value) and value > 0):
                raise BadReport(f"{field} of '{name}' is {value}; losses must be finite and > 0: {cure}")

    def to_dict(self) -> dict[str, Any]:
        body: dict[str, Any] = {"position": int(self.position), "lr_sum": self.lr_sum}
        body.update({field: json_mapping(getattr(self, field)) for field in _MAPPINGS})
        body["grad_dot"] = (
            None if self.grad_dot is None else {target: json_mapping(row) for target, row in self.grad_dot.items()}
        )
        return body

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> LossReport:
        if not isinstance(body, Mapping):
            raise BadReport(f"report is {body!r}; send its fields by name")
        values = dict(body)
        known = [field.name for field in dataclasses.fields(cls)]
        for field in values:
            if field not in known:
                raise BadReport(f"a report has no field {field!r}; its fields are {', '.join(known)}")
        for field in ("position", *_NEEDED):
            if field not in values:
                raise BadReport(f"{field} is missing; a report needs it")
        for field in _MAPPINGS:
            if field in values:
                values[field] = _read(values[field])
        if isinstance(values.get("grad_dot"), Mapping):
            values["grad_dot"] = {target: _read(row) for target, row in values["grad_dot"].items()}
        return cls(**values)


def _products(rows: object) -> dict[str, dict[str, float]]:
    """Gradient products as plain numbers; an infinite one was not measured."""
    if not isinstance(rows, Mapping):
        raise BadReport(f"grad_dot is {rows!r}; send numbers by target, then domain")
    plain = {target: named(f"grad_dot of '{target}'", row, BadReport) for target, row in rows.items()}
    return {
        target: {name: math.nan if math.isinf(value) else value for name, value in row.items()}
        for target, row in plain.items()
    }


def _read(values: Any) -> Any:
    """Numbers as JSON has them: null was not measured, and there is one kind of number. The rest is left as it is."""
    if not isinstance(values, Mapping):
        return values
    return {name: _as_float(math.nan if value is None else value) for name, value in values.items()}


def _as_float(value: Any) -> Any:
    return float(value) if type(value) is int and abs(value) <= MOST else value
