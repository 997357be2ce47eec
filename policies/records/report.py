"""A loss report: what one held-out evaluation saw, and what had been drawn by then."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

from policies.records.checks import json_mapping, plain_mapping
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
        position = _number("position", self.position)
        if not math.isfinite(position) or int(position) != position or position < 0:
            raise BadReport(f"position is {position}; it must be a whole number of draws >= 0")
        object.__setattr__(self, "position", int(position))
        for field in _MAPPINGS:
            if getattr(self, field) is not None or field in _NEEDED:
                object.__setattr__(self, field, _numbers(field, getattr(self, field)))
        if self.lr_sum is not None:
            object.__setattr__(self, "lr_sum", _number("lr_sum", self.lr_sum))
        if self.grad_dot is not None:
            object.__setattr__(self, "grad_dot", _products(self.grad_dot))
        for name, value in self.draws.items():
            if not (math.isfinite(value) and value >= 0):
                raise BadReport(f"draws of '{name}' is {value}; send the cumulative number of draws, finite and >= 0")
        self._check_losses(self.eval_loss, "eval_loss", "send a positive form of the loss")
        self._check_losses(self.train_loss or {}, "train_loss", "send a positive form of the loss")
        for field, values in (("eval_sem", self.eval_sem), ("train_count", self.train_count)):
            for name, value in (values or {}).items():
                if not math.isnan(value) and not (math.isfinite(value) and value >= 0):
                    raise BadReport(f"{field} of '{name}' is {value}; it must be finite and >= 0")
        if self.lr_sum is not None and not (math.isfinite(self.lr_sum) and self.lr_sum >= 0):
            raise BadReport(f"lr_sum is {self.lr_sum}; it must be finite and >= 0")

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
        values = dict(body)
        for field in _MAPPINGS:
            if field in values:
                values[field] = plain_mapping(values[field])
        if values.get("grad_dot") is not None:
            values["grad_dot"] = {target: plain_mapping(row) for target, row in values["grad_dot"].items()}
        return cls(**values)


def _products(rows: object) -> dict[str, dict[str, float]]:
    """Gradient products as plain numbers; an infinite one was not measured."""
    if not isinstance(rows, Mapping):
        raise BadReport(f"grad_dot is {rows!r}; send numbers by target, then domain")
    plain = {target: _numbers(f"grad_dot of '{target}'", row) for target, row in rows.items()}
    return {
        target: {name: math.nan if math.isinf(value) else value for name, value in row.items()}
        for target, row in plain.items()
    }


def _numbers(field: str, values: object) -> dict[str, float]:
    """Plain numbers by name, those of other libraries converted, so that what is kept of them is JSON."""
    if not isinstance(values, Mapping):
        raise BadReport(f"{field} is {values!r}; send numbers by name")
    for name in values:
        if not isinstance(name, str):
            raise BadReport(f"{field} has the name {name!r}; names must be strings")
    return {name: _number(f"{field} of '{name}'", value) for name, value in values.items()}


def _number(what: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, Real)):
        raise BadReport(f"{what} is {value!r}; it must be a number")
    try:
        plain = float(value)
    except OverflowError:
        raise BadReport(f"{what} is too large for a number of 64 bits") from None
    return value if isinstance(value, int) else plain
