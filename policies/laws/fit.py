"""Fitting the joint law: robust, with weak priors, several starts, and honest uncertainty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from policies.laws.burn_in import burn_in_row
from policies.laws.checks import whole
from policies.laws.family import DIGITS, Fit, Setting, fit_family
from policies.laws.form import ALPHA, BETA, FLOOR, KINDS, LATE, SCALE, log_loss, mixing_power
from policies.laws.groups import Kinship
from policies.laws.joint import Family, JointLaw
from policies.laws.priors import hand_set
from policies.laws.products import Belief
from policies.laws.residual import Correction, find
from policies.laws.rows import Rows, from_arrays
from policies.laws.warm import WarmStart
from policies.laws.weigh import weigh
from policies.records import BadSetup

Array = NDArray[np.float64]

ONE_RUN = ("effective", "separable")
MANY_RUNS = KINDS
HARDLY = 0.03  # weight in the average
UNTOLD = 0.5  # of the noise's variance, taken for misfit where each run has one row, which cannot tell them apart


def fit_joint_law(
    draws: ArrayLike,
    losses: ArrayLike,
    *,
    pools: ArrayLike | None = None,
    time: ArrayLike | None = None,
    sem: ArrayLike | None = None,
    run: ArrayLike | None = None,
    seed: int = 0,
    domains: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    families: Sequence[str] | None = None,
    groups: Sequence[str | None] | None = None,
) -> JointLaw:
    """Fit held-out losses (N, M) as a function of cumulative draws (N, K), from one run or from many.

    Parameters
    ----------
    draws, losses:
        Cumulative draws and held-out losses; NaN where a loss was not measured.
    pools:
        (K,) distinct draws of each domain; None or infinity for an endless one.
    time:
        (N,) cumulative learning rate; left out, the total of the draws.
    sem:
        (N, M) standard errors of the losses.
    run:
        (N,) label of the run a row is from; the rows may come in any order. Left out: one run if the draws only
        grow, else one a row.
    seed:
        Chooses which runs are held out to weigh the families; nothing else is random.
    domains, targets:
        Names; a target that bears a domain's name has an own weight of 1. Without names the targets
        are taken for the domains, in order, if there are as many.
    families:
        Which of `form.KINDS` to fit and to average. Left out: the effective-data and the separable law
        for one run, which says too little of mixtures to tell more of them apart; all for many.
    groups:
        (K,) the group of each domain (a modality, a site), None for none: a prior on transfer (see `groups`).

    Returns the penalised maximum a posteriori fit of each family (see `form`) with its Laplace
    covariance, the families weighted by how well they predict rows they were not fitted to.
    Raises `BadReport` for losses or draws that cannot be, `BadSetup` for shapes that do not fit.
    """
    rows = from_arrays(
        draws, losses, pools=pools, time=time, sem=sem, run=run, domains=domains, targets=targets, groups=groups
    )
    return fit_rows(rows, seed=whole("seed", seed), families=families)[0]


def fit_rows(
    rows: Rows,
    *,
    warm: WarmStart | None = None,
    seed: int = 0,
    transfer: bool = True,
    families: Sequence[str] | None = None,
    anew: bool = False,
) -> tuple[JointLaw, WarmStart]:
    """`fit_joint_law` on checked rows, with the start for the next fit.

    `warm` is the start left by an earlier fit over the same names; with `anew` other starts are tried
    beside it. Without `transfer` a target that is a domain learns from its own draws only.
    """
    skip = burn_in_row(rows)
    before = float(np.sum(rows.since))
    burn_in = before + (float(rows.total[skip]) if skip else 0.0)
    rows = rows.keep(np.arange(len(rows.draws)) >= skip)
    if not len(rows.draws) or np.all(np.isnan(rows.log_loss)):
        raise BadSetup("no measured loss after the first draw; at least one row is needed to fit a law")
    kinds = _kinds(rows, families)
    if warm is not None and (warm.kinds, warm.domains, warm.targets) != (kinds, rows.domains, rows.targets):
        warm = None
    centre, total_ref, time_ref = _typical(rows), float(rows.total.max()), float(rows.time.max())
    first = float(rows.total.min()) + before
    inputs = rows.inputs(total_ref, time_ref, first)
    alone = np.zeros((len(rows.targets), len(rows.draws)))
    kin = Kinship.of(rows.groups, rows.own)
    before_data = hand_set(len(rows.domains), None if kin is None else kin.hand_set(rows.own))
    hypers = [before_data] * len(kinds) if warm is None else warm.hypers
    believed = warm.beliefs if warm is not None and warm.beliefs else (Belief(),) * len(kinds)
    settings = [
        Setting(rows, inputs, centre, kind, transfer, alone, hyper, first, belief)
        for kind, hyper, belief in zip(kinds, hypers, believed, strict=True)
    ]
    starts = None if warm is None else _restart(warm, warm.thetas, centre, total_ref, time_ref, first)
    noise = None if warm is None else warm.noise
    fits = [fit_family(s, None if starts is None else starts[k], noise, anew=anew) for k, s in enumerate(settings)]
    again = (
        [fit.theta for fit in fits] if warm is None else _restart(warm, warm.parts, centre, total_ref, time_ref, first)
    )
    weighed = weigh(settings, fits, again, seed)
    weights = weighed.weights
    fitted = tuple(
        Family(kind, weight, fit.theta, fit.covariance, fit.hyper.spread, _correction(setting, fit, weight))
        for kind, weight, fit, setting in zip(kinds, weights, fits, settings, strict=True)
    )
    noise = np.sqrt(np.einsum("f,fm->m", np.array(weights), np.array([fit.noise for fit in fits]) ** 2))
    lasting = np.sqrt(UNTOLD) if rows.alone else 0.0
    apart: Array = np.array([fit.noise * np.maximum(fit.rho.max(axis=1), lasting) for fit in fits])
    law = JointLaw(
        rows.domains,
        rows.targets,
        rows.own,
        rows.pools,
        total_ref,
        time_ref,
        first,
        centre,
        noise,
        fitted,
        burn_in,
        len(rows.draws),
        np.array(weights) @ apart,
        checked=weighed.checked,
        since=rows.since,
        time_since=rows.time_since,
    )
    thetas, parts = tuple(fit.theta for fit in fits), tuple(weighed.parts)
    hypers = tuple(fit.hyper for fit in fits)
    beliefs = tuple(fit.belief for fit in fits) if rows.products is not None and transfer else ()
    return law, WarmStart(
        kinds,
        rows.domains,
        rows.targets,
        total_ref,
        time_ref,
        first,
        centre,
        noise,
        thetas,
        parts,
        hypers,
        beliefs,
    )


def _kinds(rows: Rows, families: Sequence[str] | None) -> tuple[str, ...]:
    if families is None:
        return ONE_RUN if np.unique(rows.run).size == 1 else MANY_RUNS
    if not isinstance(families, (list, tuple)) or not families or any(kind not in KINDS for kind in families):
        raise BadSetup(f"families is {families!r}; choose one or more of {', '.join(KINDS)}")
    return tuple(families)


def _correction(setting: Setting, fit: Fit, weight: float) -> Correction | None:
    """What the residuals of a family, fitted to many runs, have in common; not for one that hardly counts."""
    if weight < HARDLY:
        return None
    fitted, _ = log_loss(fit.theta, np.arange(len(fit.theta)), setting.inputs, kind=setting.kind, jacobian=False)
    residual = setting.observed - fitted
    return find(setting.rows, setting.inputs, fit.theta, residual, fit.noise, kind=setting.kind)


def _typical(rows: Rows) -> Array:
    """(M,) median log loss of the late rows, of all rows where none of those was measured."""
    late = rows.total >= 0.75 * rows.total.max()
    centre = np.zeros(len(rows.targets))
    for i, column in enumerate(rows.log_loss.T):
        known = column[late & ~np.isnan(column)]
        known = known if known.size else column[~np.isnan(column)]
        centre[i] = np.median(known) if known.size else 0.0
    return centre


def _restart(
    warm: WarmStart, thetas: Sequence[Array], centre: Array, total_ref: float, time_ref: float, first: float
) -> list[Array]:
    """Earlier parameters in the units of this fit, rounded as the losses are."""
    moved = []
    draws, time = np.log(total_ref / warm.total_ref), np.log(time_ref / warm.time_ref)
    for kind, theta in zip(warm.kinds, thetas, strict=True):
        theta = theta.copy()
        theta[:, [FLOOR, SCALE, LATE]] += (warm.centre - centre)[:, None]
        if kind == "effective":
            theta[:, SCALE] -= np.exp(theta[:, ALPHA]) * draws
        else:
            theta[:, LATE if kind == "additive" else SCALE] -= np.exp(theta[:, BETA]) * time
        theta[:, -1] += mixing_power(theta) * np.log(warm.start / first)
        moved.append(np.round(theta, DIGITS))
    return moved
