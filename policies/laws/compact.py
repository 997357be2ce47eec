"""Covariances in little space: what a page or a plan draws intervals from, not what decisions are made from.

A covariance is C = D L L' D, with D the standard deviations and L the lower triangular Cholesky factor of the
correlations, whose rows have length 1. D is kept as float32, L in steps of 2^-15. Whatever the rounding, C stays
positive definite, and of a standard deviation s'Cs^(1/2) = |L'Ds| no more is lost than some 2^-15 |Ds|: where
parameters almost cancel, rounding C itself would lose all of it.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

STEPS = 2**15 - 1  # of an entry of L, on either side of 0
LEVEL = 1  # of zlib; higher ones gain 6 %


def compact(covariance: Array) -> dict[str, str] | None:
    """`sds` and `triangles` of covariances (M, P, P), as text; None where one is not positive definite."""
    try:
        factor = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return None
    sds: Array = np.sqrt(np.einsum("mpp->mp", covariance))
    lower = np.tril_indices(covariance.shape[1])
    steps = np.rint(factor / sds[:, :, None] * STEPS)[:, lower[0], lower[1]].astype("<i2").tobytes()
    planes = steps[0::2] + steps[1::2]  # low bytes, then high ones, which are much alike
    return {"sds": _text(sds.astype("<f4").tobytes()), "triangles": _text(zlib.compress(planes, LEVEL))}


def expanded(body: Mapping[str, Any], rows: int, parameters: int) -> Array:
    """The covariances (rows, parameters, parameters) that `compact` made `body` of, up to rounding."""
    sds = np.frombuffer(base64.b64decode(body["sds"]), dtype="<f4").reshape(rows, parameters).astype(np.float64)
    planes = np.frombuffer(zlib.decompress(base64.b64decode(body["triangles"])), dtype=np.uint8).reshape(2, -1)
    steps = np.ascontiguousarray(planes.T).view("<i2").reshape(rows, -1)
    factor = np.zeros((rows, parameters, parameters))
    lower = np.tril_indices(parameters)
    factor[:, lower[0], lower[1]] = steps
    factor *= (sds / np.linalg.norm(factor, axis=2))[:, :, None]
    return np.asarray(factor @ factor.transpose(0, 2, 1))


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
