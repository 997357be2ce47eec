"""Many small robust least-squares problems at once: Levenberg-Marquardt over a batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Model = Callable[[Array, NDArray[np.int64], bool], tuple[Array, Array]]

BEND = 2.0  # pseudo-Huber: residuals well beyond so many standard deviations count linearly


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
    total: Array = BEND**2 * (np.sqrt(1.0 + (scaled / BEND) ** 2) - 1.0).sum(axis=1)
    return total


def _standardise(batch: Batch, fitted: Array) -> tuple[Array, Array]:
    residual = batch.observed - fitted
    scaled = np.where(np.isnan(residual), 0.0, residual) * batch.weight
    return residual, scaled


def _total_cost(batch: Batch, theta: Array, scaled: Array) -> Array:
    prior = 0.5 * (batch.precision * (theta - batch.centre) ** 2).sum(axis=1)
    total: Array = _cost(scaled) + prior
    return np.where(np.isfinite(total), total, np.inf)


def normal_equations(
    batch: Batch, theta: Array, scaled: Array, slopes: Array, *, far: bool = False
) -> tuple[Array, Array]:
    """Gradient (B, P) and Gauss-Newton Hessian (B, P, P) of the penalised robust cost.

    `far` from the optimum the robust cost is nearly flat along large residuals: there the Hessian
    of the quadratic that touches it from above makes safe steps.
    """
    pull = 1.0 / np.sqrt(1.0 + (scaled / BEND) ** 2)
    measured = ~np.isnan(batch.observed)
    slopes = slopes * (batch.weight * measured)[:, :, None] * batch.free[:, None, :]
    gradient = -np.matmul(slopes.transpose(0, 2, 1), (scaled * pull)[:, :, None])[:, :, 0]
    gradient += batch.precision * (theta - batch.centre) * batch.free
    hessian = np.matmul(slopes.transpose(0, 2, 1), slopes * (pull if far else pull**3)[:, :, None])
    index = np.arange(theta.shape[1])
    hessian[:, index, index] += np.where(batch.free, batch.precision, 1.0)
    return gradient, hessian


def minimise(
    model: Model, batch: Batch, start: Array, *, iterations: int = 60, tolerance: float = 1e-8, far: bool = False
) -> Solution:
    """argmin over theta of  sum rho(weight (observed - model(theta))) + prior,  for each of B problems.

    rho is the pseudo-Huber function. `model(theta, which, jacobian)` gives fitted values and Jacobian
    for the problems `which`. A problem stops when a step promises less than `tolerance` times
    (1 + cost). One that cannot be improved keeps its start; a cost of infinity marks a start
    without finite value. `far`: see `normal_equations`.
    """
    theta = start.copy()
    count, parameters = theta.shape
    fitted, slopes = model(theta, np.arange(count), True)
    residual, scaled = _standardise(batch, fitted)
    cost = _total_cost(batch, theta, scaled)
    damping, growth = np.full(count, 1e-2), np.full(count, 2.0)
    active = np.flatnonzero(np.isfinite(cost))
    index = np.arange(parameters)
    gradient, hessian = normal_equations(batch, theta, scaled, slopes, far=far)
    for _ in range(iterations):
        if not active.size:
            break
        damped = hessian[active]
        damped[:, index, index] *= 1.0 + damping[active][:, None]
        step = np.clip(-np.linalg.solve(damped, gradient[active][:, :, None])[:, :, 0], -2.0, 2.0)
        curvature = np.einsum("bp,bpq,bq->b", step, hessian[active], step)
        promised = -(gradient[active] * step).sum(axis=1) - 0.5 * curvature
        trial = theta[active] + step
        part = batch.rows(active)
        fitted, slopes = model(trial, active, True)
        trial_residual, scaled = _standardise(part, fitted)
        trial_cost = _total_cost(part, trial, scaled)
        kept = (cost[active] - trial_cost) / np.maximum(promised, 1e-300)
        better = trial_cost <= cost[active]
        won = active[better]
        if won.size:
            theta[won], cost[won], residual[won] = trial[better], trial_cost[better], trial_residual[better]
            gradient[won], hessian[won] = normal_equations(
                part.rows(np.flatnonzero(better)), trial[better], scaled[better], slopes[better], far=far
            )
        shrink = np.clip(1.0 - (2.0 * np.clip(kept, 0.0, 1.0) - 1.0) ** 3, 0.1, 2.0)
        damping[active] = np.where(better, np.maximum(damping[active] * shrink, 1e-8), damping[active] * growth[active])
        growth[active] = np.where(better, 2.0, growth[active] * 2.0)
        done = (promised < tolerance * (1.0 + cost[active])) | (damping[active] > 1e8)
        active = active[~done]
    return Solution(theta, cost, residual)
