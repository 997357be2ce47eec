"""How much each family of law counts: by how well it predicts rows it was not fitted to."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from policies.laws.family import CLOSE_WARM, WARM, Fit, Setting, covariance
from policies.laws.form import log_loss
from policies.laws.rows import Rows
from policies.laws.solve import minimise

Array = NDArray[np.float64]

TEMPER, TEMPER_RUNS = 0.3, 0.5  # held-out residuals of one run, of many runs, are alike; each counts for so much
LEAST_TRAIN, LEAST_HELD = 7, 3  # rows needed to leave any out
LONGEST_ODDS, LONGEST_RUNS = 3.0, 4.0  # in logs: no family is ever quite sure, from one run, from many
USUAL, USUAL_DOF = 0.5, 5.0  # squared error in units of the Laplace variance, which weak priors make wide; in targets
FARTHEST = 9.0  # and the most that one target may say
AHEAD = 1.5  # power, for one run: its end lies further ahead than the rows held out, and errors grow on the way


@dataclasses.dataclass(frozen=True)
class Weighed:
    """weights: of the families. parts: parameters (M, P) of each, fitted to the rows that were not held out.
    checked: how wide intervals should have been to hold those rows, in units of what they were.
    """

    weights: list[float]
    parts: list[Array]
    checked: float


def held_out(rows: Rows, seed: int) -> NDArray[np.bool_]:
    """Rows to predict: the last third of one run, or a quarter of many runs, chosen by `seed`."""
    labels = np.unique(rows.run)
    if labels.size == 1:
        late: NDArray[np.bool_] = np.arange(len(rows.draws)) >= np.ceil(len(rows.draws) * 2 / 3)
        return late
    chosen = np.random.default_rng(seed).permutation(labels.size)[: labels.size // 4]
    return np.isin(rows.run, labels[chosen])


def weigh(settings: list[Setting], fits: list[Fit], starts: list[Array], seed: int) -> Weighed:
    """How much each family counts, and how far their intervals can be believed.

    Each family is fitted again without the held-out rows (from `starts`) and scored by the log
    density, Student's t with 4 degrees of freedom, that it gives them. With too few rows to leave
    any out the weights are equal and nothing is checked.
    """
    held = held_out(settings[0].rows, seed)
    if held.sum() < LEAST_HELD or (~held).sum() < LEAST_TRAIN:
        return Weighed([1.0 / len(fits)] * len(fits), [fit.theta for fit in fits], 1.0)
    single = np.unique(settings[0].rows.run).size == 1
    temper, longest = (TEMPER, LONGEST_ODDS) if single else (TEMPER_RUNS, LONGEST_RUNS)
    scores, parts, errors = [], [], []
    for setting, fit, start in zip(settings, fits, starts, strict=True):
        train = dataclasses.replace(setting, rho=fit.rho, hyper=fit.hyper, belief=fit.belief).keep(~held)
        batch = train.batch(fit.noise, start)
        part = minimise(train.model, batch, start, iterations=WARM, tolerance=CLOSE_WARM).theta
        ahead = setting.keep(held)
        gap, variance = _ahead(ahead, part, covariance(train, batch, part))
        scores.append(temper * _log_density(gap, variance + fit.noise[:, None] ** 2))
        errors.append(_errors(gap, variance, fit.noise, single))
        parts.append(part)
    odds = np.exp(np.clip(np.array(scores) - max(scores), -longest, 0.0))
    weights = odds / odds.sum()
    checked = _checked(weights @ np.array(errors)) ** (AHEAD if single else 1.0)
    return Weighed([float(weight) for weight in weights], parts, checked)


def _ahead(setting: Setting, theta: Array, spread: Array) -> tuple[Array, Array]:
    """Errors (M, N) of the rows in `setting`, NaN where not measured, and the variance of what was predicted."""
    fitted, slopes = log_loss(theta, np.arange(len(theta)), setting.inputs, kind=setting.kind)
    variance = np.einsum("mnp,mpq,mnq->mn", slopes, spread, slopes, optimize=True)
    return setting.observed - fitted, variance


def _log_density(gap: Array, variance: Array) -> float:
    return -float(np.nansum(2.5 * np.log1p(gap**2 / (4 * variance)) + 0.5 * np.log(variance)))


def _errors(gap: Array, variance: Array, noise: Array, single: bool) -> Array:
    """(M,) squared errors in units of their variance: of the later half's mean along one run, of each row of many."""
    known = ~np.isnan(gap)
    if single:
        known[:, : gap.shape[1] // 2] = False
    count = known.sum(axis=1)
    some = np.maximum(count, 1)

    def mean(values: Array) -> Array:
        return np.asarray(np.where(known, values, 0.0).sum(axis=1) / some)

    if single:
        error = mean(gap) ** 2 / (mean(variance) + noise**2 / some)
    else:
        error = mean(gap**2 / (variance + noise[:, None] ** 2))
    return np.asarray(np.where(count, error, np.nan))


def _checked(errors: Array) -> float:
    known = np.minimum(errors[np.isfinite(errors)], FARTHEST)
    return float(np.sqrt((USUAL_DOF * USUAL + known.sum()) / (USUAL_DOF + known.size)))
