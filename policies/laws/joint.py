"""The fitted law of all targets at once: predictions, transfer, exponents, floors, with intervals."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from policies.laws.checks import check_question
from policies.laws.compact import compact, expanded
from policies.laws.form import ALPHA, BETA, COVARIATES, FLOOR, HEAD, Inputs, log_loss
from policies.laws.residual import Correction
from policies.laws.rows import make_inputs
from policies.records import BadSetup

Array = NDArray[np.float64]

SPEED = {"effective": ALPHA}  # the column of theta that says how fast training goes; in other families beta


@dataclasses.dataclass(frozen=True)
class Prediction:
    """Losses (N, M): best guess and interval."""

    mean: Array
    low: Array
    high: Array


@dataclasses.dataclass(frozen=True)
class Family:
    """The fit of one family: theta (M, P), its covariance (M, P, P), and its weight in the average.

    `name` is one of `form.KINDS`; `spread` the sd of log transfer that was believed before the fit;
    `correction` what is added to the formula in predictions, where there are many runs (see `residual`).
    """

    name: str
    weight: float
    theta: Array
    covariance: Array
    spread: float
    correction: Correction | None = None


@dataclasses.dataclass(frozen=True)
class JointLaw:
    """Held-out loss of M targets as a function of cumulative draws from K domains.

    Losses inside are divided by exp(`centre`) (M,), draws and time by their references; `start`
    (draws) is the unit of what the untrained model knows. `noise`
    (M,) is the standard deviation of a log residual; `anneal` the covariate that predictions use
    unless told otherwise; `misfit` (M,) how far a real curve strays from the law's
    shape, in log loss; draws and time count from `since` (K,) and `time_since`, all others are known by then;
    `drift` widens intervals by so much log loss per log of extrapolation; `checked`
    makes published intervals as wide as rows that were held out say they should be.
    """

    domains: tuple[str, ...]
    targets: tuple[str, ...]
    own: NDArray[np.int64]
    pools: Array
    total_ref: float
    time_ref: float
    start: float
    centre: Array
    noise: Array
    families: tuple[Family, ...]
    burn_in: float
    rows: int
    misfit: Array
    drift: float = 0.005
    checked: float = 1.0
    since: Array | float = 0.0
    time_since: float = 0.0

    # -- numbers with intervals ----------------------------------------------------------------

    @property
    def transfer(self) -> Array:
        """(M, K): worth of a draw from j to target i where all counts are equal, own draw = 1."""
        return np.exp(self.log_transfer()[0])

    def log_transfer(self) -> tuple[Array, Array]:
        """Mean and standard deviation (M, K) of log transfer, averaged over the families."""
        return self._averaged(lambda family: _log_transfer(family, self.own))

    @property
    def prior_spread(self) -> float:
        """Sd of log transfer before the fit: a posterior as wide has learnt nothing."""
        return sum(family.weight * family.spread for family in self.families)

    @property
    def exponents(self) -> Array:
        """(M,): alpha, how fast the excess over the floor falls with effective data."""
        return np.exp(self.parameter(ALPHA)[0])

    @property
    def speeds(self) -> Array:
        """(M,): how fast the excess over the floor falls with training at a fixed mixture; a power, as `exponents`,
        which in families with a time of their own says what the mixture does, not how fast training goes."""
        return np.exp(self._averaged(lambda f: (f.theta[:, SPEED.get(f.name, BETA)], 0.0))[0])

    @property
    def floors(self) -> Array:
        """(M,): E, in units of the loss."""
        return np.exp(self.parameter(FLOOR)[0] + self.centre)

    def parameter(self, index: int) -> tuple[Array, Array]:
        """Mean and standard deviation (M,) of one column of theta, averaged over the families."""
        return self._averaged(lambda f: (f.theta[:, index], np.sqrt(f.covariance[:, index, index])), index)

    def _averaged(self, of: Any, parameter: int | None = None) -> tuple[Array, Array]:
        """Mean and sd over the families, those that do not have the `parameter` left out if others do."""
        having = [f for f in self.families if parameter != ALPHA or f.name != "exponential"] or list(self.families)
        total = sum(family.weight for family in having)
        weights = [family.weight / total for family in having]
        pairs = [of(family) for family in having]
        mean = sum(w * m for w, (m, _) in zip(weights, pairs, strict=True))
        variance = sum(w * (s**2 + (m - mean) ** 2) for w, (m, s) in zip(weights, pairs, strict=True))
        return np.asarray(mean), np.sqrt(np.asarray(variance))

    # -- predictions ---------------------------------------------------------------------------

    def inputs(self, draws: ArrayLike, time: ArrayLike | None = None, anneal: ArrayLike = 0.0) -> Inputs:
        """What the formula takes, for cumulative draws (N, K); time grows with the draws if not given."""
        draws_NxK = np.atleast_2d(np.asarray(draws, dtype=np.float64))
        if draws_NxK.shape[1] != len(self.domains):
            raise BadSetup(f"draws have {draws_NxK.shape[1]} columns; the law knows {len(self.domains)} domains")
        draws_NxK = np.maximum(draws_NxK - self.since, 0.0)
        draws_NxK = np.where(draws_NxK.sum(axis=1, keepdims=True) > 0, draws_NxK, 1e-9 * self.total_ref)
        total = draws_NxK.sum(axis=1)
        least = 1e-9 * self.time_ref
        given = None if time is None else np.maximum(np.asarray(time, dtype=np.float64) - self.time_since, least)
        time_N = total / self.total_ref * self.time_ref if given is None else given
        covariates = np.zeros((len(draws_NxK), len(self.targets), COVARIATES))
        covariates[:, :, 0] = np.reshape(np.asarray(anneal, dtype=np.float64), (-1, 1))
        references = self.total_ref, self.time_ref, self.start
        return make_inputs(draws_NxK, self.pools, time_N, *references, covariates, self.since)

    def log_predict(
        self, draws: ArrayLike, time: ArrayLike | None = None, anneal: ArrayLike = 0.0
    ) -> tuple[Array, Array]:
        """Mean and standard deviation (N, M) of the noise-free log loss."""
        inputs = self.inputs(draws, time, anneal)
        every = np.arange(len(self.targets))

        def of(family: Family) -> tuple[Array, Array]:
            fitted, slopes = log_loss(family.theta, every, inputs, kind=family.name)
            variance = np.einsum("mnp,mpq,mnq->mn", slopes, family.covariance, slopes, optimize=True)
            if family.correction is not None:
                more, unsure = family.correction.at(family.theta, inputs, kind=family.name)
                fitted, variance = fitted + more, variance + unsure
            return fitted.T, np.sqrt(np.maximum(variance, 0.0)).T

        mean, sd = self._averaged(of)
        beyond = np.maximum(inputs.log_total, 0.0)[:, None]
        return mean + self.centre, np.sqrt(sd**2 + self.misfit**2 + (self.drift * beyond) ** 2)

    def published(
        self, draws: ArrayLike, time: ArrayLike | None = None, anneal: ArrayLike = 0.0
    ) -> tuple[Array, Array]:
        """As `log_predict`, with the standard deviation that rows held out say is the true one."""
        mean, sd = self.log_predict(draws, time, anneal)
        return mean, self.checked * sd

    def predict(
        self, draws: ArrayLike, time: ArrayLike | None = None, level: float = 0.9, *, anneal: ArrayLike = 0.0
    ) -> Prediction:
        """Noise-free losses (N, M) after cumulative `draws` (N, K), with intervals of the given level.

        `time` (N,) is the cumulative learning rate; left out, it grows in step with the draws.
        `anneal`, one number or (N,), says how far the learning rate will have come down from its peak (0 to 1).
        Raises `BadSetup` for what cannot be drawn, times that are negative or not finite, and shapes that do not fit.
        """
        draws, time, anneal = check_question(draws, time, anneal, level, self.domains)
        mean, sd = self.published(draws, time, anneal)
        width = NormalDist().inv_cdf(0.5 + level / 2) * sd
        return Prediction(np.exp(mean), np.exp(mean - width), np.exp(mean + width))

    # -- JSON ----------------------------------------------------------------------------------

    def to_dict(self, *, brief: bool = False) -> dict[str, Any]:
        """JSON; covariances as base64 of their upper triangles (float64), since nobody reads them.

        `brief` rounds covariances for the sake of space (see `compact`): an eighth of the size, and intervals that
        differ by less than a thousandth of their width.
        """
        return {
            "domains": list(self.domains),
            "targets": list(self.targets),
            "pools": [None if np.isinf(pool) else pool for pool in self.pools.tolist()],
            "total_ref": self.total_ref,
            "time_ref": self.time_ref,
            "start": self.start,
            "centre": self.centre.tolist(),
            "noise": self.noise.tolist(),
            "families": [_dump_family(family, brief) for family in self.families],
            "burn_in": self.burn_in,
            "rows": self.rows,
            "misfit": self.misfit.tolist(),
            "drift": self.drift,
            "checked": self.checked,
            "since": np.broadcast_to(self.since, len(self.domains)).tolist(),
            "time_since": self.time_since,
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> JointLaw:
        domains, targets = tuple(body["domains"]), tuple(body["targets"])
        return cls(
            domains,
            targets,
            np.array([domains.index(name) if name in domains else -1 for name in targets], dtype=np.int64),
            np.array([np.inf if pool is None else pool for pool in body["pools"]], dtype=np.float64),
            float(body["total_ref"]),
            float(body["time_ref"]),
            float(body["start"]),
            np.array(body["centre"], dtype=np.float64),
            np.array(body["noise"], dtype=np.float64),
            tuple(_load_family(family) for family in body["families"]),
            float(body["burn_in"]),
            int(body["rows"]),
            np.array(body["misfit"], dtype=np.float64),
            float(body["drift"]),
            float(body.get("checked", 1.0)),  # dumps of before it was known, as of what follows
            np.array(body.get("since", 0.0), dtype=np.float64),
            float(body.get("time_since", 0.0)),
        )


def _log_transfer(family: Family, own: NDArray[np.int64]) -> tuple[Array, Array]:
    """log tau (M, K) and its sd; in the exponential law, where own draws are not worth 1, relative to them."""
    index = np.arange(HEAD, family.theta.shape[1] - 1)
    mean, variance = family.theta[:, HEAD:-1].copy(), family.covariance[:, index, index].copy()
    for i in np.flatnonzero(own >= 0) if family.name == "exponential" else ():
        itself = HEAD + own[i]
        mean[i] -= family.theta[i, itself]
        variance[i] += family.covariance[i, itself, itself] - 2.0 * family.covariance[i, itself, index]
    return mean, np.sqrt(np.maximum(variance, 0.0))


def _dump_family(family: Family, brief: bool) -> dict[str, Any]:
    about = {
        "name": family.name,
        "weight": family.weight,
        "spread": family.spread,
        "correction": None if family.correction is None else family.correction.to_dict(),
        "theta": family.theta.tolist(),
    }
    if brief and (rounded := compact(family.covariance)) is not None:
        return about | rounded
    upper = np.triu_indices(family.theta.shape[1])
    packed = np.ascontiguousarray(family.covariance[:, upper[0], upper[1]], dtype="<f8")
    return about | {"covariance": base64.b64encode(packed.tobytes()).decode("ascii")}


def _load_family(body: Mapping[str, Any]) -> Family:
    theta = np.array(body["theta"], dtype=np.float64)
    covariance = expanded(body, *theta.shape) if "triangles" in body else _whole(body["covariance"], *theta.shape)
    correction = None if body["correction"] is None else Correction.from_dict(body["correction"])
    return Family(str(body["name"]), float(body["weight"]), theta, covariance, float(body["spread"]), correction)


def _whole(text: str, rows: int, parameters: int) -> Array:
    """Covariances (M, P, P) from their upper triangles."""
    packed = np.frombuffer(base64.b64decode(text), dtype="<f8").reshape(rows, -1)
    upper = np.triu_indices(parameters)
    covariance = np.empty((rows, parameters, parameters))
    covariance[:, upper[0], upper[1]] = packed
    covariance[:, upper[1], upper[0]] = packed
    return covariance
