"""What a draw is: one crop of one volume of one domain, at one place in the stream."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from trainers.stream.counter import Ints


@dataclasses.dataclass(frozen=True)
class Draw:
    """`index`: place in the stream; `item`: number of the volume in its domain's full list;
    `crop`: number of the crop in the volume; `epoch`: how often the domain's pool was used up."""

    index: int
    domain: str
    item: int
    crop: int
    epoch: int


@dataclasses.dataclass(frozen=True)
class Draws:
    """Many draws, column by column, each (n,); `domain` counts into `names`."""

    names: tuple[str, ...]
    index: Ints
    domain: Ints
    item: Ints
    crop: Ints
    epoch: Ints

    def __len__(self) -> int:
        return len(self.index)

    def __iter__(self) -> Iterator[Draw]:
        columns = (self.index, self.domain, self.item, self.crop, self.epoch)
        for index, domain, item, crop, epoch in zip(*(c.tolist() for c in columns), strict=True):
            yield Draw(index, self.names[domain], item, crop, epoch)

    def take(self, which: slice | Ints) -> Draws:
        """Some of them, in the order asked for."""
        return Draws(
            self.names, self.index[which], self.domain[which], self.item[which], self.crop[which], self.epoch[which]
        )

    @classmethod
    def join(cls, parts: list[Draws]) -> Draws:
        """One after the other."""
        fields = ("index", "domain", "item", "crop", "epoch")
        return cls(parts[0].names, *(np.concatenate([getattr(part, field) for part in parts]) for field in fields))
