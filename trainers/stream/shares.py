"""Whole numbers of draws from fractional shares, with the error carried on, so that a share too
small for one block is still served over time."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict

import numpy as np
import numpy.typing as npt

from trainers.stream.counter import Ints

Shares = npt.NDArray[np.float64]

LARGEST_BLOCK = 256
SMALLEST_BLOCK = 32
_CHUNK = 64  # blocks worked out at a time
_KEPT_CHUNKS = 64


def block_size(interval: int) -> int:
    """Draws that are shared out at a time: a divisor of the interval, so that stages begin with a block.

    The largest divisor up to 256; where that is too small to be worth the work (an interval with a
    large prime factor), the least one from 32 on.
    """
    divisors = [b for b in range(1, min(interval, LARGEST_BLOCK) + 1) if interval % b == 0]
    if divisors[-1] >= min(SMALLEST_BLOCK, interval):
        return divisors[-1]
    return min(interval // b for b in divisors if interval // b >= SMALLEST_BLOCK)


def share_out(need: Shares, weights: Shares, size: int) -> Ints:
    """Integer counts (K,) >= 0 that sum to `size` and lie nearest to `need` (K,), by largest remainder.

    `need` is the target less what was served; it may be negative after rounding up. Domains with
    weight 0 get nothing, whatever they were owed.
    """
    wanted = np.where(weights > 0, np.maximum(need, 0.0), 0.0)
    counts = np.floor(wanted).astype(np.int64)
    left = size - int(counts.sum())
    if left > 0:  # more than K are left only where a domain with weight 0 is still owed draws
        order = np.argsort(np.where(weights > 0, counts - need, np.inf), kind="stable")
        order = order[: int(np.count_nonzero(weights))]
        np.add.at(counts, np.resize(order, left), 1)
    while left < 0:
        most = int(np.argmax(np.where(counts > 0, counts - need, -np.inf)))
        counts[most] -= 1
        left += 1
    return counts


@dataclasses.dataclass(frozen=True)
class Standing:
    """What had been served, (K,) draws, and what is owed (target less served), before some block."""

    served: Ints
    owed: Shares


class StageWalk:
    """Counts for each block of one stage; blocks are numbered from its start.

    Walks forward once and keeps a standing every 64 blocks, so that a far position costs one walk
    and every later look-up costs at most 64 blocks.
    """

    def __init__(self, weights: Shares, size: int, start: Standing) -> None:
        self.weights = weights / weights.sum()
        self.size = size
        self._standings = [start]
        self._chunks: OrderedDict[int, tuple[Ints, Standing]] = OrderedDict()

    def counts(self, first: int, stop: int) -> Ints:
        """(stop - first, K) draws of each domain in each block."""
        chunks = range(first // _CHUNK, -(-stop // _CHUNK))
        whole = np.concatenate([self._chunk(number) for number in chunks])
        offset = chunks.start * _CHUNK
        return whole[first - offset : stop - offset]

    def standing(self, block: int) -> Standing:
        """Before `block`."""
        number, inside = divmod(block, _CHUNK)
        self._walk_to(number)
        start = self._standings[number]
        if not inside:
            return start
        counts = self._chunk(number)[:inside]
        owed = start.owed
        for row in counts:
            owed = owed + self.weights * self.size - row
        return Standing(start.served + counts.sum(axis=0), owed)

    def _walk_to(self, number: int) -> None:
        while len(self._standings) <= number:
            self._chunk(len(self._standings) - 1)

    def _chunk(self, number: int) -> Ints:
        self._walk_to(number)
        if number not in self._chunks:
            self._chunks[number] = self._share_chunk(self._standings[number])
            if len(self._chunks) > _KEPT_CHUNKS:
                self._chunks.popitem(last=False)
        counts, end = self._chunks[number]
        if number + 1 == len(self._standings):
            self._standings.append(end)
        return counts

    def _share_chunk(self, start: Standing) -> tuple[Ints, Standing]:
        gain, owed = self.weights * self.size, start.owed
        counts = np.empty((_CHUNK, len(gain)), dtype=np.int64)
        for row in range(_CHUNK):
            need = owed + gain
            counts[row] = share_out(need, self.weights, self.size)
            owed = need - counts[row]
        return counts, Standing(start.served + counts.sum(axis=0), owed)
