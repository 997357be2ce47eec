"""Wrong form: a Gaussian process over mixture and log of time, on a mean that falls with own share.

    log L_i = log(E_i + A_i ((T + start)/budget)^-alpha_i) - c_i log(h_i + s) + amplitude_i f_i(sqrt h, log T)

f_i: a draw from a Gaussian process with a squared-exponential kernel in sqrt(h) (Hellinger distance)
and in log T, by random Fourier features. Nothing is convex here, and a best mixture may lie anywhere.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from policies.worlds import settings
from policies.worlds.draw import ALPHA, FLOOR, START, Spec, ample_pools, levels, spec, uniform
from policies.worlds.state import State
from policies.worlds.truth import Plain

OWN_SHARE = (0.03, 0.12)  # c: doubling the own share lowers the loss by 2 to 8 %
SHARE_OFFSET = 0.3  # s, in equal shares
AMPLITUDE = (0.04, 0.10)  # log loss; the pilot's spread over 38 mixtures is 0.051
SHARE_LENGTH = (0.3, 0.7)  # Hellinger distance; two corners are sqrt 2 apart
TIME_LENGTH = (2.5, 4.0)  # log T: slow enough for the mean's fall to prevail
FEATURES = 64


@dataclasses.dataclass(frozen=True)
class Process(Plain):
    """floor, size, alpha, own, amplitude (K,); frequency (M, K + 1, F), phase (M, F)."""

    floor: NDArray[np.float64]
    size: NDArray[np.float64]
    alpha: NDArray[np.float64]
    own: NDArray[np.float64]
    amplitude: NDArray[np.float64]
    frequency: NDArray[np.float64]
    phase: NDArray[np.float64]
    start: float

    def losses(self, state: State) -> NDArray[np.float64]:
        K = len(self.floor)
        shares, time = state.shares, (state.position + self.start) / settings.BUDGET
        mean = np.log(self.floor + self.size * time**-self.alpha) - self.own * np.log(K * shares + SHARE_OFFSET)
        return np.asarray(np.exp(mean + self.amplitude * self.field(np.sqrt(shares), np.log(time))))

    def field(self, root: NDArray[np.float64], log_time: float) -> NDArray[np.float64]:
        """f (..., M)."""
        angle = np.tensordot(root, self.frequency[:, :-1], axes=(-1, 1)) + log_time * self.frequency[:, -1] + self.phase
        return np.asarray(np.cos(angle).sum(axis=-1) * np.sqrt(2.0 / FEATURES))


def build(rng: np.random.Generator, K: int) -> Spec:
    pools, level, part = ample_pools(rng, K), levels(rng, K), uniform(rng, FLOOR, K)
    frequency = rng.standard_normal((K, K + 1, FEATURES))
    frequency[:, :-1] /= uniform(rng, SHARE_LENGTH)
    frequency[:, -1] /= uniform(rng, TIME_LENGTH)
    truth = Process(
        level * part,
        level * (1 - part),
        uniform(rng, ALPHA, K),
        uniform(rng, OWN_SHARE, K),
        uniform(rng, AMPLITUDE, K),
        frequency,
        uniform(rng, (0.0, 2 * np.pi), (K, FEATURES)),
        float(uniform(rng, START)) * settings.BUDGET,
    )
    return spec(truth, pools, K)
