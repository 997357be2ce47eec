"""Pilot mixtures at the start of the run, a regression on them, then its optimum for good."""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from policies.records import Domain, LossReport
from policies.rivals.blocks import Block, Watch
from policies.rivals.mixtures import natural_shares
from policies.rivals.stateful import Rival, State, Step

Array = NDArray[np.float64]

STRENGTHS = np.logspace(-1.0, math.log10(5.0), 15)  # of the Dirichlet, times the prior shares
TRIES = 100


def pilot_prior(domains: Sequence[Domain], names: Sequence[str], power: float) -> tuple[Array, Array]:
    """Natural shares (K,) in the order of `names`, and the same to the power `power`, made shares again."""
    natural = np.array([natural_shares(domains)[name] for name in names])
    bent = natural**power
    return natural, bent / bent.sum()


def dirichlet(generator: np.random.Generator, alpha: Array, count: int) -> Array:
    """(count, K) mixtures; where every part underflows to 0 the mean takes its place."""
    parts = generator.standard_gamma(np.broadcast_to(alpha, (count, len(alpha))))
    total = parts.sum(axis=1, keepdims=True)
    mixtures: Array = np.where(total > 1e-280, parts / np.maximum(total, 1e-280), alpha / alpha.sum())
    return mixtures


def pilot_mixture(generator: np.random.Generator, natural: Array, prior: Array, usage: float) -> Array:
    """One mixture (K,): Dirichlet(strength x prior), no share above `usage` times the natural one."""
    for _ in range(TRIES):
        strength = STRENGTHS[generator.integers(len(STRENGTHS))]
        mixture: Array = dirichlet(generator, strength * prior, 1)[0]
        if np.all(mixture <= np.minimum(usage * natural, 1.0)):
            return mixture
    return natural


class PilotPolicy(Rival):
    """One run pays for its pilots: blocks of intervals with random mixtures up to the part `pilot` of the budget.

    A subclass adds `_optimum`, from the blocks to a mixture; that one stays to the end. Mixtures are
    those of RegMix's released generator: Dirichlet around the natural shares to the power 0.5,
    strengths 0.1 to 5, no share above 15 times the natural one. At most `pilots` blocks a domain, so
    that a block is longer where a run has many intervals. Each draw of random numbers has its own
    generator, seeded by (seed, block), over the names in alphabetical order.
    """

    OPTIONS: ClassVar[dict[str, Any]] = {"pilot": 0.3, "pilots": 4, "power": 0.5, "usage": 15.0}
    LIMITS: ClassVar[dict[str, tuple[float, float]]] = {
        "pilot": (0.0, 1.0),
        "pilots": (1, 1000),
        "power": (0.0, 1.0),
        "usage": (1.0, 1e6),
    }

    def fits_on(self, report: LossReport) -> bool:
        return "settled" not in self._now

    @abc.abstractmethod
    def _optimum(self, blocks: Sequence[Block]) -> tuple[Mapping[str, float], str] | None:
        """The best mixture by the regression and a sentence on it; None where the pilots do not suffice."""

    def _step(self, state: State, report: LossReport, position: int) -> Step:
        if "settled" in state:
            return self._settled(state)
        index = self._block(position)
        watch = Watch.from_dict(state.get("watch")).at(report, "" if index is None else str(index))
        if position < self._first_pilot():
            return Step(natural_shares(self.domains), {"watch": watch.to_dict()}, "start")
        if index is not None:
            return Step(self._pilot(index), {"watch": watch.to_dict()}, "probe", f"pilot {index + 1}")
        found = self._optimum(watch.ended)
        if found is None:
            why = f"{len(watch.ended)} pilots are too few"
            return self._settled({"settled": why, "weights": self.baseline})
        return self._settled({"settled": found[1], "weights": dict(found[0])})

    def _settled(self, state: State) -> Step:
        kept = state["settled"].endswith("too few")
        return Step(state["weights"], state, "kept: law not identified" if kept else "fixed", state["settled"])

    def _first_pilot(self) -> int:
        """One interval goes before: a block that begins at draw 0 has no loss to begin with."""
        return self.interval

    def _block(self, position: int) -> int | None:
        """Which pilot runs from `position` on; None outside the pilots."""
        first = self._first_pilot()
        room = int(self.options["pilot"] * self.budget - first) // self.interval
        length = max(1, room // (int(self.options["pilots"]) * len(self.names)))
        index = (position - first) // (length * self.interval)
        return index if position >= first and 0 <= index < room // length else None

    def _pilot(self, index: int) -> dict[str, float]:
        names = sorted(self.names)
        natural, prior = pilot_prior(self.domains, names, self.options["power"])
        generator = np.random.default_rng([abs(self.seed), index])
        mixture = pilot_mixture(generator, natural, prior, self.options["usage"])
        return dict(zip(names, mixture.tolist(), strict=True))
