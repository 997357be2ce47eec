"""The one formula behind both families of law, and its derivatives.

For target i after drawing n_j from each domain j, T = sum n_j in all:

    log L_i = log(E_i + exp(q_i)) - sum_c d_ic X_ic
    q_i     = a_i - beta_i log(time / time_ref) - alpha_i log s_i
    s_i     = ( sum_j tau_ij (S(n_j)/T)^g_i + tau_i0 (n0/T)^g_i )^(1/g_i)

`tau_ij` is what a draw from j is worth to i where all counts are equal, an own draw = 1; n0 is the total
of the first row, and tau_i0 says what the untrained model knows already, in that unit: without it
losses at the start would be infinite. With time = T and beta_i = alpha_i this is the law of effective
data, E_i + A_i x_i^-alpha_i, x_i = T s_i; with beta free it is the separable law, a factor for time
times a factor for the mixture. 0 < g_i < 1 makes transfer sub-linear and keeps the law convex in the
draws. X holds covariates: annealing of the learning rate, and recency.

A target's parameters are one row `theta` (P,): log E, a, log alpha, log beta, logit g, the
covariates' d, log tau_j for every domain, and log tau_0.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FLOOR, SCALE, ALPHA, BETA, G = range(5)
COVARIATES = 2  # annealing, recency
D = slice(5, 5 + COVARIATES)
HEAD = 5 + COVARIATES  # log tau starts here, that of the untrained model is last
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
    theta: Array, target: NDArray[np.int64], inputs: Inputs, *, tied: bool, jacobian: bool = True
) -> tuple[Array, Array]:
    """Log losses (B, N) for B rows of parameters, and their Jacobian (B, N, P).

    `theta` (B, P); `target` (B,) says whose covariates each row takes; `tied` makes beta = alpha and
    time = T. Without `jacobian` the second array is empty.
    """
    alpha, beta = (np.exp(theta[:, index])[:, None] for index in (ALPHA, BETA))
    g = mixing_power(theta)[:, None]
    scaled = g[:, :, None] * inputs.log_share[None] + theta[:, None, HEAD:]  # (B, N, K + 1)
    top = scaled.max(axis=2, keepdims=True)
    weight = np.exp(scaled - top)
    total = weight.sum(axis=2, keepdims=True)
    log_s = (top[:, :, 0] + np.log(total[:, :, 0])) / g
    log_time = (inputs.log_total if tied else inputs.log_time)[None]
    reach = alpha * (log_s + log_time) if tied else alpha * log_s + beta * log_time
    excess = theta[:, SCALE, None] - reach
    value = np.logaddexp(theta[:, FLOOR, None], excess)
    share = np.exp(excess - value)
    covariates = inputs.covariates[:, target].transpose(1, 0, 2)  # (B, N, C)
    fitted = value - np.einsum("bnc,bc->bn", covariates, theta[:, D])
    if not jacobian:
        return fitted, np.empty(0)
    weight /= total
    slopes = np.empty((*fitted.shape, theta.shape[1]))
    slopes[:, :, FLOOR] = 1.0 - share
    slopes[:, :, SCALE] = share
    slopes[:, :, ALPHA] = -share * alpha * (log_s + log_time if tied else log_s)
    slopes[:, :, BETA] = 0.0 if tied else -share * beta * log_time
    slopes[:, :, G] = -(1.0 - g) * share * alpha * (np.einsum("bnk,nk->bn", weight, inputs.log_share) - log_s)
    slopes[:, :, D] = -covariates
    slopes[:, :, HEAD:] = -(share * alpha / g)[:, :, None] * weight
    return fitted, slopes


def composition(theta: Array, inputs: Inputs, *, tied: bool) -> tuple[Array, Array]:
    """What each target has learnt from: parts (M, N, K + 1) that sum to 1, and the log excess q (M, N)."""
    g = mixing_power(theta)[:, None]
    alpha, beta = (np.exp(theta[:, index])[:, None] for index in (ALPHA, BETA))
    scaled = g[:, :, None] * inputs.log_share[None] + theta[:, None, HEAD:]
    top = scaled.max(axis=2, keepdims=True)
    part = np.exp(scaled - top)
    total = part.sum(axis=2, keepdims=True)
    log_s = (top + np.log(total))[:, :, 0] / g
    time = alpha * inputs.log_total if tied else beta * inputs.log_time
    return part / total, theta[:, SCALE, None] - alpha * log_s - time
