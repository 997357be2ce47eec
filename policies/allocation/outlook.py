"""What the law says of the end of the run: the objective, its slopes, and how sure they are."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from numpy.typing import NDArray

from policies.laws import JointLaw
from policies.laws.draws import End, Excess, excess, log_floor
from policies.laws.form import FLOOR, LATE, log_loss
from policies.laws.joint import Family

Array = NDArray[np.float64]

SAMPLES = 64  # of the posterior, for the intervals of prices
NO_FLOOR = -700.0  # log of a floor that cannot be felt


@dataclasses.dataclass(frozen=True)
class Outlook:
    """Final losses as a function of final cumulative draws n (K,), under one law.

    weights: (M,) of the targets; time: cumulative learning rate at the end; total: draws at the
    end, which the separable law's mixture factor is taken at; reference: (K,) final draws under the
    baseline mixture, against which excess over the floor is counted.
    """

    law: JointLaw
    weights: Array
    objective: str
    time: float
    total: float
    reference: Array
    anneal: float = 0.0

    # -- each target: log loss or excess, with slopes --------------------------------------------

    @property
    def _end(self) -> End:
        law = self.law
        total, time = self.total - float(np.sum(law.since)), self.time - law.time_since
        log_total, log_time = float(np.log(total / law.total_ref)), float(np.log(time / law.time_ref))
        return End(law.pools, total, law.start, log_total, log_time, law.since)

    def _excess(self, family: Family, n: Array) -> Excess:
        return excess(family.theta, family.name, n, self._end)

    def targets(self, n: Array) -> tuple[Array, Array, list[tuple[Array, Array, Array]]]:
        """Per target: value (M,), gradient (M, K), and the terms of the Hessian.

        The value is the log loss for `mean_log`, else the excess over the floor relative to that
        under the baseline. Each Hessian term (c1 (M,), first (M, K), c2 (M, K)) stands for
        sum_i w_i (c1_i first_i first_i' + diag(c2_i)).
        """
        M, K = self.weights.size, n.size
        value, gradient, terms = np.zeros(M), np.zeros((M, K)), []
        for family in self.law.families:
            part = self._excess(family, n)
            q, rate = part.q, part.rate
            if self.objective == "mean_log":
                level = np.logaddexp(log_floor(family.theta, family.name, self._end), q)
                push = np.exp(q - level)
                bend = push * (1.0 - push)
            else:
                level = np.exp(np.minimum(q - self._excess(family, self.reference).q, 50.0))
                push = bend = level
            value += family.weight * level
            gradient -= family.weight * (push * rate)[:, None] * part.first
            c1 = family.weight * (bend * rate**2 + push * rate * part.g)
            terms.append((c1, part.first, -family.weight * (push * rate)[:, None] * part.second))
        return value, gradient, terms

    def mean(self, n: Array, weights: Array | None = None) -> tuple[float, Array, Array]:
        """Weighted mean over targets: value, gradient (K,), Hessian (K, K) in n."""
        weights = self.weights if weights is None else weights
        value, gradient, terms = self.targets(n)
        hessian = np.zeros((n.size, n.size))
        for c1, first, c2 in terms:
            hessian += (first.T * (weights * c1)) @ first
            hessian[np.arange(n.size), np.arange(n.size)] += weights @ c2
        return float(weights @ value), weights @ gradient, hessian

    def score(self, n: Array) -> float:
        """The objective: smaller is better."""
        value, _, _ = self.targets(n)
        if self.objective == "worst_excess":
            return float(value[self.weights > 0].max())
        return float(self.weights @ value)

    # -- how sure -------------------------------------------------------------------------------

    def gain(self, plan: Array, other: Array) -> tuple[float, float]:
        """Mean and standard deviation of score(other) - score(plan), by the delta method."""
        means, variances, weights = [], [], []
        for family in self.law.families:
            value, slopes = self._family_values(family, np.stack([plan, other]))
            pick = self._worst(value) if self.objective == "worst_excess" else [self.weights, self.weights]
            weights.append(family.weight)
            means.append(float(pick[1] @ value[:, 1] - pick[0] @ value[:, 0]))
            difference = pick[1][:, None] * slopes[:, 1] - pick[0][:, None] * slopes[:, 0]
            variances.append(float(np.einsum("mp,mpq,mq->", difference, family.covariance, difference)))
        mean = float(np.dot(weights, means))
        variance = sum(w * (v + (m - mean) ** 2) for w, v, m in zip(weights, variances, means, strict=True))
        return mean, float(np.sqrt(max(variance, 0.0)))

    def _worst(self, value: Array) -> list[Array]:
        picks = []
        for column in value.T:
            pick = np.zeros(value.shape[0])
            pick[int(np.argmax(np.where(self.weights > 0, column, -np.inf)))] = 1.0
            picks.append(pick)
        return picks

    def _family_values(self, family: Family, draws: Array) -> tuple[Array, Array]:
        """Values (M, N) as in `targets` and their slopes (M, N, P) in the parameters."""
        every = np.arange(self.weights.size)
        inputs = self.law.inputs(draws, np.full(len(draws), self.time), self.anneal)
        at_end = np.full(len(draws), self._end.log_total)
        inputs = dataclasses.replace(
            inputs,
            log_share=inputs.log_share + (inputs.log_total - at_end)[:, None],
            log_total=at_end,
        )
        if self.objective == "mean_log":
            return log_loss(family.theta, every, inputs, kind=family.name)
        theta = family.theta.copy()
        theta[:, [FLOOR, LATE]] = NO_FLOOR
        q, slopes = log_loss(theta, every, inputs, kind=family.name)
        base = dataclasses.replace(self, objective="mean_log")._base(theta, family, self.reference)
        level = np.exp(np.minimum(q - base[0], 50.0))
        return level, level[:, :, None] * (slopes - base[1])

    def _base(self, theta: Array, family: Family, draws: Array) -> tuple[Array, Array]:
        return self._family_values(dataclasses.replace(family, theta=theta), draws[None])

    def samples(self, n: Array) -> Array:
        """(SAMPLES, M, K) draws from the posterior of the weighted marginal gains -w_i d value_i/dn_j.

        The random numbers come from a generator of fixed seed: the same law gives the same draws.
        """
        out = np.empty((SAMPLES, self.weights.size, n.size))
        for family, (chosen, theta) in zip(self.law.families, self._posterior, strict=True):
            out[chosen] = -self.weights[:, None] * self._slopes(family, theta, n)
        return out

    @functools.cached_property
    def _posterior(self) -> list[tuple[NDArray[np.int64], Array]]:
        """Of each family: which of the samples are its own, and their parameters (S, M, P)."""
        rng, families = np.random.default_rng(0), self.law.families
        noise = rng.standard_normal((SAMPLES, *families[0].theta.shape))
        which = rng.choice(len(families), size=SAMPLES, p=[family.weight for family in families])
        drawn = []
        for k, family in enumerate(families):
            chosen = np.flatnonzero(which == k)
            root = np.linalg.cholesky(family.covariance)
            moved = noise[chosen].transpose(1, 0, 2) @ root.transpose(0, 2, 1)
            drawn.append((chosen, family.theta + moved.transpose(1, 0, 2)))
        return drawn

    def _slopes(self, family: Family, theta: Array, n: Array) -> Array:
        """d value/dn (S, M, K) of one family for S sets of parameters (S, M, P)."""
        slopes = np.empty((*theta.shape[:2], n.size))
        every = theta.reshape(-1, theta.shape[2])
        flat = dataclasses.replace(family, theta=every)
        part = self._excess(flat, n)
        if self.objective == "mean_log":
            push = np.exp(part.q - np.logaddexp(log_floor(every, family.name, self._end), part.q))
        else:
            push = np.exp(np.minimum(part.q - self._excess(flat, self.reference).q, 50.0))
        slopes[:] = (-(push * part.rate)[:, None] * part.first).reshape(slopes.shape)
        return slopes
