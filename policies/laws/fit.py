"""Fitting the joint law: robust, with weak priors, several starts, and honest uncertainty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from policies.laws import priors
from policies.laws.burn_in import burn_in_row
from policies.laws.form import ALPHA, BETA, FLOOR, SCALE, Inputs, log_loss
from policies.laws.joint import Family, JointLaw, WarmStart
from policies.laws.rows import Rows, from_arrays
from policies.laws.solve import Batch, minimise, normal_equations
from policies.records import BadSetup

Array = NDArray[np.float64]

FAMILIES = (("effective", True), ("separable", False))
NOISE_GUESS, NOISE_DOF = 0.005, 6.0  # prior on the noise: its sd in log loss, worth so many observations
ROW_TRUST = 5.0  # a row averaged over many reports counts for at most so many: the law is not exact
SCORE_TEMPER = 0.15  # held-out residuals of one run are correlated; each counts for so much
MAX_INFLATION = 12.0


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
        (N,) label of the run a row is from. Left out: one run if the draws only grow, else one a row.
    seed:
        Chooses which runs are held out to weigh the families; nothing else is random.
    domains, targets:
        Names; a target that bears a domain's name has an own weight of 1. Without names the targets
        are taken for the domains, in order, if there are as many.

    Returns the penalised maximum a posteriori fit of each family (see `form`) with its Laplace
    covariance, the families weighted by how well they predict rows they were not fitted to.
    Raises `BadReport` for losses or draws that cannot be, `BadSetup` for shapes that do not fit.
    """
    rows = from_arrays(draws, losses, pools=pools, time=time, sem=sem, run=run, domains=domains, targets=targets)
    return fit_rows(rows, seed=seed)


def fit_rows(rows: Rows, *, warm: WarmStart | None = None, seed: int = 0, transfer: bool = True) -> JointLaw:
    """`fit_joint_law` on checked rows.

    `warm` is the start left by an earlier fit over the same names. Without `transfer` a target that
    is a domain learns from its own draws only.
    """
    skip = burn_in_row(rows)
    burn_in = float(rows.total[skip]) if skip else 0.0
    rows = rows.keep(np.arange(len(rows.draws)) >= skip)
    if not len(rows.draws) or np.all(np.isnan(rows.log_loss)):
        raise BadSetup("no measured loss after the first draw; at least one row is needed to fit a law")
    if warm is not None and (warm.domains, warm.targets) != (rows.domains, rows.targets):
        warm = None
    late = rows.total >= 0.75 * rows.total.max()
    centre = _typical(rows.log_loss, late)
    total_ref, time_ref = float(rows.total.max()), float(rows.time.max())
    inputs = rows.inputs(total_ref, time_ref)
    fits, noises = [], []
    for index, (_, tied) in enumerate(FAMILIES):
        start = None if warm is None else _restart(warm, index, centre, total_ref, time_ref)
        noise = None if warm is None else warm.noise
        theta, covariance, sd = _fit_family(rows, inputs, centre, tied, transfer, start, noise)
        fits.append((theta, covariance))
        noises.append(sd)
    weights = _family_weights(rows, inputs, centre, [theta for theta, _ in fits], noises, seed, transfer)
    families = tuple(
        Family(name, tied, weight, theta, covariance)
        for (name, tied), weight, (theta, covariance) in zip(FAMILIES, weights, fits, strict=True)
    )
    noise: Array = np.sqrt(np.einsum("f,fm->m", np.array(weights), np.array(noises) ** 2))
    return JointLaw(
        rows.domains,
        rows.targets,
        rows.own,
        rows.pools,
        total_ref,
        time_ref,
        centre,
        noise,
        families,
        burn_in,
        len(rows.draws),
    )


def _typical(log_loss_NxM: Array, late: NDArray[np.bool_]) -> Array:
    """(M,) median log loss of the late rows, of all rows where none of those was measured."""
    centre = np.zeros(log_loss_NxM.shape[1])
    for i in range(log_loss_NxM.shape[1]):
        column = log_loss_NxM[late, i]
        column = column if not np.all(np.isnan(column)) else log_loss_NxM[:, i]
        centre[i] = 0.0 if np.all(np.isnan(column)) else np.nanmedian(column)
    return centre


def _restart(warm: WarmStart, index: int, centre: Array, total_ref: float, time_ref: float) -> Array:
    """An earlier fit in the units of this one."""
    theta, tied = warm.thetas[index].copy(), FAMILIES[index][1]
    grown = np.log(total_ref / warm.total_ref) if tied else np.log(time_ref / warm.time_ref)
    rate = np.exp(theta[:, ALPHA if tied else BETA])
    theta[:, SCALE] += warm.centre - centre - rate * grown
    theta[:, FLOOR] += warm.centre - centre
    return theta


def _row_trust(rows: Rows) -> Array:
    return np.sqrt(rows.count / (1.0 + (rows.count - 1.0) / ROW_TRUST))


def _problem(rows: Rows, centre: Array, tied: bool, transfer: bool, noise: Array) -> Batch:
    """The M problems of one family, one a target."""
    middle = priors.centre(rows.own, len(rows.domains), transfer=transfer)
    spread = np.sqrt(noise[None] ** 2 + np.where(np.isnan(rows.sem), 0.0, rows.sem) ** 2)
    weight = _row_trust(rows)[:, None] / spread
    return Batch(
        (rows.log_loss - centre).T,
        weight.T,
        middle,
        priors.precision(middle),
        priors.free(rows.own, middle.shape, tied=tied, transfer=transfer),
    )


def _fit_family(
    rows: Rows,
    inputs: Inputs,
    centre: Array,
    tied: bool,
    transfer: bool,
    start: Array | None,
    noise: Array | None,
) -> tuple[Array, Array, Array]:
    """Theta (M, P), covariance (M, P, P) and noise (M,) of one family."""
    cold = start is None
    sd: Array = np.full(len(rows.targets), NOISE_GUESS) if noise is None else noise
    batch = _problem(rows, centre, tied, transfer, sd)

    def model(theta: Array, which: NDArray[np.int64], jacobian: bool) -> tuple[Array, Array]:
        return log_loss(theta, which, inputs, tied=tied, jacobian=jacobian)

    begins = priors.starts(batch.centre) if start is None else [start]
    found = [minimise(model, batch, begin, iterations=60 if cold else 100) for begin in begins]
    best = np.argmin(np.array([f.cost for f in found]), axis=0)
    theta = np.array([found[k].theta[i] for i, k in enumerate(best)])
    for _ in range(2 if cold else 1):
        fitted, slopes = model(theta, np.arange(len(theta)), True)
        residual = batch.observed - fitted
        sd = _noise(batch, residual, theta, slopes, _row_trust(rows))
        batch = _problem(rows, centre, tied, transfer, sd)
        theta = minimise(model, batch, theta).theta
    return theta, _covariance(model, batch, theta), sd


def _noise(batch: Batch, residual: Array, theta: Array, slopes: Array, trust: Array) -> Array:
    """(M,) robust standard deviation of log residuals, corrected for the parameters they paid for."""
    scaled = np.where(np.isnan(residual), 0.0, residual) * batch.weight
    _, hessian = normal_equations(batch, theta, scaled, slopes)
    index = np.arange(theta.shape[1])
    prior = np.where(batch.free, batch.precision, 1.0)
    kept = np.einsum("bp,bp->b", np.linalg.inv(hessian)[:, index, index], prior)
    spent = theta.shape[1] - kept
    noise = np.empty(len(theta))
    for i, row in enumerate(residual * trust):
        known = row[~np.isnan(row)]
        spread = 1.4826 * np.median(np.abs(known)) if known.size else NOISE_GUESS
        left = max(known.size - spent[i], 0.25 * known.size)
        squares = known.size * spread**2 if known.size else 0.0
        noise[i] = np.sqrt((NOISE_DOF * NOISE_GUESS**2 + squares) / (NOISE_DOF + left))
    return noise


def _covariance(model: object, batch: Batch, theta: Array) -> Array:
    """Laplace: inverse of (data precision, tempered for correlated residuals) + prior precision."""
    fitted, slopes = model(theta, np.arange(len(theta)), True)  # type: ignore[operator]
    residual = batch.observed - fitted
    scaled = np.where(np.isnan(residual), 0.0, residual) * batch.weight
    _, hessian = normal_equations(batch, theta, scaled, slopes)
    index = np.arange(theta.shape[1])
    prior = np.where(batch.free, batch.precision, 1.0)
    hessian[:, index, index] -= prior
    hessian /= _inflation(residual)[:, None, None]
    hessian[:, index, index] += np.where(batch.free, batch.precision, 1e12)
    covariance: Array = np.linalg.inv(hessian)
    return 0.5 * (covariance + covariance.transpose(0, 2, 1))


def _inflation(residual: Array) -> Array:
    """(M,) by how much correlated residuals lower the number of independent observations."""
    factor = np.ones(len(residual))
    for i, row in enumerate(residual):
        known = row[~np.isnan(row)]
        if known.size >= 8 and np.any(known):
            correlation = float((known[1:] * known[:-1]).sum() / (known**2).sum())
            factor[i] = (1 + correlation) / (1 - correlation) if correlation > 0 else 1.0
    return np.clip(1.5 * factor, 1.5, MAX_INFLATION)


def _family_weights(
    rows: Rows, inputs: Inputs, centre: Array, thetas: list[Array], noises: list[Array], seed: int, transfer: bool
) -> list[float]:
    """Weights of the families from their log predictive score on rows left out of a second fit.

    Of one run the last third is left out, of many runs a quarter chosen by `seed`. With too few
    rows to leave any out the weights are equal.
    """
    held = _held_out(rows, seed)
    if held.sum() < 4 or (~held).sum() < 10:
        return [1.0 / len(thetas)] * len(thetas)
    scores = []
    train, rest = rows.keep(~held), inputs.rows(~held)
    for (_, tied), theta, noise in zip(FAMILIES, thetas, noises, strict=True):
        batch = _problem(train, centre, tied, transfer, noise)

        def model(t: Array, which: NDArray[np.int64], jacobian: bool, tied: bool = tied) -> tuple[Array, Array]:
            return log_loss(t, which, rest, tied=tied, jacobian=jacobian)

        part = minimise(model, batch, theta, iterations=40, tolerance=1e-10).theta
        covariance = _covariance(model, batch, part)
        fitted, slopes = log_loss(part, np.arange(len(part)), inputs.rows(held), tied=tied)
        variance = np.einsum("mnp,mpq,mnq->mn", slopes, covariance, slopes, optimize=True) + noise[:, None] ** 2
        gap = (rows.log_loss[held] - centre).T - fitted
        density = np.log1p(gap**2 / (4 * variance)) * 2.5 + 0.5 * np.log(variance)  # Student's t, 4 degrees of freedom
        scores.append(-SCORE_TEMPER * float(np.nansum(density)))
    odds = np.exp(np.clip(np.array(scores) - max(scores), -3.0, 0.0))
    return [float(weight) for weight in odds / odds.sum()]


def _held_out(rows: Rows, seed: int) -> NDArray[np.bool_]:
    labels = np.unique(rows.run)
    if labels.size == 1:
        late: NDArray[np.bool_] = np.arange(len(rows.draws)) >= np.ceil(len(rows.draws) * 2 / 3)
        return late
    chosen = np.random.default_rng(seed).permutation(labels.size)[: labels.size // 4]
    return np.isin(rows.run, labels[chosen])
