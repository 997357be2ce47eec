"""Reading draws, in whatever process: numpy, torch tensors and the cache; no MONAI, no schedule."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from trainers.stream.batch import Batch, Failure
from trainers.stream.draws import Draws
from trainers.stream.masks import flips, visible_patches
from trainers.volumes.crops import read_crop
from trainers.volumes.errors import VolumeUnreadable
from trainers.volumes.records import PreparedData, PreparedVolume


@dataclasses.dataclass(frozen=True)
class Order:
    """Draws that make one batch; `last` closes an optimiser step."""

    draws: Draws
    last: bool


class CropReader(Dataset[Batch]):
    """Turns an order into a batch. A volume that cannot be read gives zeros, `valid` False and a failure."""

    def __init__(self, data: PreparedData, seed: int, tokens: int, visible: int, flip_axes: tuple[int, ...]) -> None:
        self.data, self.seed, self.tokens, self.visible, self.flip_axes = data, seed, tokens, visible, flip_axes

    def __getitems__(self, order: Order) -> Batch:
        draws = order.draws
        image = np.zeros((len(draws), 1, *self.data.crop), dtype=np.float32)
        valid, failures = np.ones(len(draws), dtype=bool), []
        mirrored = flips(self.seed, draws.index, self.flip_axes)
        for row, draw in enumerate(draws):
            volume = self.data.domains[draw.domain].train[draw.item]
            try:
                image[row] = _mirror(read_crop(volume, draw.crop, self.data.crop), mirrored[row])
            except VolumeUnreadable as error:
                valid[row] = False
                failures.append(_failure(draw.domain, volume, error))
        return Batch(
            image=torch.from_numpy(image),
            domain=torch.from_numpy(draws.domain),
            index=torch.from_numpy(draws.index),
            visible=torch.from_numpy(visible_patches(self.seed, draws.index, self.tokens, self.visible)),
            valid=torch.from_numpy(valid),
            item=torch.from_numpy(draws.item),
            crop=torch.from_numpy(draws.crop),
            epoch=torch.from_numpy(draws.epoch),
            failures=failures,
            last=order.last,
        )


def _mirror(crop: npt.NDArray[np.float32], axes: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    return np.flip(crop, axis=tuple(np.flatnonzero(axes) + 1)) if axes.any() else crop


def _failure(domain: str, volume: PreparedVolume, error: VolumeUnreadable) -> Failure:
    return Failure(domain, volume.key, volume.name, error.cause)
