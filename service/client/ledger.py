"""What was drawn so far, by domain, on this rank and on all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class Ledger:
    """Draws, training losses and learning rates.

    `total` is what all ranks had drawn when they last met, `fresh` what this rank drew since. Every rank must count
    the same number of draws a step, as data-parallel training does: then all know the common position without asking.
    """

    def __init__(self, names: Sequence[str], ranks: int = 1) -> None:
        self.ranks = ranks
        self.total: dict[str, float] = dict.fromkeys(names, 0)
        self.fresh: dict[str, float] = {}
        self.loss_sum: dict[str, float] = {}
        self.loss_count: dict[str, float] = {}
        self.lr_sum: float | None = None

    @property
    def position(self) -> int:
        """Draws so far, over all domains and ranks."""
        return int(sum(self.total.values()) + self.ranks * sum(self.fresh.values()))

    def count(self, name: str, draws: float = 1, loss: float | None = None) -> None:
        """`draws` more were learnt from `name`, with this mean training loss."""
        self.fresh[name] = self.fresh.get(name, 0) + draws
        if loss is not None and loss == loss:
            self.loss_sum[name] = self.loss_sum.get(name, 0.0) + loss * draws
            self.loss_count[name] = self.loss_count.get(name, 0) + draws

    def add_lr(self, lr: float) -> None:
        self.lr_sum = (self.lr_sum or 0.0) + lr

    def share(self) -> dict[str, Any]:
        """What the other ranks need from this one."""
        return {"fresh": self.fresh, "loss_sum": self.loss_sum, "loss_count": self.loss_count}

    def merged(self, shares: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """Totals over all ranks as of now; changes nothing here."""
        shares = list(shares)
        fresh, loss_sum, loss_count = (_added(each[key] for each in shares) for key in self.share())
        return {
            "draws": _added((self.total, fresh)),
            "loss_sum": loss_sum,
            "loss_count": loss_count,
            "lr_sum": self.lr_sum,
        }

    def settle(self, merged: Mapping[str, Any]) -> None:
        """All ranks have met: their draws become the total, and training losses begin anew."""
        self.total = dict(merged["draws"])
        self.fresh, self.loss_sum, self.loss_count = {}, {}, {}

    def restore(self, merged: Mapping[str, Any], ranks: int, rank: int) -> None:
        """Go on from `merged`; the sums of training losses go on in rank 0 alone, so that none counts twice."""
        self.settle(merged)
        self.ranks = ranks
        self.lr_sum = merged["lr_sum"]
        if rank == 0:
            self.loss_sum, self.loss_count = dict(merged["loss_sum"]), dict(merged["loss_count"])

    @staticmethod
    def train_losses(merged: Mapping[str, Any]) -> dict[str, float]:
        """Mean training loss by domain since the last report."""
        return {name: merged["loss_sum"][name] / n for name, n in merged["loss_count"].items() if n}


def _added(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total.get(name, 0) + value
    return total
