"""By how much a plan promises more than it will keep, since it was chosen for what it promises.

The plan is the best mixture under a law that is not known exactly. With g the slopes of the objective in the draws,
e their error and H the objective's Hessian, all in the directions that the constraints leave free, the plan goes by
H^-1 e too far, and its promise is on average

    E[e' H^-1 e] = tr(H^-1 Cov(e))

too high (the optimism of Efron 2004; in a regression it is Mallows's 2 p sigma^2). It grows with the number of domains:
where nothing is to be gained at all, the promise of 20 domains is two of its own standard deviations. A plan goes
hardly farther astray than it leaves the baseline: with a law that priors hold, or little left to draw, it is less.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import null_space

from policies.allocation.problem import Problem

Array = NDArray[np.float64]

TIGHT = 1e-4  # a share so near to a bound is held by it
FLATTEST = 1e-3  # of the largest curvature: flatter directions end at a bound before the optimum is reached
ASTRAY = 1.5  # times the way from the baseline that a plan may have gone wrong


def optimism(problem: Problem, mixture: Array) -> float:
    """Expected promise of the plan `mixture` (K,) beyond what it keeps, in units of the objective; 0 for the minimax
    objective, which has no Hessian. Cov(e) is that of the posterior's samples."""
    feasible, outlook, at = problem.feasible, problem.outlook, problem.place
    free = (mixture > feasible.low + TIGHT) & (mixture < feasible.high - TIGHT)
    if outlook.objective == "worst_excess" or free.sum() < 2:
        return 0.0
    n = problem.final(mixture)
    slopes = outlook.samples(n).sum(axis=1)[:, at[free]]
    hessian = outlook.mean(n)[2][np.ix_(at[free], at[free])]
    along = null_space(feasible.cost[None, free])  # draws change, what they cost in all does not
    curvature, axes = np.linalg.eigh(along.T @ hessian @ along)
    if curvature[-1] <= 0:
        return 0.0
    error = (slopes - slopes.mean(axis=0)) @ along @ axes
    astray = error / np.maximum(curvature, FLATTEST * curvature[-1])
    too_high = (error * astray).sum(axis=1)
    moved = np.abs(astray @ (along @ axes).T) @ feasible.cost[free]
    whole = np.abs(feasible.cost_shares(mixture) - feasible.cost_shares(problem.baseline)).sum() * feasible.remaining
    return float((too_high * np.minimum(ASTRAY * whole / np.maximum(moved, 1e-300), 1.0)).mean())
