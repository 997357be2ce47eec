"""From shares to draws: which domain comes next, which item of it."""

from __future__ import annotations

import bisect
import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol


class Mixing(Protocol):
    """What a sampler needs to know of a callback."""

    @property
    def weights(self) -> Mapping[str, float]: ...

    @property
    def left(self) -> int:
        """Draws of the budget that are left for this rank."""

    @property
    def here(self) -> tuple[int, int, Mapping[str, int]]:
        """Rank, draws of this rank so far, and the same by domain."""


def pick(weights: Mapping[str, float], point: float) -> str:
    """The domain at `point` in [0, 1) when the shares are laid end to end."""
    names = list(weights)
    ends = list(itertools.accumulate(weights.values()))
    return names[min(bisect.bisect_right(ends, point * ends[-1]), len(names) - 1)]


def uniform(generator: Any) -> float:
    """A number in [0, 1) from a `random.Random`, a numpy or a torch generator, or a callable."""
    if hasattr(generator, "random"):
        return float(generator.random())
    if type(generator).__module__.startswith("torch"):
        import torch

        return float(torch.rand((), generator=generator, device=generator.device))
    draw: Callable[[], float] = generator
    return float(draw())


def point(seed: int, rank: int, index: int) -> float:
    """A number in [0, 1) that depends on nothing else: a resumed run draws what the first would have drawn."""
    return random.Random(f"{seed}:{rank}:{index}").random()


class MixtureSampler:
    """Indices into the concatenation of one dataset a domain, for `DataLoader(..., sampler=...)`.

    It runs in the main process and reads the shares at each draw, so that loader workers need not know them; a new
    mixture is late by what the workers have fetched ahead. Within a domain each item comes once an epoch on each
    rank, in an order of its own each time. A new iterator goes on where the callback's counts are.

    Parameters
    ----------
    sizes:
        Items by domain, in the order of concatenation.
    length:
        Draws of one pass, on this rank; by default what is left of the budget.
    """

    def __init__(self, mixing: Mixing, sizes: Mapping[str, int], length: int | None, seed: int = 0) -> None:
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"domain '{name}' has {size} items; leave it out, or give it some")
        self._mixing, self._sizes, self._length, self._seed = mixing, dict(sizes), length, seed
        self._first = dict(zip(sizes, itertools.accumulate(sizes.values(), initial=0), strict=False))
        self._orders: dict[str, tuple[int, Sequence[int]]] = {}

    def __len__(self) -> int:
        return self._mixing.left if self._length is None else self._length

    def __iter__(self) -> Iterator[int]:
        rank, first, drawn = self._mixing.here
        cursors = {name: drawn.get(name, 0) for name in self._sizes}
        for index in range(first, first + len(self)):
            shares = {name: share for name, share in self._mixing.weights.items() if name in self._sizes}
            name = pick(shares if sum(shares.values()) > 0 else self._sizes, point(self._seed, rank, index))
            yield self._first[name] + self._item(name, rank, cursors[name])
            cursors[name] += 1

    def _item(self, name: str, rank: int, cursor: int) -> int:
        epoch, place = divmod(cursor, self._sizes[name])
        if self._orders.get(name, (None,))[0] != epoch:
            order = list(range(self._sizes[name]))
            random.Random(f"{self._seed}:{rank}:{name}:{epoch}").shuffle(order)
            self._orders[name] = epoch, order
        return self._orders[name][1][place]
