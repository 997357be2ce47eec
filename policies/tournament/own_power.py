"""Each domain's own power law, carried forward: the forecast a law of transfer has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from policies.records import LossReport

Array = NDArray[np.float64]

ALPHA_STARTS = (0.15, 0.4, 0.8)
ALPHA_MOST = 3.0
ROBUST_FROM = 0.01  # log residual from which a report counts less


def carried_forward(
    reports: Sequence[LossReport], domains: Sequence[str], targets: Sequence[str], draws_NxK: Array
) -> Array:
    """Log losses (N, M) at cumulative `draws_NxK`, from E + A n^-alpha fitted to each target's own draws.

    A target that is no domain goes by the total draws.
    """
    columns = []
    for target in targets:
        pick = list(domains).index(target) if target in domains else None
        seen = [(r.draws.get(target, 0.0) if pick is not None else sum(r.draws.values())) for r in reports]
        loss = [r.eval_loss.get(target, np.nan) for r in reports]
        ahead = draws_NxK[:, pick] if pick is not None else draws_NxK.sum(axis=1)
        columns.append(_fit(np.array(seen, float), np.array(loss, float), ahead))
    return np.array(columns).T


def _fit(draws: Array, losses: Array, ahead: Array) -> Array:
    """argmin of robust log residuals of E + A n^-alpha, E >= 0; log losses at `ahead`."""
    usable = (draws > 0) & np.isfinite(losses)
    if usable.sum() < 4:
        last = losses[np.isfinite(losses)]
        return np.full(len(ahead), np.log(last[-1]) if len(last) else np.nan)
    n, y = np.log(draws[usable]), np.log(losses[usable])
    centre, level = n[-1], float(np.median(y[-3:]))

    def log_loss(p: Array, at: Array) -> Array:
        return np.asarray(level + np.logaddexp(p[0], p[1] - np.exp(p[2]) * (at - centre)))

    def residuals(p: Array) -> Array:
        return log_loss(p, n) - y

    bounds = ([-20.0, -20.0, np.log(1e-3)], [3.0, 3.0, np.log(ALPHA_MOST)])
    starts = [[np.log(0.5), np.log(0.5), np.log(alpha)] for alpha in ALPHA_STARTS]
    fits = [least_squares(residuals, x, bounds=bounds, loss="soft_l1", f_scale=ROBUST_FROM) for x in starts]
    best = min(fits, key=lambda fit: float(fit.cost))
    return log_loss(best.x, np.log(np.maximum(ahead, draws[usable].min())))
