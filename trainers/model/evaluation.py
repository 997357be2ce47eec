"""Held-out loss on fixed crops with fixed masks, so that two checkpoints are compared on the same thing."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch

from trainers.stream.batch import Failure
from trainers.stream.masks import fixed_masks
from trainers.volumes.crops import read_held_out
from trainers.volumes.errors import VolumeUnreadable
from trainers.volumes.records import PreparedData


@dataclasses.dataclass(frozen=True)
class HeldOutBatch:
    """image (B, 1, D, H, W) float32, visible (B, n) int64, domain (B,) and number within the domain (B,) int64."""

    image: torch.Tensor
    visible: torch.Tensor
    domain: torch.Tensor
    number: torch.Tensor


class HeldOutSet:
    """The held-out crops that one rank evaluates: every `world`-th one, beginning with its own number.

    Parameters
    ----------
    data:
        The prepared domains; their order numbers them.
    seed:
        Fixes the masks.
    tokens, visible:
        Patches in a crop, and how many of them are shown.
    batch:
        Crops in a forward pass.
    rank, world:
        This rank of so many.
    keep_bytes:
        Crops are kept in memory as far as they fit into this many bytes; the rest is read each time.

    A crop that cannot be read is left out from then on and noted in `failures`.
    """

    def __init__(
        self,
        data: PreparedData,
        *,
        seed: int,
        tokens: int,
        visible: int,
        batch: int,
        rank: int = 0,
        world: int = 1,
        keep_bytes: int = 512 * 2**20,
    ) -> None:
        self.names = tuple(data.domains)
        self.failures: list[Failure] = []
        self._data, self._batch = data, batch
        self._places = _places(data)[rank::world]
        self._masks = {
            name: fixed_masks(seed, name, len(domain.held_out), tokens, visible)
            for name, domain in data.domains.items()
        }
        self._kept: dict[tuple[int, int], torch.Tensor] = {}
        self._room = keep_bytes // (4 * int(np.prod(data.crop)))

    def __iter__(self) -> Iterator[HeldOutBatch]:
        for first in range(0, len(self._places), self._batch):
            places = self._places[first : first + self._batch]
            read = [(place, crop) for place in places if (crop := self._read(place)) is not None]
            if read:
                yield HeldOutBatch(
                    image=torch.stack([crop for _, crop in read]),
                    visible=torch.from_numpy(np.stack([self._masks[self.names[d]][n] for (d, n), _ in read])),
                    domain=torch.tensor([domain for (domain, _), _ in read]),
                    number=torch.tensor([number for (_, number), _ in read]),
                )

    def _read(self, place: tuple[int, int]) -> torch.Tensor | None:
        if place in self._kept:
            return self._kept[place]
        domain, number = self.names[place[0]], place[1]
        held_out = self._data.domains[domain].held_out[number]
        volume = held_out.volume
        if any(failure.domain == domain and failure.key == volume.key for failure in self.failures):
            return None
        try:
            crop = torch.from_numpy(read_held_out(held_out, self._data.crop))
        except VolumeUnreadable as error:
            self.failures.append(Failure(domain, volume.key, volume.name, error.cause))
            return None
        if len(self._kept) < self._room:
            self._kept[place] = crop
        return crop


def _places(data: PreparedData) -> list[tuple[int, int]]:
    """(domain, number) of every held-out crop."""
    return [(d, n) for d, domain in enumerate(data.domains.values()) for n in range(len(domain.held_out))]


@dataclasses.dataclass(frozen=True)
class Tally:
    """Sums by domain over held-out crops, each (K,) float64 on the CPU; tallies of ranks add up."""

    total: torch.Tensor
    squares: torch.Tensor
    count: torch.Tensor

    def stacked(self) -> torch.Tensor:
        """(3, K), ready to be summed over ranks."""
        return torch.stack((self.total, self.squares, self.count))

    @classmethod
    def of(cls, stacked: torch.Tensor) -> Tally:
        """The inverse of `stacked`."""
        return cls(*stacked.double().cpu().unbind())

    def mean(self, names: Sequence[str]) -> dict[str, float]:
        """Mean loss by domain; NaN where nothing was measured."""
        return _named(names, self.total / self.count)

    def sem(self, names: Sequence[str]) -> dict[str, float]:
        """Standard error of the mean over crops; NaN where fewer than two were measured."""
        mean = self.total / self.count
        spread = (self.squares / self.count - mean.square()).clamp(min=0)
        error = (spread / (self.count - 1)).sqrt()
        return _named(names, torch.where(self.count > 1, error, torch.nan))


def _named(names: Sequence[str], values: torch.Tensor) -> dict[str, float]:
    return dict(zip(names, values.tolist(), strict=True))


def evaluate(
    model: torch.nn.Module,
    batches: Iterable[HeldOutBatch],
    domains: int,
    *,
    device: torch.device | str = "cpu",
    precision: torch.dtype | None = None,
    weights: Mapping[str, torch.Tensor] | None = None,
) -> Tally:
    """Loss sums by domain over `batches`, without dropout, gradients or a touch of any generator.

    `model(image, visible)` gives the loss of each sample. `precision` is the type of autocast (None:
    as it is). `weights` (names as in the model, such as the moving average) stand in for its own.
    """
    sums = torch.zeros(3, domains, dtype=torch.float64)
    with as_evaluated(model, device, precision), torch.no_grad():
        for batch in batches:
            inputs = (batch.image.to(device, non_blocking=True), batch.visible.to(device, non_blocking=True))
            losses = model(*inputs) if weights is None else torch.func.functional_call(model, dict(weights), inputs)
            _add(sums, batch.domain, losses.cpu().double())
    return Tally.of(sums)


@contextlib.contextmanager
def as_evaluated(model: torch.nn.Module, device: torch.device | str, precision: torch.dtype | None) -> Iterator[None]:
    """Inside the block the model is without dropout, in the type `precision` of autocast (None: as it is)."""
    cast = torch.autocast(torch.device(device).type, precision) if precision else contextlib.nullcontext()
    was_training = model.training
    model.eval()
    try:
        with cast:
            yield
    finally:
        model.train(was_training)


def _add(sums: torch.Tensor, domain: torch.Tensor, losses: torch.Tensor) -> None:
    for row, values in enumerate((losses, losses.square(), torch.ones_like(losses))):
        sums[row].index_add_(0, domain, values)
