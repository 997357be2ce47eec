"""The fit of one family of law: parameters, noise and covariance of every target at once."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from numpy.typing import NDArray

from policies.laws import priors
from policies.laws.form import Inputs, log_loss
from policies.laws.groups import Kinship
from policies.laws.products import DIRECTED, Belief, Directions, directions
from policies.laws.rows import Rows
from policies.laws.runs import correlation, links, relative_error, whiten
from policies.laws.solve import Batch, minimise, normal_equations

Array = NDArray[np.float64]

NOISE_GUESS, NOISE_DOF = 0.007, 6.0  # prior on the noise: its sd in log loss, worth so many observations
DIGITS = 9  # decimals of log losses and of parameters carried over
LEAST_LEFT = 0.25  # part of the rows that the parameters do not pay for, at least
ROW_TRUST = 5.0  # a row averaged over many reports counts for at most so many: the law is not exact
INFLATION, MAX_INFLATION = 1.3, 12.0
FAR_GUESS = 0.05  # noise assumed while still far from the fit
COLD, WARM = 50, 12  # most iterations from a cold start, and from the last refit
CLOSE, CLOSE_WARM = 1e-6, 1e-5  # what a step must promise, relative to the cost: the next refit goes on
ROUNDS, ROUNDS_RUNS = 8, 14  # noise, prior and parameters in turn, from a cold start: of one run, of many


@dataclasses.dataclass(frozen=True)
class Setting:
    """One family's regression. rows and inputs agree row by row; centre (M,) is taken off the log losses.

    `rho` (M, N) is the correlation of a row's residual with that of the row before it (see `runs`);
    `hyper` the prior that the targets share (see `priors`); `start` the unit of what the model knew, in draws;
    `belief` how far gradient products count beside the losses (see `products`).
    """

    rows: Rows
    inputs: Inputs
    centre: Array
    kind: str
    transfer: bool
    rho: Array
    hyper: priors.Hyper
    start: float
    belief: Belief = dataclasses.field(default_factory=Belief)

    @functools.cached_property
    def directions(self) -> Directions | None:
        """Reported gradient products as the fit takes them; None where there are none, or no transfer."""
        rows = self.rows
        if rows.products is None or not self.transfer or self.kind not in DIRECTED:
            return None
        return directions(rows.products, rows.pools, self.start, rows.since)

    def keep(self, which: NDArray[np.bool_]) -> Setting:
        """Only the rows `which`."""
        rho = self.rho[:, which]
        rows = self.rows.keep(which)
        return dataclasses.replace(self, rows=rows, inputs=self.inputs.rows(which), rho=np.where(links(rows), rho, 0.0))

    def correlated(self, theta: Array) -> Setting:
        """The same with the correlation that the residuals at `theta` (M, P) show."""
        fitted, _ = log_loss(theta, np.arange(len(theta)), self.inputs, kind=self.kind, jacobian=False)
        return dataclasses.replace(self, rho=correlation(self.observed - fitted, links(self.rows)))

    @property
    def many(self) -> bool:
        """Whether the rows are from more than one run."""
        return bool(np.unique(self.rows.run).size > 1)

    @property
    def observed(self) -> Array:
        """(M, N) centred log losses, rounded far below any noise: so they are the same numbers in any unit of loss,
        and no unit's rounding can grow from one warm refit to the next."""
        return np.asarray(np.round(self.rows.log_loss - self.centre, DIGITS).T)

    @property
    def trust(self) -> Array:
        """(N,): a row that averages many reports is less noisy, up to what the law itself may be off."""
        count = self.rows.count
        root: Array = np.sqrt(count / (1.0 + (count - 1.0) / ROW_TRUST))
        return root

    def model(self, theta: Array, which: NDArray[np.int64], jacobian: bool) -> tuple[Array, Array]:
        """Fitted log losses of the targets `which`, whitened, then fitted products; and their Jacobian."""
        fitted, slopes = log_loss(theta, which, self.inputs, kind=self.kind, jacobian=jacobian)
        rho = self.rho[which]
        fitted, slopes = whiten(fitted, rho), whiten(slopes, rho) if jacobian else slopes
        given = self.directions
        if given is None:
            return fitted, slopes
        more, steeper = given.model(theta, which, self.kind, jacobian)
        return np.concatenate([fitted, more], axis=1), np.concatenate([slopes, steeper], axis=1) if jacobian else slopes

    def batch(self, noise: Array, near: Array | None = None) -> Batch:
        """The M penalised problems: residuals in units of `noise` (M,), the prior's tails as they are `near` (M, P)."""
        middle = priors.centre(self.rows.own, self.hyper, kind=self.kind, transfer=self.transfer)
        observed = whiten(self.observed, self.rho)
        weight = (self.trust[:, None] / (noise * relative_error(self.rows.sem))).T
        if (given := self.directions) is not None:
            observed = np.concatenate([observed, given.observed], axis=1)
            weight = np.concatenate([weight, given.weight(self.belief)], axis=1)
        return Batch(
            observed,
            weight,
            middle,
            priors.precision(self.hyper, middle if near is None else near, self.rows.own),
            priors.free(self.rows.own, middle.shape, kind=self.kind, transfer=self.transfer),
        )


@dataclasses.dataclass(frozen=True)
class Fit:
    """theta (M, P), covariance (M, P, P), noise (M,): sd of a log residual; the others: see `Setting`."""

    theta: Array
    covariance: Array
    noise: Array
    rho: Array
    hyper: priors.Hyper
    belief: Belief


def fit_family(setting: Setting, start: Array | None, noise: Array | None, *, anew: bool = False) -> Fit:
    """Penalised maximum a posteriori fit, from several starts or from an earlier fit with its noise.

    With `anew` an earlier fit has to hold its own against the other starts, target by target: a fit that
    only ever goes on from the last one can stay in a valley that later rows no longer support.
    """
    cold = start is None
    if start is not None:
        setting = setting.correlated(start)
    sd: Array = np.full(len(setting.rows.targets), FAR_GUESS) if noise is None else noise
    batch = setting.batch(sd, start)
    iterations, close = (COLD, CLOSE) if cold else (WARM, CLOSE_WARM)
    found = []
    if start is not None:
        found = [minimise(setting.model, batch, start, iterations=iterations, tolerance=close)]
    if cold or anew:
        begins = priors.starts(batch.centre, batch.free)
        found += [minimise(setting.model, batch, b, iterations=COLD, tolerance=close, far=True) for b in begins]
    best = np.argmin(np.array([f.cost for f in found]), axis=0)
    theta = np.array([found[k].theta[i] for i, k in enumerate(best)])
    rounds = (ROUNDS_RUNS if setting.many else ROUNDS) if cold else 1
    for _ in range(rounds):
        setting, sd = _learn(setting.correlated(theta), theta, sd)
        batch = setting.batch(sd, theta)
        theta = minimise(setting.model, batch, theta, iterations=iterations, tolerance=close).theta
    return Fit(theta, covariance(setting, batch, theta), sd, setting.rho, setting.hyper, setting.belief)


def _at(setting: Setting, batch: Batch, theta: Array) -> tuple[Array, Array, Array, Array]:
    """Residuals (M, N), NaN where not measured; gradient (M, P) of the losses' penalised cost; and what the losses and
    the products say of the parameters (M, P, P)."""
    fitted, slopes = setting.model(theta, np.arange(len(theta)), True)
    residual = batch.observed - fitted
    scaled = np.where(np.isnan(residual), 0.0, residual) * batch.weight
    index, rows = np.arange(theta.shape[1]), len(setting.rows.draws)
    prior = np.where(batch.free, batch.precision, 1.0)

    def equations(part: slice) -> tuple[Array, Array]:
        some = dataclasses.replace(batch, observed=batch.observed[:, part], weight=batch.weight[:, part])
        gradient, found = normal_equations(some, theta, scaled[:, part], slopes[:, part])
        found[:, index, index] -= prior
        return gradient, found

    gradient, losses = equations(slice(0, rows))
    products = equations(slice(rows, None))[1] if scaled.shape[1] > rows else np.zeros_like(losses)
    return residual, gradient, losses, products


def _learn(setting: Setting, theta: Array, sd: Array) -> tuple[Setting, Array]:
    """The setting with the prior that the targets share and the belief in products, and the noise, as the fit `theta`
    shows them."""
    batch = setting.batch(sd, theta)
    residual, gradient, losses, products = _at(setting, batch, theta)
    index, rows = np.arange(theta.shape[1]), len(setting.rows.draws)
    alone = losses.copy()
    alone[:, index, index] += np.where(batch.free, batch.precision, 1.0)
    inverse = np.linalg.inv(alone + products)
    variance: Array = np.asarray(inverse[:, index, index], dtype=np.float64)
    kin = Kinship.of(setting.rows.groups, setting.rows.own)
    hyper = priors.learn(setting.hyper, theta, variance, batch.free, setting.rows.own, shape=setting.many, kinship=kin)
    belief = setting.belief
    if (given := setting.directions) is not None:
        decided = float(np.einsum("mpq,mqp->", inverse, products))
        pull = float((gradient * np.linalg.solve(alone, gradient[:, :, None])[:, :, 0]).sum())
        belief = belief.learnt(given.off(residual[:, rows:], decided), pull=pull, decided=decided)
    spent = np.einsum("mpq,mqp->m", inverse, losses)
    setting = dataclasses.replace(setting, hyper=hyper, belief=belief)
    return setting, _noise(setting, residual[:, :rows], spent)


def _noise(setting: Setting, residual: Array, spent: Array) -> Array:
    """(M,) robust sd of log residuals, corrected for the parameters they paid for.

    With few rows one target says little, so each is shrunk to what all say together, and that to a guess.
    """
    known = ~np.isnan(residual)
    count = known.sum(axis=1)
    square = np.array([_spread(row[here]) for row, here in zip(residual * setting.trust, known, strict=True)]) ** 2
    left = np.maximum(count - spent, LEAST_LEFT * count)
    total = NOISE_DOF * NOISE_GUESS**2 + (count * square).sum()
    together = total / (NOISE_DOF + left.sum())
    return np.asarray(np.sqrt((NOISE_DOF * together + count * square) / (NOISE_DOF + left)))


def _spread(residual: Array) -> float:
    """Robust sd about 0; 0 where nothing was measured."""
    return 1.4826 * float(np.median(np.abs(residual))) if residual.size else 0.0


def covariance(setting: Setting, batch: Batch, theta: Array) -> Array:
    """Laplace: inverse of (data precision, tempered for correlated residuals) + prior precision."""
    residual, _, losses, products = _at(setting, batch, theta)
    index = np.arange(theta.shape[1])
    hessian = losses / inflation(residual[:, : len(setting.rows.draws)])[:, None, None] + products / INFLATION
    hessian[:, index, index] += np.where(batch.free, batch.precision, 1e12)
    inverse: Array = np.asarray(np.linalg.inv(hessian), dtype=np.float64)
    return np.asarray(0.5 * (inverse + inverse.transpose(0, 2, 1)))


def inflation(residual: Array) -> Array:
    """(M,) by how much correlated residuals lower the number of independent observations."""
    factor = np.ones(len(residual))
    for i, row in enumerate(residual):
        known = row[~np.isnan(row)]
        if known.size >= 8 and np.any(known):
            correlation = float((known[1:] * known[:-1]).sum() / (known**2).sum())
            factor[i] = (1 + correlation) / (1 - correlation) if correlation > 0 else 1.0
    return np.clip(INFLATION * factor, INFLATION, MAX_INFLATION)
