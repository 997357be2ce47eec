"""What the loader gives to the training loop."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch


@dataclasses.dataclass
class Failure:
    """A volume that could not be read: quarantine `key` in `domain`."""

    domain: str
    key: str
    name: str
    cause: str


@dataclasses.dataclass
class Batch:
    """Draws of one forward pass on one rank.

    image (B, 1, D, H, W) float32; domain (B,) int64, counting into the stream's names; index (B,)
    int64, places in the stream; visible (B, n) int64, patches shown; valid (B,) bool, False where
    the volume could not be read: then the image is zeros, and the draw must not count in the loss.
    item, crop, epoch (B,) int64 say which crop it was. `last` closes an optimiser step.
    """

    image: torch.Tensor
    domain: torch.Tensor
    index: torch.Tensor
    visible: torch.Tensor
    valid: torch.Tensor
    item: torch.Tensor
    crop: torch.Tensor
    epoch: torch.Tensor
    failures: list[Failure]
    last: bool

    def __len__(self) -> int:
        return len(self.index)

    def to(self, device: torch.device | str) -> Batch:
        """On `device`; copies from pinned memory overlap with compute."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """Called by the data loader for CUDA."""
        return self._map(lambda tensor: tensor.pin_memory())

    def __getstate__(self) -> dict[str, Any]:
        """Between processes only the image goes through shared memory; a segment for each small
        column would cost more than the column."""
        return {name: _plain(value) if name != "image" else value for name, value in vars(self).items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, torch.from_numpy(value) if isinstance(value, np.ndarray) else value)

    def _map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        tensors: dict[str, Any] = {
            field.name: change(value)
            for field in dataclasses.fields(self)
            if isinstance(value := getattr(self, field.name), torch.Tensor)
        }
        return dataclasses.replace(self, **tensors)


def _plain(value: Any) -> Any:
    return value.numpy() if isinstance(value, torch.Tensor) else value
