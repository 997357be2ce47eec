"""A learning-rate schedule on top of one-way hubs: cosine, or constant with a short decay (WSD).

Draws count by the learning rate they were learnt at, and the fall of the rate lowers losses once more
(multi-power law, 2503.12811):

    F(t) = sum_k (eta_(k-1) - eta_k) G(C eta_k^-gamma S_k(t)),   G(x) = 1 - (1 + x)^-beta
    L_i  = L_i(hubs; draws weighted by eta) (1 - d_i F(t) / F(end))

eta in units of its peak, S_k: sum of eta since step k. The paper's term is subtracted; here it is a
part of the loss, so that losses stay positive under every mixture.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from policies.worlds import one_way_hubs, settings
from policies.worlds.draw import Schedule, Spec, log_uniform, uniform
from policies.worlds.state import State
from policies.worlds.truth import Wrapped

WARM_UP = 0.02  # part of the run
DECAY = (0.1, 0.3)  # part of the run over which WSD comes down, linearly
END_RATE = (0.02, 0.1)  # of the peak
FALL = (0.05, 0.2)  # d: part of the final loss
GAMMA, BETA, C = 0.65, 0.59, 0.1  # fits of 2503.12811; C per step of a run at a peak of 3e-4
STEPS = 1000
DRAWS_PER_STEP = settings.BUDGET / STEPS
PEAK = (1e-4, 1e-2)  # log-uniform; only a unit
PLAN_POINTS = 101


@dataclasses.dataclass(frozen=True)
class Annealed(Wrapped):
    """Draws count by the rate they were learnt at; `fall` (S,) at `grid` (S,) positions, amplitude (M,)."""

    lr: Schedule
    grid: NDArray[np.float64]
    fall: NDArray[np.float64]
    amplitude: NDArray[np.float64]

    def clocks(self, position: float) -> NDArray[np.float64]:
        return self.inner.clocks(self.lr.at(position) / self.lr.lr_sum[-1] * settings.BUDGET)

    def losses(self, state: State) -> NDArray[np.float64]:
        fallen = np.interp(state.position, self.grid, self.fall)
        return np.asarray(self.inner.losses(state) * (1.0 - self.amplitude * fallen))


def rates(rng: np.random.Generator) -> NDArray[np.float64]:
    """(S,): learning rate of each step, in units of its peak; half of the seeds are cosine."""
    part = (np.arange(STEPS) + 1) / STEPS
    end, decay = float(uniform(rng, END_RATE)), float(uniform(rng, DECAY))
    cosine = end + (1 - end) * 0.5 * (1 + np.cos(np.pi * part))
    steady = 1 - (1 - end) * np.clip((part - (1 - decay)) / decay, 0, 1)
    chosen = cosine if rng.random() < 0.5 else steady
    return np.asarray(chosen * np.minimum(part / WARM_UP, 1.0))


def annealing(eta: NDArray[np.float64]) -> NDArray[np.float64]:
    """F (S,) after each step, 1 at the end; warm-up, where the rate rises, does not count."""
    drop = np.maximum(-np.diff(eta, prepend=eta[0]), 0.0)
    total = np.cumsum(eta)
    since = np.maximum(total[:, None] - (total - eta)[None, :], 0.0)  # (t, k): sum of eta from step k to t
    fallen = (drop * (1 - (1 + C * eta**-GAMMA * since) ** -BETA)).sum(axis=1)
    return np.asarray(fallen / fallen[-1])


def build(rng: np.random.Generator, K: int) -> Spec:
    base = one_way_hubs.build(rng, K)
    eta = rates(rng)
    grid = np.asarray(DRAWS_PER_STEP * np.arange(STEPS + 1), dtype=np.float64)
    total = np.concatenate([[0.0], np.cumsum(eta * log_uniform(rng, PEAK))])
    keep = np.linspace(0, STEPS, PLAN_POINTS).astype(int)
    lr = Schedule(grid[keep], total[keep])
    fall = np.concatenate([[0.0], annealing(eta)])
    truth = Annealed(base.truth, lr, grid, fall, uniform(rng, FALL, K))
    return dataclasses.replace(base, truth=truth, lr=lr)
