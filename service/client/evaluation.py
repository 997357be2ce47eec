"""What a training loop measured, as the report that the service takes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from service.client.ledger import Ledger

Say = Callable[[Exception], None]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Held-out losses as a loop gives them, by target; missing and NaN ones were not measured.

    targets: names that every report holds; loss, sem: any of them, and others, which the service refuses by name;
    lr_sum: sum of the learning rates so far, None for the one that was counted.
    """

    targets: Sequence[str]
    loss: Mapping[str, Any]
    sem: Mapping[str, Any] | None
    lr_sum: float | None

    def report(self, position: int, counted: Mapping[str, Any], domains: Sequence[str], say: Say) -> dict[str, Any]:
        """The report at `position`, with what all ranks `counted` for `domains`; `say` hears what diverged."""
        train = {name: loss for name, loss in Ledger.train_losses(counted).items() if name in domains}
        names = [*self.targets, *(name for name in self.loss if name not in self.targets)]
        return {
            "position": position,
            "draws": {name: counted["draws"].get(name, 0) for name in domains},
            "eval_loss": {name: _measured(name, self.loss.get(name), say) for name in names},
            "eval_sem": None if self.sem is None else {name: float(value) for name, value in self.sem.items()},
            "train_loss": {name: loss for name, loss in train.items() if math.isfinite(loss) and loss > 0} or None,
            "train_count": {name: counted["loss_count"][name] for name in train} or None,
            "lr_sum": counted["lr_sum"] if self.lr_sum is None else self.lr_sum,
        }


def _measured(target: str, value: Any, say: Say) -> float | None:
    """A loss that can be learnt from; one that diverged counts as not measured."""
    loss = math.nan if value is None else float(value)
    if math.isinf(loss):
        say(ValueError(f"eval_loss of '{target}' is {loss}; it is sent as not measured"))
    return loss if math.isfinite(loss) else None


def listed(values: Any) -> Sequence[Any]:
    """One value or a batch of them, whatever it is made of, as a list."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    return [values] if isinstance(values, str | int | float) else list(values)
