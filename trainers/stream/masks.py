"""Which patches of a draw are shown, and how it is flipped: functions of (seed, draw), not of rank or batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from trainers.stream.counter import Ints, key_for, orders, words


def visible_patches(seed: int, index: Ints, tokens: int, visible: int) -> Ints:
    """Patches shown for each draw of `index` (n,), as (n, visible), ascending; uniform without repeats."""
    return np.sort(orders(key_for(seed, "mask"), index, tokens)[:, :visible], axis=1)


def fixed_masks(seed: int, domain: str, n: int, tokens: int, visible: int) -> Ints:
    """Patches shown for the `n` held-out crops of a domain, (n, visible); the same at every evaluation."""
    return np.sort(orders(key_for(seed, "held-out mask", domain), np.arange(n), tokens)[:, :visible], axis=1)


def flips(seed: int, index: Ints, axes: Sequence[int]) -> npt.NDArray[np.bool_]:
    """(n, 3): whether a draw is mirrored along each axis; only `axes` of 0, 1, 2 ever are."""
    coins = words(key_for(seed, "flip"), index, 3) & 1 == 1
    mirrored: npt.NDArray[np.bool_] = coins & np.isin(np.arange(3), list(axes))
    return mirrored
