"""What a report says of a state: losses with noise, and what rivals ask for.

Noise is a function of (world, K, seed, position) alone: two policies at one position see the same
noise, whatever they drew (common random numbers).
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from policies.worlds import settings
from policies.worlds.draw import Spec
from policies.worlds.state import State

Array = NDArray[np.float64]
PARAMETERS, NOISE, EVAL, TRAIN, GRADIENT = range(5)  # streams of random numbers


def generator(name: str, K: int, seed: int, stream: int, position: int = 0) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(name.encode()), K, seed, stream, position])


def noise_levels(rng: np.random.Generator, noise: float, targets: int) -> Array:
    """(M,): standard deviation of each target's log loss, spread about its nominal value."""
    seed = settings.SEED_NOISE_SD * rng.standard_normal()
    return np.asarray(noise * np.exp(seed + settings.TARGET_NOISE_SD * rng.standard_normal(targets)))


def slopes(spec: Spec, state: State, step: float) -> Array:
    """(M, K): fall of each loss per draw of each domain, over `step` draws."""
    K = state.draws.shape[-1]
    after = state.advance(np.eye(K), step, spec.truth.clocks, spec.truth.memory)
    fall: Array = (spec.truth.losses(state)[None] - spec.truth.losses(after)) / step
    return fall.T


def inner_products(spec: Spec, state: State, step: float, rng: np.random.Generator) -> Array:
    """(M, K): the slopes, as noisy as gradients of a batch."""
    exact = slopes(spec, state, step)
    spread = np.sqrt((exact**2).mean(axis=1, keepdims=True))
    return np.asarray(exact + settings.GRADIENT_NOISE * spread * rng.standard_normal(exact.shape))


def train_losses(losses: Array, counts: Array, level: Array, equal: float, rng: np.random.Generator) -> Array:
    """(K,): mean loss of each domain's own draws; NaN where none was drawn. `equal`: an equal share, in draws."""
    normal = rng.standard_normal(len(counts))
    with np.errstate(divide="ignore", invalid="ignore"):
        sd = settings.TRAIN_NOISE * level * np.sqrt(equal / counts)
        noisy: Array = np.where(counts > 0, losses * np.exp(np.minimum(sd, 1.0) * normal), np.nan)
    return noisy
