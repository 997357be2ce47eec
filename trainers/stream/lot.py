"""From "the n-th draw of a domain" to one crop of one of its volumes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np

from trainers.stream.counter import Ints, Words, key_for
from trainers.stream.items import ItemList
from trainers.stream.permutation import permute


def place_draws(counts: Ints, before: Ints, order: Ints) -> tuple[Ints, Ints]:
    """(domain, nth) of every draw of some blocks, flat.

    Parameters
    ----------
    counts:
        (n, K) draws of each domain in each block.
    before:
        (K,) draws of each domain before the first of these blocks.
    order:
        (n, B) a random order of the places in each block.

    `nth` numbers a domain's draws as they come: it grows with the position.
    """
    blocks, size = order.shape
    domains = counts.shape[1]
    sorted_domains = np.repeat(np.tile(np.arange(domains), blocks), counts.ravel()).reshape(blocks, size)
    domain = np.take_along_axis(sorted_domains, order, axis=1).ravel()
    by_domain = np.argsort(domain, kind="stable")
    totals = counts.sum(axis=0)
    firsts = np.cumsum(totals) - totals
    nth = np.empty_like(domain)
    nth[by_domain] = np.arange(blocks * size) - np.repeat(firsts - before, totals)
    return domain, nth


@dataclasses.dataclass(frozen=True)
class Lot:
    """What the domains draw from during a stage.

    `start` (K,): draws a domain had served when its present list began; `epoch` (K,): the epoch it
    then began; `keys` (K,): of its random orders.
    """

    lists: Mapping[str, ItemList]
    start: Ints
    epoch: Ints
    keys: Words

    @classmethod
    def first(cls, seed: int, lists: Mapping[str, ItemList]) -> Self:
        """At the beginning of the stream."""
        zero = np.zeros(len(lists), dtype=np.int64)
        keys = np.array([key_for(seed, "order of pool", name) for name in lists], dtype=np.uint64)
        return cls(lists, zero, zero, keys)

    def follow(self, served: Ints, lists: Mapping[str, ItemList]) -> Self:
        """After `served` (K,) draws: domains whose list changed start over in a fresh epoch."""
        old = [items.digest for items in self.lists.values()]
        changed = np.array([items.digest != digest for items, digest in zip(lists.values(), old, strict=True)])
        begun = -(-(served - self.start) // np.maximum(self._pools(), 1))
        start = np.where(changed, served, self.start)
        return dataclasses.replace(
            self, lists=lists, start=start, epoch=np.where(changed, self.epoch + begun, self.epoch)
        )

    def locate(self, domain: Ints, nth: Ints, names: Sequence[str]) -> tuple[Ints, Ints, Ints]:
        """(item, crop, epoch) of a domain's draw number `nth`, each (n,)."""
        pool = self._pools()[domain]
        since = nth - self.start[domain]
        epoch = self.epoch[domain] + since // pool
        element = permute(since % pool, pool, epoch, self.keys[domain])
        item, crop = np.empty_like(element), np.empty_like(element)
        for number, name in enumerate(names):
            mine = np.flatnonzero(domain == number)
            if len(mine):
                item[mine], crop[mine] = self.lists[name].locate(element[mine])
        return item, crop, epoch

    def epochs(self, served: Ints, names: Sequence[str]) -> dict[str, float]:
        """Passes over the present lists, by domain; epochs over earlier lists count as whole ones."""
        passes = self.epoch + (served - self.start) / np.maximum(self._pools(), 1)
        return dict(zip(names, passes.tolist(), strict=True))

    def _pools(self) -> Ints:
        return np.array([items.pool for items in self.lists.values()], dtype=np.int64)
