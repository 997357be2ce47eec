"""What a law says of gradient products: how much each domain's next draw helps a target, up to a factor.

For target i the law's fall of log L_i per draw of j is proportional to

    effective     p_ij = tau_ij (S_j/T)^(g_i - 1) S'(n_j)
    separable     p_ij = S'(n_j) part_ij T/S_j + beta_i/alpha_i - 1

and reported are y_ij = lambda_i p_ij + noise, with a factor lambda_i that is nobody's business: learning rate, units
of the loss, size of the gradients. It is fitted in closed form and projected out (variable projection, Golub
and Pereyra 1973, with Kaufman's Jacobian).
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from policies.laws.form import ALPHA, BETA, HEAD, SHARE_FLOOR, G, mixing_power
from policies.laws.pools import worth_since, worth_slopes

Array = NDArray[np.float64]

OFF, OFF_DOF = 0.15, 4.0  # how far products are from the law, in root mean squares: a guess, and its weight
LEAST_OFF = 0.03
USUAL, USUAL_DOF = 0.8, 1.0  # squared disagreement a number that products decide, where they are right; its weight
MOST_DOUBT = 1e4
DIRECTED = ("effective", "separable")  # families of one run, which products can be compared with
LEAST_LEFT = 0.25  # part of the products that the parameters do not pay for, at least


@dataclasses.dataclass(frozen=True)
class Belief:
    """How far products can be believed.

    off: sd of what is systematically wrong with them, in root mean squares; doubt: what all their variances are
    multiplied by, since they contradict the losses.
    """

    off: float = OFF
    doubt: float = 1.0

    def learnt(self, off: float, *, pull: float, decided: float) -> Belief:
        """The belief after a fit in which products `decided` so many numbers and draw the losses' cost up.

        pull: g' A^-1 g with g and A the gradient and Hessian of the losses' penalised cost: how far, in squared
        standard deviations, the fit lies from where the losses alone would have it. Where products are right it is as
        large as `decided` is.
        """
        more = (USUAL_DOF + pull) / (USUAL_DOF + USUAL * decided)
        return Belief(off, min(max(self.doubt * more, 1.0), MOST_DOUBT))


@dataclasses.dataclass(frozen=True)
class Products:
    """Averages over groups of reports.

    mean (G, M, K): products in units of their target's root mean square, NaN where none; count (G, M, K):
    reports in each; draws (G, K): cumulative since the law's start; noise: sd of a single report's.
    """

    mean: Array
    count: Array
    draws: Array
    noise: float

    @property
    def total(self) -> Array:
        """(G,)"""
        return np.asarray(self.draws.sum(axis=1))

    def within(self, least: float, most: float) -> Products | None:
        """Only the groups with so many draws in all; None if there are none."""
        keep = (self.total >= least * (1 - 1e-9)) & (self.total <= most * (1 + 1e-9)) & (self.total > 0)
        if not keep.any():
            return None
        return Products(self.mean[keep], self.count[keep], self.draws[keep], self.noise)


@dataclasses.dataclass(frozen=True)
class Directions:
    """Products as the fit takes them: for each target G x K values in one row.

    observed (M, C): NaN where none; variance (M, C): of the reports' noise; groups (M, C): how many groups know this
    domain and target; log_share (G, K + 1) and slope (G, K): log of S/T, in the last column of n0/T, and dS/dn.
    """

    observed: Array
    variance: Array
    groups: Array
    log_share: Array
    slope: Array

    def weight(self, belief: Belief) -> Array:
        """(M, C): inverse standard deviations; what products have systematically wrong is wrong in every group."""
        return np.asarray(1.0 / np.sqrt((self.variance + self.groups * belief.off**2) * belief.doubt))

    def model(self, theta: Array, target: NDArray[np.int64], kind: str, jacobian: bool) -> tuple[Array, Array]:
        """Fitted products (B, C) for rows of parameters (B, P), and their Jacobian (B, C, P)."""
        p, slopes = compositions(theta, self, kind, jacobian)
        count, groups, domains = p.shape
        y = self.observed[target].reshape(p.shape)
        known = ~np.isnan(y)
        p = np.where(known, p, 0.0)
        power = np.maximum((p * p).sum(axis=2, keepdims=True), 1e-300)
        scale = np.maximum((np.where(known, y, 0.0) * p).sum(axis=2, keepdims=True), 0.0) / power
        fitted = (scale * p).reshape(count, -1)
        if not jacobian:
            return fitted, slopes
        slopes[~known] = 0.0
        along = np.matmul(p[:, :, None, :], slopes) / power[..., None]
        slopes -= p[..., None] * along
        slopes *= scale[..., None]
        return fitted, slopes.reshape(count, groups * domains, -1)

    def off(self, residual: Array, spent: float) -> float:
        """How far off products seem to be, from the residuals (M, C) of a fit that `spent` so many numbers on them."""
        shape = len(residual), len(self.slope), -1
        known = ~np.isnan(residual).reshape(shape)
        count = known.sum(axis=1)
        mean = np.where(known, residual.reshape(shape), 0.0).sum(axis=1) / np.maximum(count, 1)
        noise = np.where(known, self.variance.reshape(shape), 0.0).sum(axis=1) / np.maximum(count, 1) ** 2
        there = float((count > 0).sum())
        left = max(there - spent, LEAST_LEFT * there)
        extra = float((mean**2).sum()) - float(noise.sum()) * left / max(there, 1.0)
        return max(float(np.sqrt((OFF_DOF * OFF**2 + max(extra, 0.0)) / (OFF_DOF + left))), LEAST_OFF)


def directions(products: Products, pools: Array, start: float, since: Array | float) -> Directions:
    """`Directions` of `products`, where the law counts from the draws `since` (K,) and `start` is the unit of what the
    model knew, in draws."""
    draws, total = products.draws, products.total[:, None]
    worth = np.concatenate([worth_since(draws + since, since, pools), np.full((len(draws), 1), start)], axis=1)
    targets = products.mean.shape[1]
    observed = products.mean.transpose(1, 0, 2)
    count = products.count.transpose(1, 0, 2)
    groups = np.broadcast_to((~np.isnan(observed)).sum(axis=1, keepdims=True), observed.shape)
    return Directions(
        observed.reshape(targets, -1),
        (products.noise**2 / np.maximum(count, 1)).reshape(targets, -1),
        np.maximum(groups, 1).reshape(targets, -1).astype(np.float64),
        np.log(worth / total + SHARE_FLOOR),
        worth_slopes(draws + since, pools)[0],
    )


def compositions(theta: Array, given: Directions, kind: str, jacobian: bool) -> tuple[Array, Array]:
    """p (B, G, K) and dp/dtheta (B, G, K, P)."""
    share = given.log_share[None]
    g = mixing_power(theta)[:, None, None]
    worth = theta[:, None, HEAD:] + g * share
    worth = np.exp(worth - worth.max(axis=2, keepdims=True))
    if kind == "effective":
        p = worth[:, :, :-1] * np.exp(-share[:, :, :-1]) * given.slope
        unit = np.maximum(p.max(axis=2, keepdims=True), 1e-300)
        p = p / unit
        if not jacobian:
            return p, np.empty(0)
        slopes = np.zeros((*p.shape, theta.shape[1]))
        slopes[..., G] = p * share[:, :, :-1] * (g * (1 - g))
        index = np.arange(p.shape[2])
        slopes[:, :, index, HEAD + index] = p
        return p, slopes
    part = worth / worth.sum(axis=2, keepdims=True)
    a = part[:, :, :-1] * np.exp(-share[:, :, :-1]) * given.slope
    ratio = np.exp(theta[:, BETA] - theta[:, ALPHA])[:, None, None]
    p = a + ratio - 1.0
    if not jacobian:
        return p, np.empty(0)
    slopes = np.zeros((*p.shape, theta.shape[1]))
    slopes[..., HEAD:] = -a[..., None] * part[:, :, None, :]
    index = np.arange(p.shape[2])
    slopes[:, :, index, HEAD + index] += a
    slopes[..., G] = a * (share[:, :, :-1] - (part * share).sum(axis=2, keepdims=True)) * (g * (1 - g))
    slopes[..., BETA] = ratio
    slopes[..., ALPHA] = -ratio
    return p, slopes
