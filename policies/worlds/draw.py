"""Shared by the files that draw a world's parameters from its seed."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.records import Domain
from policies.worlds import settings
from policies.worlds.truth import EffectiveData, Truth

Array = NDArray[np.float64]
Range = tuple[float, float]

ALPHA: Range = (0.25, 0.40)  # exponents of the pilot on real volumes
FLOOR: Range = (0.2, 0.6)  # part of the loss that stays, at an equal share of the budget
START: Range = (0.01, 0.03)  # what the untrained model knows, in equal shares of the budget
POWER: Range = (0.7, 1.0)  # of foreign draws: mixing laws are linear, transferred data k D^a is far below
REPEAT = 10.0  # epochs; hardly felt here, since no pool is exhausted within a run


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Sum of learning rates `lr_sum` at `position` (draws), linear in between."""

    position: Array
    lr_sum: Array

    def at(self, position: float) -> float:
        """The sum at `position`; beyond the plan the rate stays as it was at its end."""
        beyond = max(position - self.position[-1], 0.0)
        rate = (self.lr_sum[-1] - self.lr_sum[-2]) / (self.position[-1] - self.position[-2])
        return float(np.interp(position, self.position, self.lr_sum) + beyond * rate)


@dataclasses.dataclass(frozen=True)
class Spec:
    """A world's parameters: its truth, its domains and what the reports need.

    domains: all of them, in the order of the truth's columns; joins (K,): position from which each is
    there; targets: name and weight of each held-out loss, None for the domains equally; changes:
    positions at which the best mixture may change (for the adaptive oracle); noise_factor
    (M,) multiplies the evaluation noise after `noisy_from`; has_gap: whether any mixture beats
    uniform by more than a hair.
    """

    truth: Truth
    domains: tuple[Domain, ...]
    joins: Array
    noise_factor: Array
    noisy_from: float = -math.inf
    train_factor: Array | None = None
    targets: dict[str, float] | None = None
    changes: tuple[float, ...] = ()
    lr: Schedule | None = None
    has_gap: bool = True


def uniform(rng: np.random.Generator, bounds: Range, size: int | tuple[int, ...] = ()) -> Array:
    return np.asarray(rng.uniform(*bounds, size))


def log_uniform(rng: np.random.Generator, bounds: Range, size: int | tuple[int, ...] = ()) -> Array:
    """Values whose logarithm is uniform between those of the bounds (> 0)."""
    return np.exp(rng.uniform(math.log(bounds[0]), math.log(bounds[1]), size))


def levels(rng: np.random.Generator, targets: int) -> Array:
    """(M,): level of each target's loss: the seed's unit, and each target a little off it."""
    unit = 10.0 ** rng.uniform(*settings.UNIT_DECADES)
    return np.asarray(unit * np.exp(settings.LEVEL_SD * rng.standard_normal(targets)))


def ample_pools(rng: np.random.Generator, K: int) -> Array:
    """(K,): unequal pools that no run exhausts, so that proportional and uniform differ."""
    return np.round(settings.BUDGET * 10.0 ** rng.uniform(*settings.POOL_DECADES, K))


def effective_data(
    rng: np.random.Generator,
    tau: Array,
    *,
    alpha: Range = ALPHA,
    floor: Range = FLOOR,
    pools: Array | None = None,
    repeat: float = REPEAT,
) -> EffectiveData:
    """A truth whose losses are at their level after an equal share of the budget in own draws alone."""
    K = len(tau)
    level, part = levels(rng, K), uniform(rng, floor, K)
    reference = settings.BUDGET / K
    return EffectiveData(
        tau=tau,
        floor=level * part,
        size=level * (1.0 - part),
        alpha=uniform(rng, alpha, K),
        start=float(uniform(rng, START)) * reference,
        reference=reference,
        pools=ample_pools(rng, K) if pools is None else pools,
        repeat=repeat,
        power=float(uniform(rng, POWER)),
    )


def fields(truth: EffectiveData) -> dict[str, Any]:
    """The parameters of `truth` by name, for a truth that has more of them."""
    return {field.name: getattr(truth, field.name) for field in dataclasses.fields(truth)}


def make_domains(K: int, pools: Array | None = None) -> tuple[Domain, ...]:
    sizes = np.full(K, np.inf) if pools is None else pools
    return tuple(Domain(f"d{j}", pool=None if math.isinf(size) else int(size)) for j, size in enumerate(sizes))


def spec(truth: Truth, pools: Array | None, K: int, *, has_gap: bool = True) -> Spec:
    """A world of K domains that are all there from the start and are its targets."""
    return Spec(truth, make_domains(K, pools), np.zeros(K), np.ones(K), has_gap=has_gap)


def off_diagonal(values: Array) -> Array:
    """Transfer (K, K): `values` off the diagonal, own worth 1 on it."""
    return np.where(np.eye(len(values), dtype=bool), 1.0, values)
