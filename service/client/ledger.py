"""What was drawn so far, by domain, on this rank and on all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class Ledger:
    """Draws, training losses and learning rates.

    `total` is what all ranks had drawn when they last met, `fresh` what this rank drew since. Ranks may draw unequal
    numbers. In between, all take the common position from the steps since they met, which are the same on all, and
    from the draws a step took before; `step` is None as long as nobody knows them.
    """

    def __init__(self, names: Sequence[str], ranks: int = 1) -> None:
        self.ranks = ranks
        self.total: dict[str, float] = dict.fromkeys(names, 0)
        self.fresh: dict[str, float] = {}
        self.loss_sum: dict[str, float] = {}
        self.loss_count: dict[str, float] = {}
        self.lr_sum: float | None = None
        self.reported: dict[str, float] = {}  # draws by domain in the last report
        self.step: float | None = None  # draws of one step, over all ranks
        self.steps = 0  # since the ranks met
        self._before = 0.0  # position of one process at its last step

    @property
    def position(self) -> int:
        """Draws so far, over all domains and ranks; the same on every rank that made the same steps."""
        if self.ranks == 1:
            return int(sum(self.total.values()) + sum(self.fresh.values()))
        return int(sum(self.total.values()) + self.steps * (self.step or 0.0) + 1e-6)

    @property
    def draws(self) -> dict[str, float]:
        """Draws by domain, as far as this rank knows: it takes the others for its like since they met."""
        names = {**self.total, **self.fresh}
        return {name: self.total.get(name, 0) + self.ranks * self.fresh.get(name, 0) for name in names}

    def count(self, name: str, draws: float = 1, loss: float | None = None) -> None:
        """`draws` more were learnt from `name`, with this mean training loss."""
        self.fresh[name] = self.fresh.get(name, 0) + draws
        if loss is not None and abs(loss) < float("inf"):
            self.loss_sum[name] = self.loss_sum.get(name, 0.0) + loss * draws
            self.loss_count[name] = self.loss_count.get(name, 0) + draws

    def add_lr(self, lr: float) -> None:
        self.lr_sum = (self.lr_sum or 0.0) + lr

    def end_step(self) -> None:
        """What was counted since the last call is one step."""
        self.steps += 1
        if self.ranks == 1:
            here = float(self.position)
            self.step, self._before = here - self._before, here

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

    def met(self, merged: Mapping[str, Any]) -> None:
        """All ranks have met: their draws become the total."""
        grown = sum(merged["draws"].values()) - sum(self.total.values())
        if self.ranks > 1 and self.steps and grown > 0:
            self.step = grown / self.steps
        self.total, self.fresh, self.steps = dict(merged["draws"]), {}, 0

    def begin_interval(self, draws: Mapping[str, float]) -> None:
        """A report holds these `draws`; training losses begin anew."""
        self.reported = dict(draws)
        self.loss_sum, self.loss_count = {}, {}

    def within(self, budget: int) -> tuple[int, dict[str, float]]:
        """Position and draws for a report, within the budget.

        The last batch may lead beyond it. Then the position is the budget, and the draws since the last report are
        scaled down to what was left, in whole draws by largest remainder: their sum is the position again.
        """
        position = self.position
        if position <= budget:
            return position, dict(self.total)
        since = {name: value - self.reported.get(name, 0) for name, value in self.total.items()}
        room = budget - int(sum(self.reported.values()))
        exact = {name: room * value / sum(since.values()) for name, value in since.items()}
        whole = {name: int(value) for name, value in exact.items()}
        short = room - sum(whole.values())
        for name in sorted(exact, key=lambda one: (whole[one] - exact[one], one))[:short]:
            whole[name] += 1
        return budget, {name: self.reported.get(name, 0) + value for name, value in whole.items()}

    def bounded(self, merged: Mapping[str, Any], draws: Mapping[str, float]) -> dict[str, Any]:
        """`merged`, with no more draws behind a training loss than a report of `draws` says there were since the last.

        They are more where the last batch leads beyond the budget: a service takes such counts for wrong.
        """
        since = {name: value - self.reported.get(name, 0) for name, value in draws.items()}
        counts = {name: min(count, max(since.get(name, count), 0)) for name, count in merged["loss_count"].items()}
        # The mean stays what it was over all that was learnt from.
        shares = {name: counts[name] / count if count else 0.0 for name, count in merged["loss_count"].items()}
        sums = {name: total * shares[name] for name, total in merged["loss_sum"].items()}
        return {**merged, "loss_count": counts, "loss_sum": sums}

    def restore(self, state: Mapping[str, Any], ranks: int, rank: int) -> None:
        """Go on from `merged`; the sums of training losses go on in rank 0 alone, so that none counts twice."""
        merged = state["counts"]
        self.ranks, self.steps, self.step = ranks, 0, None
        self.total, self.fresh = dict(merged["draws"]), {}
        self._before = float(sum(self.total.values()))
        # A checkpoint of an earlier version does not say it; what it counted was reported at most.
        self.begin_interval(state.get("reported", merged["draws"]))
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
