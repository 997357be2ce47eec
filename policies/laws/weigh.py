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

TEMPER, TEMPER_RUNS = 0.15, 0.5  # held-out residuals of one run, of many runs, are alike; each counts for so much
LEAST_TRAIN, LEAST_HELD = 10, 4  # rows needed to leave any out
LONGEST_ODDS, LONGEST_RUNS = 3.0, 4.0  # in logs: no family is ever quite sure, from one run, from many


def held_out(rows: Rows, seed: int) -> NDArray[np.bool_]:
    """Rows to predict: the last third of one run, or a quarter of many runs, chosen by `seed`."""
    labels = np.unique(rows.run)
    if labels.size == 1:
        late: NDArray[np.bool_] = np.arange(len(rows.draws)) >= np.ceil(len(rows.draws) * 2 / 3)
        return late
    chosen = np.random.default_rng(seed).permutation(labels.size)[: labels.size // 4]
    return np.isin(rows.run, labels[chosen])


def weigh(settings: list[Setting], fits: list[Fit], starts: list[Array], seed: int) -> tuple[list[float], list[Array]]:
    """Weights of the families, and the parameters fitted to the rows that were not held out.

    Each family is fitted again without the held-out rows (from `starts`) and scored by the log
    density, Student's t with 4 degrees of freedom, that it gives them. With too few rows to leave
    any out the weights are equal.
    """
    held = held_out(settings[0].rows, seed)
    if held.sum() < LEAST_HELD or (~held).sum() < LEAST_TRAIN:
        return [1.0 / len(fits)] * len(fits), [fit.theta for fit in fits]
    single = np.unique(settings[0].rows.run).size == 1
    temper, longest = (TEMPER, LONGEST_ODDS) if single else (TEMPER_RUNS, LONGEST_RUNS)
    scores, parts = [], []
    for setting, fit, start in zip(settings, fits, starts, strict=True):
        train = dataclasses.replace(setting, rho=fit.rho, hyper=fit.hyper).keep(~held)
        batch = train.batch(fit.noise, start)
        part = minimise(train.model, batch, start, iterations=WARM, tolerance=CLOSE_WARM).theta
        scores.append(temper * _log_density(setting.keep(held), part, covariance(train, batch, part), fit.noise))
        parts.append(part)
    odds = np.exp(np.clip(np.array(scores) - max(scores), -longest, 0.0))
    return [float(weight) for weight in odds / odds.sum()], parts


def _log_density(setting: Setting, theta: Array, spread: Array, noise: Array) -> float:
    fitted, slopes = log_loss(theta, np.arange(len(theta)), setting.inputs, kind=setting.kind)
    variance = np.einsum("mnp,mpq,mnq->mn", slopes, spread, slopes, optimize=True) + noise[:, None] ** 2
    gap = setting.observed - fitted
    return -float(np.nansum(2.5 * np.log1p(gap**2 / (4 * variance)) + 0.5 * np.log(variance)))
