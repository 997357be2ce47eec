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
ITERATIONS = 200
WIDE = 10.0  # the duality gap to begin with, at least
SMALL, PATIENCE = 1e-8, 4  # below so large a residual, so many steps without a better one are rounding
GROWTH = 2.0  # residuals may grow by so much in a step: second derivatives jump where a pool ends
HALVINGS = 30
CENTRE, RECENTRE = 0.1, 0.5  # of the gap is aimed at; the second each eighth time, and after a ...
SHORT = 0.1  # ... step that came no further


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


@dataclasses.dataclass(frozen=True)
class _Problem:
    """min f(z)  subject to  G z <= h,  c(z) <= 0,  a z = b."""

    objective: Objective
    curved: Constraints
    G: Array
    h: Array
    a: Array
    b: float

    def at(self, z: Array, nu: float, slack: Array, lam: Array) -> _Iterate:
        f, gradient, hessian = self.objective(z)
        value, jacobian, bend = self.curved(z, lam[self.h.size :])
        C = np.concatenate([self.G, jacobian])
        dual = gradient + C.T @ lam + self.a * nu
        primal = np.concatenate([self.G @ z - self.h, value]) + slack
        scale = 1.0 + float(np.abs(gradient).max())
        return _Iterate(z, f, nu, slack, lam, hessian + bend, C, dual, primal, float(self.a @ z) - self.b, scale)


@dataclasses.dataclass(frozen=True)
class _Iterate:
    """A point with its multipliers, the residuals of the KKT conditions there and what a step needs."""

    z: Array
    value: float
    nu: float
    slack: Array
    lam: Array
    hessian: Array
    C: Array
    dual: Array
    primal: Array
    off: float
    scale: float

    @property
    def gap(self) -> float:
        return float(self.slack @ self.lam) / self.slack.size

    @property
    def kkt(self) -> float:
        """Largest residual: slopes relative to the largest one, the duality gap relative to the objective."""
        gap = self.gap * self.slack.size / (1.0 + abs(self.value))
        return max(float(np.abs(self.dual).max()) / self.scale, gap, float(np.abs(self.primal).max()), abs(self.off))

    def residual(self, centre: float) -> float:
        """Norm of all residuals, that of complementarity against slack * lam = centre."""
        parts = (self.dual, self.primal, self.slack * self.lam - centre, [self.off])
        return float(np.linalg.norm(np.concatenate(parts)))


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
    the Hessian of multipliers . c. `start` lies strictly inside G z < h, c(z) < 0. Newton steps on the
    perturbed KKT conditions with a fixed centring rule, halved where residuals would grow; ends when all
    residuals are below 1e-11 (relative), or when no progress is made any more: then `kkt` says how far it got.
    """
    problem = _Problem(objective, curved, *linear, *equality)
    now = _begin(problem, start, curved_count)
    best, length = Optimum(now.z, now.lam, np.inf, 0), 1.0
    for iteration in range(ITERATIONS):
        worst = now.kkt
        if worst < best.kkt:
            best = Optimum(now.z, now.lam, worst, iteration)
        stuck = best.kkt < SMALL and iteration - best.iterations >= PATIENCE
        if worst < TOLERANCE or stuck or not np.isfinite(worst):
            break
        now, length = _stepped(problem, now, now.gap * (CENTRE if iteration % 8 and length > SHORT else RECENTRE))
    return best


def _begin(problem: _Problem, start: Array, curved_count: int) -> _Iterate:
    """Slack times multiplier alike for all bounds, and large: small ones lead a start far from the best astray."""
    value, _, _ = problem.curved(start, np.zeros(curved_count))
    slack = np.concatenate([problem.h - problem.G @ start, -value])
    _, gradient, _ = problem.objective(start)
    if curved_count:
        lam = WIDE * float(-value.mean()) / curved_count / slack
        lam[problem.h.size :] = 1.0 / curved_count
    else:
        lam = max(WIDE, float(np.abs(gradient * start).sum())) / slack.size / slack
    free = problem.at(start, 0.0, slack, lam)
    weight = problem.a * start**2  # residuals count relative to the point: slopes grow where it is small
    return problem.at(start, -float(weight @ free.dual) / float(weight @ problem.a), slack, lam)


def _stepped(problem: _Problem, now: _Iterate, centre: float) -> tuple[_Iterate, float]:
    """The next point, Newton's step towards slack * lam = centre, and how much of it the residuals allowed."""
    centred = now.slack * now.lam - centre
    matrix = now.hessian + (now.C.T * (now.lam / now.slack)) @ now.C
    right = now.dual + now.C.T @ ((now.lam * now.primal - centred) / now.slack)
    dz, dnu = _solve(matrix, problem.a, right, now.off)
    dslack = -now.primal - now.C @ dz
    dlam = -(centred + now.lam * dslack) / now.slack
    length = min(1.0, 0.995 * _to_boundary(now.slack, dslack), 0.995 * _to_boundary(now.lam, dlam))
    most = max(GROWTH * now.residual(centre), 1e-13 * now.scale)
    for _ in range(HALVINGS):
        ahead = problem.at(
            now.z + length * dz, now.nu + length * dnu, now.slack + length * dslack, now.lam + length * dlam
        )
        if ahead.residual(centre) <= most:
            break
        length *= 0.5
    return ahead, length


def _solve(matrix: Array, a: Array, right: Array, off: float) -> tuple[Array, float]:
    """Step dz, dnu of  matrix dz + a dnu = -right,  a dz = -off.

    Unknowns are scaled so that the diagonal is 1: at the bounds it is larger by many orders of magnitude than within.
    """
    size = a.size
    unit = 1.0 / np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    border = a * unit
    largest = float(np.abs(border).max())
    system = np.zeros((size + 1, size + 1))
    system[:size, :size] = matrix * np.outer(unit, unit) + 1e-15 * np.eye(size)
    system[:size, size] = system[size, :size] = border / largest
    wanted = -np.append(right * unit, off / largest)
    step = np.linalg.solve(system, wanted)
    step += np.linalg.solve(system, wanted - system @ step)
    return step[:size] * unit, float(step[size]) / largest


def _to_boundary(point: Array, step: Array) -> float:
    falling = step < 0
    return float(np.min(-point[falling] / step[falling])) if falling.any() else np.inf
