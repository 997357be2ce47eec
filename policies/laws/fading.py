"""Has a domain stopped giving to others? A score test for a change within one run.

A law says what every draw of j is worth to target i. Suppose that draws of j after some position t are
worth only 1 - c of that to all other targets. To first order in c the log losses rise by

    c X_i(n),   X_i(n) = push_i alpha_i part_ij (S(n_j) - S(n_j(t))) / S(n_j)      (i not j, n after t)

with push the part of the loss above its floor and part_ij the part of what i has learnt that came from j.
Rao's score test (1948): at the fitted parameters, with residuals r and Jacobian J in units of the noise,
c = S/I with S = X'r, I = X'X, both after what the parameters could take up themselves is projected out of
X. So no second fit is needed, and a misfit that other parameters explain does not count. All targets are
added up: a hub that fades is seen by all whom it helped, each within its noise.

A law that overrates a hub leaves such residuals too, but from the position on at which the hub was raised.
So a change has to explain more than one right there.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from policies.laws.family import Setting, inflation
from policies.laws.form import ALPHA, D, composition, log_loss
from policies.laws.joint import JointLaw
from policies.laws.rows import Rows
from policies.laws.runs import whiten
from policies.laws.warm import WarmStart

Array = NDArray[np.float64]

PRIOR = 0.5  # sd of c before the data
CANDIDATES = 12  # positions tried
SETTLED = 0.07  # of all draws planned: a change is looked for so long after the hub was raised
AFTER = 3  # rows that a change must have behind it
CLEAR, LEAST = 6.0, 0.5  # z^2 above that of a change right at the start, with 5 domains; least part that is lost
MORE, FEW = 4.0, 5  # z^2 asked for beyond that for each unit of log(domains / 5): more of them are looked at


@dataclasses.dataclass(frozen=True)
class Fading:
    """Draws of `domain` after the position `since` are worth the part `lost` less to others than before.

    clear: z^2 of the change; where losses show it, less that of one right when the domain was raised.
    """

    domain: str
    since: float
    lost: float
    clear: float

    def __str__(self) -> str:
        lost = min(self.lost, 1.0)
        return f"draws of {self.domain} have given others about {lost:.0%} less since draw {self.since:,.0f}"


def fading(
    rows: Rows, law: JointLaw, warm: WarmStart, raised: Collection[str], *, left: float, budget: float
) -> Fading | None:
    """The clearest change of a domain among `raised` since the position `left`, None where none is clear.

    `rows`, all of one run, are what `law` was fitted to; `warm` is what its fit left behind.
    """
    total = rows.total + np.sum(rows.since)
    rows, total = rows.keep(total >= law.burn_in), total[total >= law.burn_in]
    columns = [j for j, name in enumerate(rows.domains) if name in raised]
    tried = np.flatnonzero(total[:-AFTER] >= left)
    late = total[tried] >= left + SETTLED * budget
    if not columns or not late.any():
        return None
    early = tried[~late][:: max(1, int((~late).sum()) // 3)]
    some = tried[late]
    some = some[np.unique(np.linspace(0, some.size - 1, CANDIDATES).astype(int))]
    z, lost = _scores(rows, law, warm, np.concatenate([early, some]), columns)
    before = np.maximum(z[: early.size], 0.0).max(axis=0, initial=0.0)
    after, lost = z[early.size :], lost[early.size :]
    clear = np.where(after > 0, after**2, 0.0) - before**2
    n, j = np.unravel_index(int(np.argmax(clear)), clear.shape)
    found = Fading(rows.domains[columns[j]], float(total[some[n]]), float(lost[n, j]), float(clear[n, j]))
    bar = CLEAR + MORE * max(math.log(len(rows.domains) / FEW), 0.0)
    return found if found.clear > bar and found.lost >= LEAST else None


def _scores(
    rows: Rows, law: JointLaw, warm: WarmStart, since: NDArray[np.int64], columns: list[int]
) -> tuple[Array, Array]:
    """z and c (positions, columns) of a change right after each row of `since`, averaged over the families."""
    rows = dataclasses.replace(rows, products=None)
    inputs = rows.inputs(law.total_ref, law.time_ref, law.start)
    alone = np.zeros((len(rows.targets), len(rows.draws)))
    z, c = np.zeros((since.size, len(columns))), np.zeros((since.size, len(columns)))
    for family, theta, hyper in zip(law.families, warm.thetas, warm.hypers, strict=True):
        setting = Setting(rows, inputs, law.centre, family.name, True, alone, hyper, law.start).correlated(theta)
        score, information = _score(setting, theta, law.noise, since, columns)
        information += PRIOR**-2
        z += family.weight * score / np.sqrt(information)
        c += family.weight * score / information
    return z, c


def _score(
    setting: Setting, theta: Array, noise: Array, since: NDArray[np.int64], columns: list[int]
) -> tuple[Array, Array]:
    """Efficient score and information (positions, columns) of one family."""
    batch = setting.batch(noise, theta)
    fitted, slopes = setting.model(theta, np.arange(len(theta)), True)
    known = ~np.isnan(batch.observed)
    weight = np.where(known, batch.weight, 0.0)
    residual = np.where(known, batch.observed - fitted, 0.0)
    less = inflation(np.where(known, residual, np.nan))[:, None]
    slopes = slopes * weight[:, :, None] * batch.free[:, None, :]
    hessian = np.einsum("mnp,mnq->mpq", slopes, slopes, optimize=True)
    index = np.arange(hessian.shape[1])
    hessian[:, index, index] += np.where(batch.free, batch.precision, 1e12)
    inverse = np.linalg.inv(hessian)
    residual = residual * weight
    left = np.einsum("mnp,mn->mp", slopes, residual) - np.where(
        batch.free, batch.precision * (theta - batch.centre), 0.0
    )
    taken = np.einsum("mpq,mq->mp", inverse, left)
    rise = _rises(setting, theta, columns)
    worth = setting.rows.worth[:, columns]
    score, information = np.empty((since.size, len(columns))), np.empty((since.size, len(columns)))
    for k, n in enumerate(since):
        part = np.maximum(worth - worth[n], 0.0) / np.maximum(worth, 1e-300)
        x = whiten(rise * part, setting.rho) * weight[:, :, None]
        along = np.einsum("mnk,mnp->mkp", x, slopes, optimize=True)
        own = np.einsum("mnk,mn->mk", x, residual) - np.einsum("mkp,mp->mk", along, taken)
        rest = (x**2).sum(axis=1) - np.einsum("mkp,mpq,mkq->mk", along, inverse, along, optimize=True)
        score[k], information[k] = (own / less).sum(axis=0), (np.maximum(rest, 0.0) / less).sum(axis=0)
    return score, information


def _rises(setting: Setting, theta: Array, columns: list[int]) -> Array:
    """(M, N, columns): rise of the log loss if all that the others ever got from a domain were taken away."""
    part, q = composition(theta, setting.inputs, kind=setting.kind)
    every = np.arange(len(theta))
    fitted, _ = log_loss(theta, every, setting.inputs, kind=setting.kind, jacobian=False)
    value = fitted + np.einsum("nmc,mc->mn", setting.inputs.covariates, theta[:, D])
    rise: Array = (np.exp(q - value) * np.exp(theta[:, ALPHA, None]))[:, :, None] * part[:, :, columns]
    for k, j in enumerate(columns):
        rise[setting.rows.own == j, :, k] = 0.0
    return rise
