"""Many small robust least-squares problems at once: Levenberg-Marquardt over a batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Model = Callable[[Array, NDArray[np.int64], bool], tuple[Array, Array]]

HUBER = 2.0  # residuals beyond so many standard deviations count linearly


@dataclasses.dataclass(frozen=True)
class Batch:
    """B problems over N rows.

    observed: (B, N), NaN where not measured; weight: (B, N) inverse standard deviations of a row;
    centre, precision: (B, P) Gaussian prior; free: (B, P), False holds a parameter at its start.
    """

    observed: Array
    weight: Array
    centre: Array
    precision: Array
    free: NDArray[np.bool_]

    def rows(self, keep: NDArray[np.int64]) -> Batch:
        return Batch(*(getattr(self, field.name)[keep] for field in dataclasses.fields(self)))


@dataclasses.dataclass(frozen=True)
class Solution:
    """theta (B, P), cost (B,), residual (B, N) in units of the loss, NaN where not measured."""

    theta: Array
    cost: Array
    residual: Array


def _cost(scaled: Array) -> Array:
    size = np.abs(scaled)
    total: Array = np.where(size <= HUBER, 0.5 * size**2, HUBER * (size - 0.5 * HUBER)).sum(axis=1)
    return total


def _standardise(batch: Batch, fitted: Array) -> tuple[Array, Array]:
    residual = batch.observed - fitted
    scaled = np.where(np.isnan(residual), 0.0, residual) * batch.weight
    return residual, scaled


def _total_cost(batch: Batch, theta: Array, scaled: Array) -> Array:
    prior = 0.5 * (batch.precision * (theta - batch.centre) ** 2).sum(axis=1)
    total: Array = _cost(scaled) + prior
    return np.where(np.isfinite(total), total, np.inf)


def normal_equations(batch: Batch, theta: Array, scaled: Array, slopes: Array) -> tuple[Array, Array]:
    """Gradient (B, P) and Gauss-Newton Hessian (B, P, P) of the penalised Huber cost."""
    size = np.abs(scaled)
    robust = np.where(size <= HUBER, 1.0, HUBER / np.maximum(size, HUBER))
    measured = ~np.isnan(batch.observed)
    slopes = slopes * (batch.weight * measured)[:, :, None] * batch.free[:, None, :]
    gradient = -np.matmul(slopes.transpose(0, 2, 1), (scaled * robust)[:, :, None])[:, :, 0]
    gradient += batch.precision * (theta - batch.centre) * batch.free
    hessian = np.matmul(slopes.transpose(0, 2, 1), slopes * robust[:, :, None])
    index = np.arange(theta.shape[1])
    hessian[:, index, index] += np.where(batch.free, batch.precision, 1.0)
    return gradient, hessian


def minimise(model: Model, batch: Batch, start: Array, *, iterations: int = 100, tolerance: float = 1e-13) -> Solution:
    """argmin over theta of sum Huber(weight (observed - model(theta))) + prior, for each of B problems.

    `model(theta, which, jacobian)` gives fitted values and Jacobian for the problems `which`.
    A problem stops when a step promises less than `tolerance` times (1 + cost). One that cannot be
    improved keeps its start; a cost of infinity marks a start without finite value.
    """
    theta = start.copy()
    count = theta.shape[0]
    fitted, _ = model(theta, np.arange(count), False)
    residual, scaled = _standardise(batch, fitted)
    cost = _total_cost(batch, theta, scaled)
    damping = np.full(count, 1e-3)
    active = np.flatnonzero(np.isfinite(cost))
    index = np.arange(theta.shape[1])
    for _ in range(iterations):
        if not active.size:
            break
        part = batch.rows(active)
        fitted, slopes = model(theta[active], active, True)
        residual[active], scaled = _standardise(part, fitted)
        gradient, hessian = normal_equations(part, theta[active], scaled, slopes)
        damped = hessian.copy()
        damped[:, index, index] *= 1.0 + damping[active][:, None]
        step = -np.linalg.solve(damped, gradient[:, :, None])[:, :, 0]
        np.clip(step, -2.0, 2.0, out=step)
        trial = theta[active] + step
        promised = -(gradient * step).sum(axis=1)
        fitted, _ = model(trial, active, False)
        _, trial_scaled = _standardise(part, fitted)
        trial_cost = _total_cost(part, trial, trial_scaled)
        better = trial_cost <= cost[active]
        theta[active[better]] = trial[better]
        damping[active] = np.where(better, np.maximum(damping[active] * 0.2, 1e-9), damping[active] * 8.0)
        cost[active] = np.where(better, trial_cost, cost[active])
        done = (np.abs(promised) < tolerance * (1.0 + cost[active])) | (damping[active] > 1e8)
        active = active[~done]
    fitted, _ = model(theta, np.arange(count), False)
    residual, _ = _standardise(batch, fitted)
    return Solution(theta, cost, residual)
