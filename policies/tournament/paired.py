"""Two policies on the same cells: who ends lower."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from policies.records import Interval
from policies.tournament import resample
from policies.tournament.result import CellResult

Array = NDArray[np.float64]
Cells = Sequence[CellResult]


def differences(rival: Cells, ours: Cells) -> dict[str, Array]:
    """By world: how much lower `rival` ended than `ours`, on each (K, seed, noise) that both ran."""
    known = {_key(cell): cell.score for cell in ours}
    found: dict[str, list[float]] = {}
    for cell in rival:
        other = known.get(_key(cell))
        if other is not None:
            found.setdefault(cell.world, []).append(other - cell.score)
    return {world: np.array(values) for world, values in found.items()}


def advantage(by_world: Mapping[str, Array], rng: np.random.Generator) -> tuple[Interval, dict[str, Interval]]:
    """Mean over worlds, each counted once, and by world; > 0 where the rival ends lower; 95 % over seeds."""
    single, samples = {}, []
    for world, values in by_world.items():
        times = resample.counts(len(values), rng)
        single[world] = resample.mean(values, times)
        samples.append(times @ values / len(values) if len(values) > 1 else np.full(len(times), np.nan))
    if not samples:
        return Interval(float("nan"), float("nan"), float("nan")), {}
    middle = float(np.mean([interval.mean for interval in single.values()]))
    return resample.between(middle, np.mean(samples, axis=0)), single


def _key(cell: CellResult) -> tuple[str, int, int, str]:
    return cell.world, cell.K, cell.seed, repr(cell.noise)
