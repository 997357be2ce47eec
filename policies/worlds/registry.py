"""Worlds by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from policies.intake import nearest
from policies.records import BadSetup
from policies.worlds import (
    capacity,
    drift_change,
    drift_join,
    drift_shard,
    exp_mixing,
    flat,
    forgetting,
    gp,
    hubs,
    islands,
    lr_schedule,
    measure,
    negative,
    noise_trap,
    one_way_hubs,
    plateau,
    small_pools,
)
from policies.worlds.draw import Spec
from policies.worlds.world import World

Builder = Callable[[np.random.Generator, int], Spec]

WORLDS: dict[str, Builder] = {
    "flat": flat.build,
    "islands": islands.build,
    "hubs": hubs.build,
    "one_way_hubs": one_way_hubs.build,
    "small_pools": small_pools.build,
    "exp_mixing": exp_mixing.build,
    "capacity": capacity.build,
    "gp": gp.build,
    "lr_schedule": lr_schedule.build,
    "forgetting": forgetting.build,
    "drift_change": drift_change.build,
    "drift_join": drift_join.build,
    "drift_shard": drift_shard.build,
    "noise_trap": noise_trap.build,
    "negative": negative.build,
    "plateau": plateau.build,
}


def available_worlds() -> tuple[str, ...]:
    """Names that `make_world` knows."""
    return tuple(WORLDS)


def make_world(name: str, K: int, *, seed: int, noise: float) -> World:
    """A world of K >= 2 domains at position 0; the same (name, K, seed) is the same truth."""
    if name not in WORLDS:
        raise BadSetup(f"no world is named '{name}'{nearest(name, WORLDS)}; known: {', '.join(WORLDS)}")
    if isinstance(K, bool) or int(K) != K or K < 2:
        raise BadSetup(f"K is {K}; a world needs at least 2 domains")
    if isinstance(seed, bool) or int(seed) != seed or seed < 0:
        raise BadSetup(f"seed is {seed}; it must be a whole number >= 0")
    spec = WORLDS[name](measure.generator(name, int(K), int(seed), measure.PARAMETERS), int(K))
    return World(name, int(K), seed=int(seed), noise=noise, spec=spec)
