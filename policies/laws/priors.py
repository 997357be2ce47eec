"""Priors on a target's parameters, what the targets of a table teach about them, and where fits start.

Losses are divided by the target's late typical loss and draws by the largest total before these
apply, so they hold in any unit. The hand-set prior is weak; where a table has several targets, what
they have in common is learnt from them (empirical Bayes): transfer is a tenth of the own weight or
less between languages and the own weight itself between MR sequences, and no one prior fits both.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.laws.form import ALPHA, BETA, FLOOR, HEAD, LATE, SCALE, D, G, mixing_power
from policies.laws.groups import Kinship

Array = NDArray[np.float64]

# (median, sd of the logarithm). Transfer: 0.2 to 5 of the own weight on a pilot of real volumes, 0.03 to 0.25 in
# tables of language models; exponents 0.2 to 0.4 in both.
FLOOR_PRIOR = (0.4, 1.0)
ALPHA_PRIOR = (0.35, 0.5)
BETA_PRIOR = (0.35, 0.5)
G_PRIOR = (0.9, 1.2)  # median, sd of the logit
TRANSFER_PRIOR = (0.3, 1.8)
FEW_OTHERS = 4  # of more other domains each gives so much less that all together give the same
START_PRIOR = (0.1, 1.5)  # what the untrained model knows, in totals of the first row
NO_TRANSFER = -12.0  # log of a transfer that cannot be felt
SCALE_PRIOR = (0.6, 1.5)
LATE_PRIOR = (0.1, 1.5)  # the additive law's time term at the last draw
OWN_EFFECT = (1.5, 0.7)  # exponential law: fall of the log excess from no own draws to nothing else
# (mean, sd) by how much a full annealing, and all draws being recent, lower the log loss. A decay of the learning
# rate took 5 to 20 % off in 2503.12811; it can be learnt only once the rate has come down.
ANNEALING, RECENCY = (0.14, 0.1), (0.0, 0.03)

LEARNT = (FLOOR, ALPHA, BETA, G, LATE, -1)  # parameters whose mean and spread over the targets are learnt
HEAD_DOF, SPREAD_DOF = 4.0, 8.0  # the hand-set spread counts for so many targets, or pairs
LEVEL_SD, SOURCE_SD = 2.0, 0.7  # log tau: of a table's mean about the hand-set one, of a domain's about the table's
TAIL = 4.0  # degrees of freedom

STARTS = ((0.4, 0.35), (0.1, 0.15), (0.75, 0.8), (0.1, 0.5))  # (floor, exponent)


@dataclasses.dataclass(frozen=True)
class Hyper:
    """What the targets of one table have in common: where their parameters lie, and how far apart.

    head, head_sd: (HEAD + 1,) mean and sd of the parameters before log tau, and of log n0 (last);
    source: (K,) mean log tau of a domain's draws to targets that are not itself; spread: sd of log
    omega about it. kin: (M, K) what lies beside that mean between groups of domains; None without groups.
    """

    head: Array
    head_sd: Array
    source: Array
    spread: float
    kin: Array | None = None

    @property
    def foreign(self) -> Array:
        """(K,) or (M, K): mean log tau of draws to targets that are not the domain itself."""
        return self.source if self.kin is None else self.source + self.kin

    def to_dict(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "head": self.head.tolist(),
            "head_sd": self.head_sd.tolist(),
            "source": self.source.tolist(),
            "spread": self.spread,
        }
        return body if self.kin is None else {**body, "kin": self.kin.tolist()}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Hyper:
        head, head_sd, source = (np.array(body[key], dtype=np.float64) for key in ("head", "head_sd", "source"))
        kin = np.array(body["kin"], dtype=np.float64) if "kin" in body else None
        return cls(head, head_sd, source, float(body["spread"]), kin)


def hand_set(domains: int, kin: Array | None = None) -> Hyper:
    """What is believed before any data; `kin` (M, K) is what groups of domains say (see `groups`)."""
    mean, sd = np.zeros(HEAD + 1), np.ones(HEAD + 1)
    told = {FLOOR: FLOOR_PRIOR, ALPHA: ALPHA_PRIOR, BETA: BETA_PRIOR, LATE: LATE_PRIOR, -1: START_PRIOR}
    for index, (median, width) in told.items():
        mean[index], sd[index] = np.log(median), width
    mean[G], sd[G] = np.log(G_PRIOR[0] / (1 - G_PRIOR[0])), G_PRIOR[1]
    mean[SCALE], sd[SCALE] = np.log(SCALE_PRIOR[0]), SCALE_PRIOR[1]
    mean[D], sd[D] = np.transpose((ANNEALING, RECENCY))
    return Hyper(mean, sd, np.full(domains, _foreign(domains)), TRANSFER_PRIOR[1], kin)


def _foreign(domains: int) -> float:
    """Prior mean of log tau. Were it the same for any number of domains, twenty of them would seem to live on
    gifts, and what own draws do could only be explained by an exponent that no law has."""
    return float(np.log(TRANSFER_PRIOR[0] * FEW_OTHERS / max(domains - 1, FEW_OTHERS)))


def learn(
    hyper: Hyper,
    theta: Array,
    variance: Array,
    movable: NDArray[np.bool_],
    own: NDArray[np.int64],
    *,
    shape: bool,
    kinship: Kinship | None = None,
) -> Hyper:
    """Empirical Bayes: `hyper` after one step of expectation maximisation.

    theta, variance: (M, P) fitted parameters and their posterior variances. The hand-set prior is the
    prior of the means and counts for so many observations in the variances: with few targets, or where
    nothing is known yet, it stays. Log tau has Student's t distribution about its domain's mean: a few
    domains may stand far out for a target. Without `shape` only transfer is learnt: along a single run
    floor, exponent and start make up for each other, and what the targets share is that confusion.
    """
    base = hand_set(theta.shape[1] - HEAD - 1, None if kinship is None else kinship.hand_set(own))
    if (hyper.kin is None) != (base.kin is None):
        hyper = dataclasses.replace(hyper, kin=base.kin)
    head, head_sd = base.head.copy(), base.head_sd.copy()
    for index in LEARNT if shape else ():
        here = movable[:, index]
        head[index], head_sd[index] = _normal(
            theta[here, index], variance[here, index], base.head[index], base.head_sd[index], hyper.head_sd[index]
        )
    foreign = movable[:, HEAD:-1] & ~_own(own, base.source.size)
    if not foreign.any():
        return dataclasses.replace(base, head=head, head_sd=head_sd)
    transfer, variance = theta[:, HEAD:-1], variance[:, HEAD:-1]
    if kinship is None:
        return Hyper(head, head_sd, *_sources(hyper, base, transfer, variance, foreign))
    load = _weight(hyper, transfer, variance, foreign) / hyper.spread**2
    kin = kinship.learnt(own, transfer - hyper.source, load)
    apart = dataclasses.replace(hyper, kin=None)
    return Hyper(head, head_sd, *_sources(apart, base, transfer - kin, variance, foreign), kin)


def _sources(
    hyper: Hyper, base: Hyper, transfer: Array, variance: Array, foreign: NDArray[np.bool_]
) -> tuple[Array, float]:
    """Mean of log tau by domain (K,), shrunk to that of all, and the spread about it."""
    weight = _weight(hyper, transfer, variance, foreign)
    load = weight / hyper.spread**2
    level = ((load * transfer).sum() + base.source[0] / LEVEL_SD**2) / (load.sum() + LEVEL_SD**-2)
    source = ((load * transfer).sum(axis=0) + level / SOURCE_SD**2) / (load.sum(axis=0) + SOURCE_SD**-2)
    total = SPREAD_DOF * base.spread**2 + (weight * ((transfer - source) ** 2 + variance)).sum()
    return source, float(np.sqrt(total / (SPREAD_DOF + foreign.sum())))


def _weight(hyper: Hyper, transfer: Array, variance: Array, foreign: NDArray[np.bool_]) -> Array:
    """(M, K): how much each log tau counts under Student's t about its mean; 0 for what is no transfer."""
    square = (transfer - hyper.foreign) ** 2 + variance
    return np.where(foreign, (TAIL + 1.0) / (TAIL + square / hyper.spread**2), 0.0)


def _normal(values: Array, variance: Array, mean: float, sd: float, before: float) -> tuple[float, float]:
    """Mean and sd of `values` with their variances, the hand-set `mean` and `sd` and the sd `before` this step."""
    load = values.size / before**2
    middle = (values.sum() / before**2 + mean / sd**2) / (load + sd**-2)
    total = HEAD_DOF * sd**2 + ((values - middle) ** 2 + variance).sum()
    return middle, float(np.sqrt(total / (HEAD_DOF + values.size)))


def _own(own: NDArray[np.int64], domains: int) -> NDArray[np.bool_]:
    """(M, K): where a domain is the target itself."""
    return np.asarray(own[:, None] == np.arange(domains))


def centre(own: NDArray[np.int64], hyper: Hyper, *, kind: str, transfer: bool = True) -> Array:
    """(M, P) prior means: every target alike, but for its own weight of 1."""
    domains = hyper.source.size
    theta = np.zeros((own.size, HEAD + domains + 1))
    theta[:, :HEAD], theta[:, -1] = hyper.head[:-1], hyper.head[-1]
    theta[:, HEAD:-1] = hyper.foreign
    is_domain = own >= 0
    if not transfer:
        theta[is_domain, HEAD:-1] = NO_TRANSFER
    theta[is_domain, HEAD + own[is_domain]] = np.log(OWN_EFFECT[0]) if kind == "exponential" else 0.0
    theta[:, SCALE] += _typical_reach(theta, domains, kind)
    return theta


def _typical_reach(theta: Array, domains: int, kind: str) -> Array:
    """What the uniform mixture takes off q under the prior's transfer."""
    if kind == "exponential":
        return np.asarray(np.exp(theta[:, HEAD:-1]).mean(axis=1))
    g = mixing_power(theta)
    typical: Array = np.log(np.exp(theta[:, HEAD:-1] - g[:, None] * np.log(domains)).sum(axis=1)) / g
    return np.exp(theta[:, ALPHA]) * typical


def precision(hyper: Hyper, theta: Array, own: NDArray[np.int64]) -> Array:
    """(M, P) inverse variances of the normal prior that touches the heavy-tailed one at `theta`."""
    inverse = np.empty_like(theta)
    inverse[:, :HEAD], inverse[:, -1] = hyper.head_sd[:-1] ** -2, hyper.head_sd[-1] ** -2
    far = ((theta[:, HEAD:-1] - hyper.foreign) / hyper.spread) ** 2
    inverse[:, HEAD:-1] = (TAIL + 1.0) / (TAIL + far) / hyper.spread**2
    inverse[:, HEAD:-1][_own(own, hyper.source.size)] = OWN_EFFECT[1] ** -2
    return inverse


def free(own: NDArray[np.int64], shape: tuple[int, ...], *, kind: str, transfer: bool = True) -> NDArray[np.bool_]:
    """(M, P): False for what is fixed, a domain's worth to itself (1) and what the family does not have."""
    mask = np.ones(shape, dtype=np.bool_)
    is_domain = own >= 0
    if not transfer:
        mask[is_domain, HEAD:-1] = False
    mask[is_domain, HEAD + own[is_domain]] = kind == "exponential"
    mask[:, BETA] = kind != "effective"
    mask[:, LATE] = kind == "additive"
    if kind == "exponential":
        mask[:, [ALPHA, G, -1]] = False
    return mask


def starts(theta: Array, movable: NDArray[np.bool_]) -> list[Array]:
    """Several points (M, P) to start from: low and high floors, slow and fast decay; only `movable` entries differ."""
    points = []
    for floor, exponent in STARTS:
        point = theta.copy()
        point[:, FLOOR] = np.log(floor)
        point[:, ALPHA] = point[:, BETA] = np.log(exponent)
        stretch = np.where(movable[:, ALPHA], exponent / ALPHA_PRIOR[0] - 1, 0.0)
        point[:, SCALE] += np.log((1 - floor) / SCALE_PRIOR[0]) + stretch * (theta[:, SCALE] - np.log(SCALE_PRIOR[0]))
        points.append(np.where(movable, point, theta))
    return points
