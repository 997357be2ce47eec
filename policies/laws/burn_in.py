"""Where the plateau at the start of training ends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from policies.laws.rates import first_at_peak, stretch_rates
from policies.laws.rows import Rows

Array = NDArray[np.float64]

CANDIDATES = (0.0, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.27, 0.35)  # fractions of the draws so far
EXPONENTS = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5)
LEAST = 6  # rows that the warm-up must leave
LONGEST = 0.6  # part of the draws so far that a warm-up may take
ALIKE = 1e-3  # mean squared distance of shares below which they are the same
FLAT = 0.25  # part of the later fall per log draw below which losses count as flat
GIVEN_UP = 0.05  # part of what the run shows of mixtures that may go with them
SPOILT = 1.5  # later rows fitted so much worse with the early rows than without


def _late_error(total: Array, log_loss: Array, first: int, late: int) -> Array:
    """(M,): mean absolute log error over rows `late`.. of the best E + A n^-alpha fitted to rows `first`.. ."""
    known = ~np.isnan(log_loss[first:])
    inverse = np.where(known, np.exp(-np.where(known, log_loss[first:], 0.0)), 0.0)  # least squares of relative errors
    errors = []
    for exponent in EXPONENTS:
        power = ((total[first:] / total[-1]) ** -exponent)[:, None]
        floor, scale = _two_terms(inverse, power * inverse)
        fit = np.maximum((floor + scale * power) * inverse, 1e-12)  # fitted over measured loss
        gap = np.where(known, np.abs(np.log(fit, where=known, out=np.zeros_like(fit))), np.nan)
        errors.append(np.nanmean(gap[late - first :], axis=0))
    best: Array = np.min(np.array(errors), axis=0)
    return best


def _two_terms(u: Array, v: Array) -> tuple[Array, Array]:
    """(E, A), each (M,): argmin of |E u + A v - 1|^2 over the rows, column by column."""
    uu, uv, vv = (u * u).sum(axis=0), (u * v).sum(axis=0), (v * v).sum(axis=0)
    determinant = np.maximum(uu * vv - uv**2, 1e-12 * uu * vv)
    su, sv = u.sum(axis=0), v.sum(axis=0)
    return (vv * su - uv * sv) / determinant, (uu * sv - uv * su) / determinant


def _warm_up(rows: Rows) -> int:
    """First row by which the learning rate had come up to its peak; 0 where that took too long to be a warm-up."""
    first = first_at_peak(stretch_rates(rows.total, rows.time))
    return first if rows.total[first] <= LONGEST * rows.total[-1] else 0


def _before_mixtures(rows: Rows) -> int:
    """The last row before which hardly any of what the run shows of mixtures lies: how far the shares of each stretch
    are from those of the whole, squared, by draws."""
    step = rows.steps()
    drawn = step.sum(axis=1, keepdims=True)
    lean = step / np.maximum(drawn, 1e-12) - rows.draws[-1] / rows.total[-1]
    shown = np.cumsum((drawn * lean**2).sum(axis=1))
    return int(np.searchsorted(shown, GIVEN_UP * shown[-1] + ALIKE * rows.total[-1], side="right"))


def _flat(rows: Rows, row: int) -> bool:
    """Whether losses fell per log draw until `row` less than a quarter as fast as after it; along a power law they fall
    faster. Medians over the targets."""
    fell = []
    for part in (slice(0, row + 1), slice(row, None)):
        known = ~np.isnan(rows.log_loss[part])
        known[:, known.sum(axis=0) < 2] = False
        count = np.maximum(known.sum(axis=0), 1)
        position = np.where(known, np.log(rows.total[part])[:, None], 0.0)
        position = np.where(known, position - position.sum(axis=0) / count, 0.0)
        slope = (position * np.where(known, rows.log_loss[part], 0.0)).sum(axis=0)
        measured = known.any(axis=0)
        if not measured.any():
            return False
        fell.append(-float(np.median(slope[measured] / (position**2).sum(axis=0)[measured])))
    return fell[0] < FLAT * fell[1]


def burn_in_row(rows: Rows) -> int:
    """First row to fit: the earliest whose inclusion does not spoil the fit of later losses.

    A plain power law in all draws is fitted from each candidate on and judged on the same late
    rows, which every candidate contains. It knows nothing of mixtures, so what probes do to the losses
    spoils it too: what the run shows of mixtures is given up only where the losses were flat until then.
    With fewer than 12 rows, or more than one run, nothing is left out, but for the warm-up of the learning
    rate where it is known.
    """
    if np.unique(rows.run).size > 1:
        return 0
    warm = _warm_up(rows)
    if len(rows.draws) < 12 + warm:
        return min(warm, max(len(rows.draws) - LEAST, 0))
    total = rows.total
    candidates = sorted({max(warm, int(np.searchsorted(total, part * total[-1]))) for part in CANDIDATES})
    late = min(candidates[-1], len(total) - 6)
    candidates = [row for row in candidates if row <= late]
    latest = max(_before_mixtures(rows), warm)
    allowed = [row for row in candidates if row <= latest or _flat(rows, row)]
    if allowed[-1] <= latest:  # no plateau: later rows do better only because they show fewer mixtures
        candidates = allowed
    measured = (~np.isnan(rows.log_loss[late:])).sum(axis=0) >= 6
    if not measured.any():
        return 0
    error = [float(np.median(_late_error(total, rows.log_loss[:, measured], row, late))) for row in candidates]
    enough = SPOILT * min(error) + 5e-4
    good = (row for row, err in zip(candidates, error, strict=True) if row in allowed and err <= enough)
    return next(good, allowed[-1])
