"""What a training loop measured, read before anything of it is sent."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from service.client.errors import BadValue, about
from service.client.ledger import Ledger
from service.client.names import finite, unknown_target


@dataclasses.dataclass
class Reading:
    """One rank's evaluation.

    Attributes
    ----------
    loss:
        Held-out loss by target, finite and > 0; what was not measured is left out.
    sem:
        Their standard errors; None where none were given.
    lr_sum:
        Sum of the learning rates so far; None where it was not given.
    given:
        Targets that were named, measured or not.
    wrong:
        Mistakes of the loop: names and values that can never be used. They are left out.
    diverged:
        What was measured and cannot be learnt from. It is left out, too.
    """

    loss: dict[str, float] = dataclasses.field(default_factory=dict)
    sem: dict[str, float] | None = None
    lr_sum: float | None = None
    given: set[str] = dataclasses.field(default_factory=set)
    wrong: list[Exception] = dataclasses.field(default_factory=list)
    diverged: list[Exception] = dataclasses.field(default_factory=list)

    @classmethod
    def of(cls, eval_loss: Any, eval_sem: Any, lr_sum: Any, targets: Sequence[str], *, first: bool) -> Reading:
        """Read what `report` was given; raises nothing. `first`: rank 0, whose evaluation may not be missing."""
        read = cls()
        if callable(eval_loss):
            try:
                eval_loss = eval_loss()
            except Exception as error:  # the others must hear of it before they wait
                read.wrong.append(error)
                return read
        try:  # what the loop gives may fail while it is read, such as a mapping over a file that has gone
            if eval_loss is not None or first:
                read._losses(eval_loss, targets)
            if eval_sem is not None:
                read._errors(eval_sem, targets)
            if lr_sum is not None:
                read.lr_sum = read._kept(finite, lr_sum, "lr_sum")
        except Exception as error:
            read.wrong.append(error)
        return read

    def _losses(self, eval_loss: Any, targets: Sequence[str]) -> None:
        for name, value in self._named(eval_loss, targets, "eval_loss"):
            self.given.add(name)
            plain = self._kept(_measured, value, f"eval_loss of '{name}'")
            if plain is not None and math.isinf(plain):
                text = f"eval_loss of '{name}' is {plain}; it is sent as not measured"
                self.diverged.append(about(BadValue(text), f"eval_loss of '{name}'"))
            elif plain is not None and plain <= 0:
                text = f"eval_loss of '{name}' is {plain}; a loss must be > 0, and this one counts as not measured"
                self.wrong.append(about(BadValue(text), f"eval_loss of '{name}'"))
            elif plain is not None:
                self.loss[name] = plain

    def _errors(self, eval_sem: Any, targets: Sequence[str]) -> None:
        self.sem = {}
        for name, value in self._named(eval_sem, targets, "eval_sem"):
            plain = self._kept(_measured, value, f"eval_sem of '{name}'")
            if plain is not None and not (math.isfinite(plain) and plain >= 0):
                text = f"eval_sem of '{name}' is {plain}; it must be finite and >= 0, and is left out"
                self.wrong.append(about(BadValue(text), f"eval_sem of '{name}'"))
            elif plain is not None:
                self.sem[name] = plain

    def _named(self, values: Any, targets: Sequence[str], field: str) -> list[tuple[str, Any]]:
        """What belongs to a known target; the rest is wrong."""
        if not isinstance(values, Mapping):
            self.wrong.append(about(BadValue(f"{field} is {_shown(values)}; send a mapping by target"), field))
            return []
        for name in values:
            if not isinstance(name, str) or name not in targets:
                self.wrong.append(about(unknown_target(name, targets, field), f"{field} {name!r}"))
        return [(str(name), value) for name, value in values.items() if isinstance(name, str) and name in targets]

    def _kept(self, read: Callable[[Any, str], float | None], value: Any, what: str) -> float | None:
        try:
            return read(value, what)
        except BadValue as error:
            self.wrong.append(about(error, what))
            return None


def joined(readings: Sequence[Reading]) -> Reading:
    """What all ranks measured: of each target the value of the lowest rank that has one."""
    whole = Reading()
    for read in reversed(readings):
        whole.loss.update(read.loss)
        whole.given |= read.given
        whole.sem = whole.sem if read.sem is None else {**(whole.sem or {}), **read.sem}
        whole.lr_sum = whole.lr_sum if read.lr_sum is None else read.lr_sum
    return whole


def report_of(
    read: Reading, position: int, draws: Mapping[str, float], counted: Mapping[str, Any], names: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """The report at `position`: every domain and every target of `names` is in it, null where not measured."""
    domains, targets = names
    train = {name: loss for name, loss in Ledger.train_losses(counted).items() if name in domains}
    return {
        "position": position,
        "draws": {name: draws.get(name, 0) for name in domains},
        "eval_loss": {name: read.loss.get(name) for name in targets},
        "eval_sem": read.sem or None,
        "train_loss": {name: loss for name, loss in train.items() if math.isfinite(loss) and loss > 0} or None,
        "train_count": {name: counted["loss_count"][name] for name in train} or None,
        "lr_sum": counted["lr_sum"] if read.lr_sum is None else read.lr_sum,
    }


def _measured(value: Any, what: str) -> float | None:
    """A plain number; None for what was not measured. Raises `BadValue` for what is no number."""
    if value is None:
        return None
    if isinstance(value, bool | str | bytes | Mapping) or type(value).__name__ in ("bool_", "bool"):
        raise BadValue(f"{what} is {_shown(value)}; send one number, or NaN where it was not measured")
    try:
        plain = float(value.detach() if hasattr(value, "detach") else value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise BadValue(f"{what} is {_shown(value)}; send one number, or NaN where it was not measured") from None
    return None if math.isnan(plain) else plain


def _shown(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:80]}..."
