"""Weak priors on a target's parameters, and the points a fit starts from.

Losses are divided by the target's late typical loss and draws by the largest total before these
apply, so they hold in any unit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from policies.laws.form import ALPHA, BETA, FLOOR, HEAD, SCALE, D, G, mixing_power

Array = NDArray[np.float64]

# (median, sd of the logarithm). Transfer: 0.2 to 5 of the own weight on a pilot of real volumes, 0.03 to 0.25 in
# tables of language models; exponents 0.2 to 0.4 in both.
FLOOR_PRIOR = (0.4, 1.0)
ALPHA_PRIOR = (0.35, 0.5)
BETA_PRIOR = (0.35, 0.5)
G_PRIOR = (0.9, 1.2)  # median, sd of the logit
TRANSFER_PRIOR = (0.3, 1.8)
START_PRIOR = (0.1, 1.5)  # what the untrained model knows, in totals of the first row
NO_TRANSFER = -12.0  # log of a transfer that cannot be felt
SCALE_PRIOR = (0.6, 1.5)
COVARIATE_SD = (0.05, 0.03)  # a full annealing, all draws recent: log loss lower by about so much

STARTS = ((0.4, 0.35), (0.1, 0.15), (0.75, 0.8), (0.1, 0.5))  # (floor, exponent)


def centre(own: NDArray[np.int64], domains: int, *, transfer: bool = True) -> Array:
    """(M, P) prior means: every target alike, but for its own weight of 1."""
    theta = np.zeros((own.size, HEAD + domains + 1))
    theta[:, FLOOR], theta[:, ALPHA] = np.log(FLOOR_PRIOR[0]), np.log(ALPHA_PRIOR[0])
    theta[:, BETA], theta[:, G] = np.log(BETA_PRIOR[0]), np.log(G_PRIOR[0] / (1 - G_PRIOR[0]))
    theta[:, HEAD:-1] = np.log(TRANSFER_PRIOR[0])
    theta[:, -1] = np.log(START_PRIOR[0])
    is_domain = own >= 0
    if not transfer:
        theta[is_domain, HEAD:-1] = NO_TRANSFER
    theta[is_domain, HEAD + own[is_domain]] = 0.0
    theta[:, SCALE] = np.log(SCALE_PRIOR[0]) + ALPHA_PRIOR[0] * _typical_log_s(theta, domains)
    return theta


def _typical_log_s(theta: Array, domains: int) -> Array:
    """log s at the uniform mixture under the prior's transfer."""
    g = mixing_power(theta)
    typical: Array = np.log(np.exp(g[:, None] * (theta[:, HEAD:-1] - np.log(domains))).sum(axis=1)) / g
    return typical


def precision(theta: Array) -> Array:
    """(M, P) inverse variances of the prior."""
    inverse = np.empty_like(theta)
    inverse[:, FLOOR], inverse[:, SCALE] = FLOOR_PRIOR[1] ** -2, SCALE_PRIOR[1] ** -2
    inverse[:, ALPHA], inverse[:, BETA] = ALPHA_PRIOR[1] ** -2, BETA_PRIOR[1] ** -2
    inverse[:, G] = G_PRIOR[1] ** -2
    inverse[:, D] = np.array(COVARIATE_SD) ** -2.0
    inverse[:, HEAD:-1] = TRANSFER_PRIOR[1] ** -2
    inverse[:, -1] = START_PRIOR[1] ** -2
    return inverse


def free(own: NDArray[np.int64], shape: tuple[int, ...], *, tied: bool, transfer: bool = True) -> NDArray[np.bool_]:
    """(M, P): False for what is fixed, a domain's worth to itself (1) and a tied beta."""
    mask = np.ones(shape, dtype=np.bool_)
    is_domain = own >= 0
    mask[np.flatnonzero(is_domain), HEAD + own[is_domain]] = False
    if not transfer:
        mask[is_domain, HEAD:-1] = False
    mask[:, BETA] = not tied
    return mask


def starts(theta: Array, movable: NDArray[np.bool_]) -> list[Array]:
    """Several points (M, P) to start from: low and high floors, slow and fast decay; only `movable` entries differ."""
    points = []
    for floor, exponent in STARTS:
        point = theta.copy()
        point[:, FLOOR] = np.log(floor)
        point[:, ALPHA] = point[:, BETA] = np.log(exponent)
        point[:, SCALE] += np.log((1 - floor) / SCALE_PRIOR[0]) + (exponent / ALPHA_PRIOR[0] - 1) * (
            theta[:, SCALE] - np.log(SCALE_PRIOR[0])
        )
        points.append(np.where(movable, point, theta))
    return points
