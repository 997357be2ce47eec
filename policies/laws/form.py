"""The formulas of the four families of law, and their derivatives.

For target i after drawing n_j from each domain j, T = sum n_j in all:

    log L_i = log(E_i + exp(q_i)) - sum_c d_ic X_ic                       what is left over the floor: q
    s_i     = ( sum_j tau_ij (S(n_j)/T)^g_i + tau_i0 (n0/T)^g_i )^(1/g_i)

    effective     q_i = a_i - alpha_i log(T s_i)                          E + A x^-alpha, x effective draws
    separable     q_i = a_i - alpha_i log s_i - beta_i log(time)          a factor for time, one for the mixture
    additive      q_i = a_i - alpha_i log s_i,  E_i -> E_i + exp(b_i) time^-beta_i
    exponential   q_i = a_i - sum_j tau_ij S(n_j)/T - beta_i log(time)

T and time are counted in units of their references. `tau_ij` is what a draw from j is worth to i where
all counts are equal, an own draw = 1 (in the exponential law: the fall of q from a share of 0 to 1); n0
is the total of the first row, and tau_i0 says what the untrained model knows already, in that unit:
without it losses at the start would be infinite. 0 < g_i < 1 makes transfer sub-linear. All four are
convex in the draws. X holds covariates: annealing of the learning rate, and recency.

Sources: effective data (2102.01293, 2508.11953, 2510.22037), additive (Apple, 2507.09404; there alpha =
g), exponential (Ye et al., Data Mixing Laws, 2403.16952; a sum over shares of 1 takes up any sign).

A target's parameters are one row `theta` (P,): log E, a, log alpha, log beta, logit g, b, the
covariates' d, log tau_j for every domain, and log tau_0; those a family does not have stay fixed.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

KINDS = ("effective", "separable", "additive", "exponential")
FREE_TIME = ("separable", "exponential")  # a factor time^-beta of its own

FLOOR, SCALE, ALPHA, BETA, G, LATE = range(6)
COVARIATES = 2  # annealing, recency
D = slice(6, 6 + COVARIATES)
HEAD = 6 + COVARIATES  # log tau starts here, that of the untrained model is last
SHARE_FLOOR = 1e-6  # share of a domain never drawn from: keeps its logarithm finite


def mixing_power(theta: Array) -> Array:
    """g (B,), between 0 and 1; 1 where a draw's worth does not depend on how many came before."""
    power: Array = 1.0 / (1.0 + np.exp(-theta[:, G]))
    return power


@dataclasses.dataclass(frozen=True)
class Inputs:
    """What the law is a function of, for N rows.

    log_share: (N, K + 1) log of S(n_j)/T, in the last column of n0/T; log_time: (N,)
    log of time/time_ref for the separable law; log_total: (N,) log of T/T_ref for the effective-data
    law; covariates: (N, M, C).
    """

    log_share: Array
    log_total: Array
    log_time: Array
    covariates: Array

    def rows(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> Inputs:
        """Only the rows `keep`."""
        return Inputs(self.log_share[keep], self.log_total[keep], self.log_time[keep], self.covariates[keep])


def log_loss(
    theta: Array, target: NDArray[np.int64], inputs: Inputs, *, kind: str, jacobian: bool = True
) -> tuple[Array, Array]:
    """Log losses (B, N) for B rows of parameters, and their Jacobian (B, N, P).

    `theta` (B, P); `target` (B,) says whose covariates each row takes; `kind` is one of KINDS. Without
    `jacobian` the second array is empty.
    """
    q, _, slopes = _excess(theta, inputs, kind, jacobian)
    floor, beta = theta[:, FLOOR, None], np.exp(theta[:, BETA])[:, None]
    late = theta[:, LATE, None] - beta * inputs.log_time if kind == "additive" else None
    level = floor if late is None else np.logaddexp(floor, late)
    value = np.logaddexp(level, q)
    covariates = inputs.covariates[:, target].transpose(1, 0, 2)  # (B, N, C)
    fitted = value - np.einsum("bnc,bc->bn", covariates, theta[:, D])
    if not jacobian:
        return fitted, np.empty(0)
    share = np.exp(q - value)
    slopes *= share[:, :, None]
    slopes[:, :, FLOOR] = np.exp(floor - value)
    if late is not None:
        slopes[:, :, LATE] = np.exp(late - value)
        slopes[:, :, BETA] = -slopes[:, :, LATE] * beta * inputs.log_time
    slopes[:, :, D] = -covariates
    return fitted, slopes


def _excess(theta: Array, inputs: Inputs, kind: str, jacobian: bool) -> tuple[Array, Array, Array]:
    """Log excess q (B, N), the parts (B, N, K + 1) in what was learnt, and dq/dtheta (B, N, P), 0 for E, b and d."""
    alpha, beta = (np.exp(theta[:, index])[:, None] for index in (ALPHA, BETA))
    g = mixing_power(theta)[:, None]
    slopes = np.zeros((len(theta), len(inputs.log_total), theta.shape[1])) if jacobian else np.empty(0)
    if kind == "exponential":
        part = np.exp(theta[:, None, HEAD:] + inputs.log_share[None])
        part[:, :, -1] = 0.0
        reach = part.sum(axis=2)
        if jacobian:
            slopes[:, :, HEAD:] = -part
        part = part / np.maximum(reach, 1e-300)[:, :, None]
    else:
        part = g[:, :, None] * inputs.log_share[None] + theta[:, None, HEAD:]
        top = part.max(axis=2, keepdims=True)
        part = np.exp(np.subtract(part, top, out=part), out=part)
        total = part.sum(axis=2, keepdims=True)
        part /= total
        log_s = (top[:, :, 0] + np.log(total[:, :, 0])) / g
        learnt = log_s + inputs.log_total if kind == "effective" else log_s
        reach = alpha * learnt
        if jacobian:
            slopes[:, :, ALPHA] = -reach
            slopes[:, :, G] = -(1.0 - g) * alpha * (np.einsum("bnk,nk->bn", part, inputs.log_share) - log_s)
            np.multiply(part, -(alpha / g)[:, :, None], out=slopes[:, :, HEAD:])
    q = theta[:, SCALE, None] - reach
    if kind in FREE_TIME:
        q = q - beta * inputs.log_time
    if jacobian:
        slopes[:, :, SCALE] = 1.0
        if kind in FREE_TIME:
            slopes[:, :, BETA] = -beta * inputs.log_time
    return q, part, slopes


def composition(theta: Array, inputs: Inputs, *, kind: str) -> tuple[Array, Array]:
    """What each target has learnt from: parts (M, N, K + 1) that sum to 1, and the log excess q (M, N)."""
    q, part, _ = _excess(theta, inputs, kind, False)
    return part, q
