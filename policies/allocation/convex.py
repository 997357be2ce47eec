"""A small primal-dual interior-point method for smooth convex problems."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Objective = Callable[[Array], tuple[float, Array, Array]]
Constraints = Callable[[Array, Array], tuple[Array, Array, Array]]

TOLERANCE = 1e-11
ITERATIONS = 100


@dataclasses.dataclass(frozen=True)
class Optimum:
    """Solution, multipliers of the inequalities (linear first), and the largest KKT residual."""

    point: Array
    multipliers: Array
    kkt: float
    iterations: int


def no_constraints(point: Array, multipliers: Array) -> tuple[Array, Array, Array]:
    """No non-linear constraint: values (0,), Jacobian (0, n), weighted Hessian (n, n) of zeros."""
    return np.empty(0), np.empty((0, point.size)), np.zeros((point.size, point.size))


def minimise(
    objective: Objective,
    start: Array,
    *,
    linear: tuple[Array, Array],
    equality: tuple[Array, float],
    curved: Constraints = no_constraints,
    curved_count: int = 0,
) -> Optimum:
    """argmin f(z)  subject to  G z <= h,  c(z) <= 0,  a z = b.

    `objective(z)` gives value, gradient (n,), Hessian (n, n); `linear` is (G (m, n), h (m,));
    `equality` is (a (n,), b); `curved(z, multipliers)` gives c(z) (k,), its Jacobian (k, n) and
    the Hessian of multipliers . c. `start` need not be feasible. Mehrotra-like steps with a fixed
    centring rule; ends when all residuals of the KKT conditions are below 1e-11 (relative), or
    when no progress is made any more: then `kkt` says how far it got.
    """
    G, h = linear
    a, b = equality
    z, nu = start.copy(), 0.0
    value, _, _ = curved(z, np.zeros(curved_count))
    slack = np.maximum(np.concatenate([h - G @ z, -value]), 1e-2)
    lam = np.full(slack.size, 1e-1)
    best = Optimum(z, lam, np.inf, 0)
    for iteration in range(ITERATIONS):
        _, gradient, hessian = objective(z)
        value, jacobian, bend = curved(z, lam[len(h) :])
        C = np.concatenate([G, jacobian])
        dual = gradient + C.T @ lam + a * nu
        primal = np.concatenate([G @ z - h, value]) + slack
        gap = float(slack @ lam) / slack.size
        scale = 1.0 + float(np.abs(gradient).max())
        worst = max(float(np.abs(dual).max()) / scale, float(np.abs(primal).max()), abs(a @ z - b), gap / scale)
        if worst < best.kkt:
            best = Optimum(z.copy(), lam.copy(), worst, iteration)
        if worst < TOLERANCE or not np.isfinite(worst):
            break
        centred = slack * lam - gap * (0.1 if iteration % 8 else 0.5)
        weight = lam / slack
        matrix = hessian + bend + (C.T * weight) @ C
        right = dual + C.T @ ((lam * primal - centred) / slack)
        dz, dnu = _solve(matrix, a, right, float(a @ z) - b)
        dslack = -primal - C @ dz
        dlam = -(centred + lam * dslack) / slack
        length = min(1.0, 0.995 * _to_boundary(slack, dslack), 0.995 * _to_boundary(lam, dlam))
        z, nu = z + length * dz, nu + length * dnu
        slack, lam = slack + length * dslack, lam + length * dlam
    return best


def _solve(matrix: Array, a: Array, right: Array, off: float) -> tuple[Array, float]:
    """Step dz, dnu of  matrix dz + a dnu = -right,  a dz = -off."""
    size = a.size
    system = np.zeros((size + 1, size + 1))
    system[:size, :size] = matrix
    system[:size, :size] += 1e-14 * np.trace(matrix) / size * np.eye(size)
    system[:size, size] = system[size, :size] = a
    step = np.linalg.solve(system, -np.append(right, off))
    return step[:size], float(step[size])


def _to_boundary(point: Array, step: Array) -> float:
    falling = step < 0
    return float(np.min(-point[falling] / step[falling])) if falling.any() else np.inf
