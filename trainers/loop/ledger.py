"""What was learnt from, by domain: summed on each rank, added up over ranks when somebody asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from trainers.loop.comm import Comm
from trainers.stream.batch import Batch

_ROWS = ("draws", "loss", "count", "masked")


class Ledger:
    """Sums over all ranks up to the last `settle`, and this rank's since then.

    Rows (4, K): `draws` learnt from since the start; `loss` and `count` since the last report;
    `masked`: draws since the start that could not be read.
    """

    def __init__(self, domains: Sequence[str], device: torch.device) -> None:
        self.domains = tuple(domains)
        self.settled = torch.zeros(len(_ROWS), len(self.domains), dtype=torch.float64)
        self._own = torch.zeros_like(self.settled, device=device)

    @torch.no_grad()
    def add(self, parts: Sequence[Batch], losses: Sequence[Tensor]) -> None:
        """Count the draws of a step that was taken."""
        domain = torch.cat([part.domain for part in parts])
        valid = torch.cat([part.valid for part in parts]).double()
        loss = torch.where(valid > 0, torch.cat(list(losses)).double(), 0.0)
        member = torch.nn.functional.one_hot(domain, len(self.domains)).double()
        # a matrix product, since index_add_ sums in no fixed order on a GPU
        self._own += torch.stack((valid, loss, valid, 1 - valid)) @ member

    def settle(self, comm: Comm) -> None:
        """Add up over ranks; called by all of them at the same position."""
        self.settled += comm.sum(self._own)
        self._own.zero_()

    def begin(self) -> None:
        """A report was made: losses and counts start anew."""
        self.settled[1:3] = 0

    def draws(self) -> dict[str, float]:
        return self._row("draws")

    def count(self) -> dict[str, float]:
        return self._row("count")

    def masked(self) -> dict[str, float]:
        return self._row("masked")

    def loss(self) -> dict[str, float]:
        """Mean training loss since the last report; NaN for a domain that was not drawn."""
        return dict(zip(self.domains, (self.settled[1] / self.settled[2]).tolist(), strict=True))

    def own_loss(self) -> dict[str, float]:
        """As `loss`, with what this rank has seen and not yet settled; for the progress line."""
        both = self.settled + self._own.cpu()
        return dict(zip(self.domains, (both[1] / both[2]).tolist(), strict=True))

    def to_dict(self) -> dict[str, Any]:
        return {row: self._row(row) for row in _ROWS}

    def load(self, body: Mapping[str, Mapping[str, float]]) -> None:
        self.settled = torch.tensor([[body[row][d] for d in self.domains] for row in _ROWS], dtype=torch.float64)
        self._own.zero_()

    def _row(self, row: str) -> dict[str, float]:
        return dict(zip(self.domains, self.settled[_ROWS.index(row)].tolist(), strict=True))
