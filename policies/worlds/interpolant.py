"""Losses between the runs of a table: a Gaussian process per target over the logarithms of shares."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

OFFSETS = (0.005, 0.02, 0.05, 0.2)  # added to a share before its logarithm, in equal shares
LENGTHS = (0.5, 1.0, 2.0, 4.0)  # of the kernel, in median distances between runs
NOISES = (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)  # variance relative to the process
LINEAR, CONSTANT = 10.0, 10.0  # prior variances of the linear part and of the level, the same unit


@dataclasses.dataclass(frozen=True)
class Kernel:
    """k(z, z') = exp(-|z - z'|^2 / (2 length^2)) + linear z.z' + constant, z = log(h + offset) standardised.

    runs (N, K): z of the table; centre (K,) and scale undo the standardisation.
    """

    runs: Array
    centre: Array
    scale: float
    offset: float
    length: float
    linear: float

    @classmethod
    def over(cls, shares: Array, offset: float, length: float) -> Kernel:
        logs = np.log(shares + offset / shares.shape[1])
        centre = logs.mean(axis=0)
        scale = float(max((logs - centre).std(), 1e-9))
        runs = (logs - centre) / scale
        apart = _squared(runs, runs)
        typical = float(np.median(apart[np.triu_indices(len(runs), 1)]))
        norm = float((runs**2).sum(axis=1).mean())
        return cls(runs, centre, scale, offset, length * np.sqrt(max(typical, 1e-9)), LINEAR / max(norm, 1e-9))

    def features(self, shares: Array) -> Array:
        return np.asarray((np.log(shares + self.offset / shares.shape[-1]) - self.centre) / self.scale)

    def between(self, features: Array) -> Array:
        """(..., N): covariance with each run of the table."""
        near = np.exp(-0.5 * _squared(features, self.runs) / self.length**2)
        return np.asarray(near + self.linear * features @ self.runs.T + CONSTANT)


def _squared(a: Array, b: Array) -> Array:
    """Squared distances (..., N) of rows (..., K) from rows (N, K)."""
    apart = (a**2).sum(axis=-1)[..., None] + (b**2).sum(axis=-1) - 2 * a @ b.T
    return np.asarray(np.maximum(apart, 0.0))


@dataclasses.dataclass(frozen=True)
class Interpolant:
    """Log losses (..., M) of static mixtures (..., K).

    parts: for each kernel in use, its targets and their coefficients (N, m). centre (M,). error
    (M,): root mean square, in log loss, of what each run is missed by when left out (closed form).
    """

    parts: tuple[tuple[Kernel, NDArray[np.int64], Array], ...]
    centre: Array
    error: Array

    def log_losses(self, shares: Array) -> Array:
        value = np.empty((*shares.shape[:-1], len(self.centre)))
        for kernel, targets, coefficients in self.parts:
            value[..., targets] = kernel.between(kernel.features(shares)) @ coefficients
        return value + self.centre


def interpolate(shares: Array, log_losses: Array) -> Interpolant:
    """Fit runs (N, K) with log losses (N, M); each target takes the kernel that misses left-out runs least."""
    centre = log_losses.mean(axis=0)
    wanted = log_losses - centre
    kernels = [Kernel.over(shares, offset, length) for offset in OFFSETS for length in LENGTHS]
    error = np.full(log_losses.shape[1], np.inf)
    chosen = np.zeros(log_losses.shape[1], dtype=np.int64)
    coefficients = np.zeros_like(wanted)
    for index, kernel in enumerate(kernels):
        values, vectors = np.linalg.eigh(kernel.between(kernel.runs))
        turned = vectors.T @ wanted
        for noise in NOISES:
            inverse = 1.0 / (np.maximum(values, 0.0) + noise)
            weights = vectors @ (inverse[:, None] * turned)
            missed = weights / ((vectors**2) @ inverse)[:, None]  # leave-one-out residuals
            rms = np.sqrt((missed**2).mean(axis=0))
            better = rms < error
            error[better], chosen[better] = rms[better], index
            coefficients[:, better] = weights[:, better]
    used = np.unique(chosen)
    parts = [(kernels[k], np.flatnonzero(chosen == k), coefficients[:, chosen == k]) for k in used]
    return Interpolant(tuple(parts), centre, error)
