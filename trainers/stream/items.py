"""The volumes a domain draws from during one stage, and the crops in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from trainers.stream.counter import Ints
from trainers.stream.errors import BadStage
from trainers.volumes.records import PreparedData, PreparedDomain, digest_of

Excluded = Mapping[str, Collection[str]]


class ItemList:
    """A domain's volumes less the excluded ones; items keep their number in the full list."""

    def __init__(self, domain: PreparedDomain, excluded: Collection[str]) -> None:
        gone = frozenset(excluded)
        kept = [number for number, volume in enumerate(domain.train) if volume.key not in gone]
        crops = np.array([domain.train[number].crops for number in kept], dtype=np.int64)
        self.items: Ints = np.array(kept, dtype=np.int64)
        self.ends: Ints = np.cumsum(crops)
        self.pool = int(crops.sum())
        self.digest = domain.without(gone).digest

    def locate(self, element: Ints) -> tuple[Ints, Ints]:
        """(item, crop) of elements of the pool."""
        which = np.searchsorted(self.ends, element, side="right")
        before = np.concatenate(([0], self.ends))[which]
        return self.items[which], element - before


def item_lists(data: PreparedData, excluded: Excluded) -> dict[str, ItemList]:
    """By domain; raises `BadStage` if `excluded` names a domain that is not there."""
    for name in excluded:
        if name not in data.domains:
            raise BadStage(f"excluded volumes of '{name}'; known domains are {', '.join(data.domains)}")
    return {name: ItemList(domain, excluded.get(name, ())) for name, domain in data.domains.items()}


def items_digest(lists: Mapping[str, ItemList]) -> str:
    """Of every domain's list: what a stage of the schedule carries."""
    return digest_of({name: items.digest for name, items in lists.items()})
