"""Ranks that train together: one speaks to the service, all hear the same answer."""

from __future__ import annotations

import os
import sys
from typing import Any, Protocol

from service.client.errors import WrongSettings


class Group(Protocol):
    """What a distributed launcher must offer; every rank makes each call, in the same order.

    `gather` should raise where another rank has gone: only then does this one not wait for it.
    """

    rank: int
    size: int

    def gather(self, value: Any) -> list[Any]:
        """What every rank passed, by rank, on every rank."""


class Alone:
    """One process."""

    rank = 0
    size = 1

    def gather(self, value: Any) -> list[Any]:
        return [value]


class TorchGroup:
    """All ranks of torch.distributed, which the training script has set up.

    They meet on a gloo channel of their own, so that nothing here waits for a GPU or comes between the collectives of
    training. It is made by the first `gather`, which every rank calls.
    """

    def __init__(self) -> None:
        from torch import distributed

        self._dist = distributed
        self.rank = distributed.get_rank()
        self.size = distributed.get_world_size()
        self._channel: Any = None

    def gather(self, value: Any) -> list[Any]:
        if self._channel is None:
            gloo = self._dist.is_gloo_available()
            self._channel = self._dist.new_group(backend="gloo") if gloo else self._dist.group.WORLD
        boxes: list[Any] = [None] * self.size
        self._dist.all_gather_object(boxes, value, group=self._channel)
        return boxes


def find_group() -> Group:
    """The process group that is set up by now; torch is looked at only where the script has imported it.

    Raises `WrongSettings` where a launcher started several ranks that do not know each other yet: each would report
    as if it were alone.
    """
    dist = sys.modules.get("torch.distributed")
    if dist is not None and dist.is_available() and dist.is_initialized():
        return TorchGroup() if dist.get_world_size() > 1 else Alone()
    ranks = os.environ.get("WORLD_SIZE", "1")
    if ranks.isdigit() and int(ranks) > 1:
        raise WrongSettings(
            f"WORLD_SIZE is {ranks} and torch.distributed is not set up yet; use the callback after "
            f"init_process_group, or pass group="
        )
    return Alone()


def loads_data() -> bool:
    """Whether this process is a worker of a torch DataLoader."""
    data = sys.modules.get("torch.utils.data")
    return data is not None and data.get_worker_info() is not None
