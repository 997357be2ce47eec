"""Plateau: losses stay flat for a random while before they fall, as a masked autoencoder's can.

In the pilots 50 to 200 steps; with learned positions its end was random and made end losses differ by
0.2 in log between seeds. Draws on the plateau teach little: a clock that runs slowly counts them.
Base: one-way hubs.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from policies.worlds import one_way_hubs, settings
from policies.worlds.draw import Spec, log_uniform, uniform
from policies.worlds.state import State
from policies.worlds.truth import Wrapped

END = (0.02, 0.25)  # of the budget, log-uniform over seeds
KEPT = (0.1, 0.5)  # what a draw on the plateau is worth
SPREAD = 0.1  # log-sd over targets of where they leave it
WIDTH = (0.05, 0.15)  # in log of position: how sudden the fall is
HEIGHT_SD = 0.1  # log-sd of the plateau about the loss of the untrained model


@dataclasses.dataclass(frozen=True)
class Plateau(Wrapped):
    """end, height (M,): where targets leave it (draws) and its loss; clock_end in draws."""

    end: NDArray[np.float64]
    clock_end: float
    kept: float
    width: float
    height: NDArray[np.float64]

    def clocks(self, position: float) -> NDArray[np.float64]:
        on = min(position, self.clock_end)
        return self.inner.clocks(self.kept * on + position - on)

    def losses(self, state: State) -> NDArray[np.float64]:
        left = 1.0 / (1.0 + (np.maximum(state.position, 1e-9) / self.end) ** (-1.0 / self.width))
        falling = np.log(self.inner.losses(state))
        return np.asarray(np.exp((1.0 - left) * np.log(self.height) + left * falling))


def build(rng: np.random.Generator, K: int) -> Spec:
    base = one_way_hubs.build(rng, K)
    end = float(log_uniform(rng, END)) * settings.BUDGET
    untrained = base.truth.losses(State.start(K, base.truth.clocks))
    truth = Plateau(
        base.truth,
        end * np.exp(SPREAD * rng.standard_normal(K)),
        end,
        float(uniform(rng, KEPT)),
        float(uniform(rng, WIDTH)),
        untrained * np.exp(HEIGHT_SD * rng.standard_normal(K)),
    )
    return dataclasses.replace(base, truth=truth)
