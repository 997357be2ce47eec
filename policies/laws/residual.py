"""What a law leaves over in many runs: a smooth function of the mixture, by Gaussian process regression.

No formula has quite the shape of real losses over mixtures. With many runs that shows: runs alike in
what a target has learnt from miss the law alike. So with residuals r = log loss - law,

    r(x) = f(x) + noise,   f ~ GP(0, spread^2 exp(-|phi(x) - phi(x')|^2 / (2 length^2)))
    phi_j = sqrt(tau_j (S(n_j)/T)^g / sum_k ...),   phi_last = UNIT q / sd(q)

phi holds the square roots of the parts that the domains have in what the target has learnt (so domains
that are worth nothing to it do not count) and how far it has come, the law's log excess q. Length and
spread are found by marginal likelihood over all targets; where there is nothing to find, f is nought,
and far from all runs it fades to nought. One run says nothing about other mixtures: there it is left out.
"""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.laws.form import Inputs, composition
from policies.laws.rows import Rows

Array = NDArray[np.float64]

LEAST_RUNS = 12
MOST, SEARCHED = 512, 192  # rows used; rows used to find length and spread
BLOCKS = 4  # points a run: its residuals hang together
LENGTHS = (0.3, 0.45, 0.7)
RATIOS = np.exp(np.linspace(np.log(0.03), np.log(4.0), 12))  # spread^2 over noise^2
NOTHING, SHRINK = 0.5, 3.0  # prior chance that f is nought; the prior on ratios counts for so many targets
UNIT = 0.3
BEND = 2.0  # residuals beyond so many sd count linearly, as in the fit
ABSENT = 1e-6  # weight of what was not measured


@dataclasses.dataclass(frozen=True)
class Correction:
    """f of one family at N points: residual, weight (M, N); spread, noise, unit (M,), unit being sd(q)."""

    log_share: Array
    log_total: Array
    log_time: Array
    residual: Array
    weight: Array
    spread: Array
    noise: Array
    unit: Array
    length: float

    def at(self, theta: Array, inputs: Inputs, *, kind: str) -> tuple[Array, Array]:
        """Mean and variance (M, n) of f at new inputs, for the parameters (M, P) it was found with."""
        points = Inputs(self.log_share, self.log_total, self.log_time, np.empty(0))
        known, new = (_features(theta, here, self.unit, kind=kind) for here in (points, inputs))
        mean, variance = np.zeros(new.shape[:2]), np.zeros(new.shape[:2])
        for i in np.flatnonzero(self.spread > 0):
            power = self.spread[i] ** 2
            gram = power * _kernel(known[i], known[i], self.length)
            gram[np.diag_indices_from(gram)] += self.noise[i] ** 2 / self.weight[i]
            across = power * _kernel(new[i], known[i], self.length)
            mean[i] = across @ np.linalg.solve(gram, self.residual[i])
            variance[i] = np.maximum(power - np.einsum("nk,kn->n", across, np.linalg.solve(gram, across.T)), 0.0)
        return mean, variance

    def to_dict(self) -> dict[str, Any]:
        """JSON: arrays as base64 with their shape."""
        arrays = {name: _pack(getattr(self, name)) for name in ARRAYS}
        return {**arrays, "length": self.length}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Correction:
        return cls(**{name: _unpack(body[name]) for name in ARRAYS}, length=float(body["length"]))


ARRAYS = ("log_share", "log_total", "log_time", "residual", "weight", "spread", "noise", "unit")


def find(rows: Rows, inputs: Inputs, theta: Array, residual: Array, noise: Array, *, kind: str) -> Correction | None:
    """The correction that residuals (M, N) of a family ask for, None if there is nothing to correct."""
    if np.unique(rows.run).size < LEAST_RUNS:
        return None
    at, residual = _points(rows, residual)
    inputs = inputs.rows(at)
    weight = 1.0 / np.sqrt(1.0 + (np.nan_to_num(residual) / (BEND * noise[:, None])) ** 2)
    weight = np.where(np.isnan(residual), ABSENT, weight)
    residual = np.nan_to_num(residual)
    unit = np.maximum(composition(theta, inputs, kind=kind)[1].std(axis=1), 1e-9)
    features = _features(theta, inputs, unit, kind=kind)
    some = np.unique(np.linspace(0, len(at) - 1, min(SEARCHED, len(at))).round().astype(int))
    length, ratio, sd = _search(features[:, some], residual[:, some], weight[:, some])
    if not np.any(ratio > 0):
        return None
    spread = sd * np.sqrt(ratio)
    return Correction(inputs.log_share, inputs.log_total, inputs.log_time, residual, weight, spread, sd, unit, length)


def _points(rows: Rows, residual: Array) -> tuple[NDArray[np.int64], Array]:
    """Rows to stand for at most BLOCKS blocks of each run, and the mean residuals (M, n) of the blocks."""
    blocks: list[NDArray[np.int64]] = []
    for label in np.unique(rows.run):
        mine = np.flatnonzero(rows.run == label)
        blocks += [block for block in np.array_split(mine, min(BLOCKS, mine.size)) if block.size]
    if len(blocks) > MOST:
        blocks = [blocks[k] for k in np.linspace(0, len(blocks) - 1, MOST).round().astype(int)]
    known = ~np.isnan(residual)
    filled = np.where(known, residual, 0.0)
    mean = np.full((len(residual), len(blocks)), np.nan)
    for k, block in enumerate(blocks):
        count = known[:, block].sum(axis=1)
        mean[:, k] = np.where(count > 0, filled[:, block].sum(axis=1) / np.maximum(count, 1), np.nan)
    return np.array([block[block.size // 2] for block in blocks]), mean


def _features(theta: Array, inputs: Inputs, unit: Array, *, kind: str) -> Array:
    """(M, N, K + 2): phi."""
    part, reach = composition(theta, inputs, kind=kind)
    return np.concatenate([np.sqrt(part), UNIT * (reach / unit[:, None])[:, :, None]], axis=2)


def _kernel(a: Array, b: Array, length: float) -> Array:
    square = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2.0 * a @ b.T
    kernel: Array = np.exp(-0.5 * np.maximum(square, 0.0) / length**2)
    return kernel


def _search(features: Array, residual: Array, weight: Array) -> tuple[float, Array, Array]:
    """Length, and by target the mean ratio of spread^2 to noise^2 and the noise, by marginal likelihood.

    The length is the same for all targets. The ratio has a prior over RATIOS and nought that the
    targets share; both are learnt from all of them.
    """
    best, found = -np.inf, (LENGTHS[0], np.zeros(len(residual)), np.ones(len(residual)))
    for length in LENGTHS:
        pairs = [_evidence(_kernel(f, f, length), r, w) for f, r, w in zip(features, residual, weight, strict=True)]
        likelihood, power = (np.array(column) for column in zip(*pairs, strict=True))
        chance, total = _shared(likelihood)
        if total > best:
            ratio = chance @ np.append(0.0, RATIOS)
            best, found = total, (length, ratio, np.sqrt((chance * power).sum(axis=1)))
    return found


def _evidence(kernel: Array, residual: Array, weight: Array) -> tuple[Array, Array]:
    """Log marginal likelihood and noise^2 at no f and at each ratio, noise^2 being the likeliest there."""
    root = np.sqrt(weight)
    values, vectors = np.linalg.eigh(kernel * root[:, None] * root)
    coordinates = (vectors.T @ (root * residual)) ** 2
    scale = 1.0 + np.maximum(values, 0.0)[:, None] * np.append(0.0, RATIOS)
    count = (weight > 10 * ABSENT).sum()
    power = np.maximum(coordinates @ (1.0 / scale) / max(count, 1), 1e-300)
    return -0.5 * count * np.log(power) - 0.5 * np.log(scale).sum(axis=0), power


def _shared(likelihood: Array) -> tuple[Array, float]:
    """Posterior chances (M, R + 1) of the ratios under a prior learnt from all targets, and its log evidence."""
    base = np.append(NOTHING, np.full(RATIOS.size, (1.0 - NOTHING) / RATIOS.size))
    prior, top = base, likelihood.max(axis=1, keepdims=True)
    for _ in range(20):
        joint = np.exp(likelihood - top) * prior
        chance = joint / joint.sum(axis=1, keepdims=True)
        prior = (chance.sum(axis=0) + SHRINK * base) / (len(likelihood) + SHRINK)
    return chance, float((np.log(joint.sum(axis=1)) + top[:, 0]).sum())


def _pack(values: Array) -> dict[str, Any]:
    body = base64.b64encode(np.ascontiguousarray(values, dtype="<f8").tobytes()).decode("ascii")
    return {"shape": list(values.shape), "data": body}


def _unpack(body: Mapping[str, Any]) -> Array:
    return np.frombuffer(base64.b64decode(body["data"]), dtype="<f8").reshape(body["shape"])
