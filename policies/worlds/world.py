"""A simulated training whose truth is known: mixtures in, loss reports out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from policies.records import BadSetup, Domain, LossReport, check_mixture
from policies.worlds import measure, settings
from policies.worlds.draw import Spec
from policies.worlds.state import State

Array = NDArray[np.float64]


class World:
    """A mutable run over a fixed truth.

    Parameters
    ----------
    name, K, seed:
        Kind of world, number of domains (of those that join later too), and what its parameters and
        noise were drawn from.
    noise:
        Nominal standard deviation of the logarithm of an evaluation loss.
    spec:
        The parameters; shared between copies, never changed.
    """

    def __init__(self, name: str, K: int, *, seed: int, noise: float, spec: Spec) -> None:
        if not (math.isfinite(noise) and noise >= 0):
            raise BadSetup(f"noise is {noise}; it must be finite and >= 0, such as 0.01 for 1 %")
        self.name, self.K, self.seed, self.noise, self.spec = name, K, seed, float(noise), spec
        self.budget, self.interval = settings.BUDGET, settings.BUDGET // settings.INTERVALS
        self.targets = None if spec.targets is None else dict(spec.targets)
        self.has_gap = spec.has_gap
        self.state = State.start(K, spec.truth.clocks)
        self._level = measure.noise_levels(self._rng(measure.NOISE), noise, len(spec.noise_factor))

    # -- where the run stands ------------------------------------------------------------------

    @property
    def position(self) -> int:
        return int(self.state.position)

    @property
    def present(self) -> NDArray[np.bool_]:
        """(K,): which domains are there now."""
        return np.asarray(self.spec.joins <= self.state.position)

    @property
    def domains(self) -> tuple[Domain, ...]:
        """The domains that are there now; in some worlds one joins in mid-run."""
        return tuple(d for d, here in zip(self.spec.domains, self.present, strict=True) if here)

    @property
    def lr_plan(self) -> list[list[float]] | None:
        """Pairs (position, sum of learning rates up to there); None where the rate is constant."""
        if self.spec.lr is None:
            return None
        return [[float(p), float(s)] for p, s in zip(self.spec.lr.position, self.spec.lr.lr_sum, strict=True)]

    def losses(self) -> dict[str, float]:
        """By target: the loss here and now, without noise."""
        exact = self.spec.truth.losses(self.state)
        return {name: float(exact[i]) for i, name in self._targets_now()}

    def score(self) -> float:
        """Weighted mean log loss without noise, here and now: what policies are judged by."""
        losses = self.losses()
        weights = self.targets or dict.fromkeys(losses, 1.0)
        total = math.fsum(weights.values())
        return math.fsum(weights[name] / total * math.log(loss) for name, loss in losses.items())

    # -- training ------------------------------------------------------------------------------

    def advance(self, weights: Mapping[str, float], draws: int) -> LossReport:
        """Draw `draws` more at the shares `weights` of the present domains, then evaluate.

        `BadSetup` where the mixture is no point on the simplex over them, or the budget does not allow it.
        """
        if isinstance(draws, bool) or int(draws) != draws or not 1 <= draws <= self.budget - self.position:
            left = self.budget - self.position
            raise BadSetup(f"draws is {draws}; it must be a whole number from 1 to the {left} left in the budget")
        before = self.state
        self.move(weights, draws)
        return self._report(before)

    def move(self, weights: Mapping[str, float], draws: float) -> None:
        """Draw without evaluating, also beyond the budget: what-if runs need it."""
        check_mixture(weights, [domain.name for domain in self.domains])
        shares = np.array([weights.get(domain.name, 0.0) for domain in self.spec.domains])
        truth = self.spec.truth
        self.state = self.state.advance(shares / shares.sum(), draws, truth.clocks, truth.memory)

    def fresh(self) -> Self:
        """The same world at position 0."""
        return type(self)(self.name, self.K, seed=self.seed, noise=self.noise, spec=self.spec)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """An independent run from here on; the parameters, which nothing changes, are shared."""
        other = self.fresh()
        other.state = self.state
        return other

    # -- inside --------------------------------------------------------------------------------

    def _rng(self, stream: int, position: int = 0) -> np.random.Generator:
        return measure.generator(self.name, self.K, self.seed, stream, position)

    def _targets_now(self) -> list[tuple[int, str]]:
        """Index and name of each target that is evaluated now: all, or the present domains."""
        if self.targets is not None:
            return list(enumerate(self.targets))
        return [(i, d.name) for i, d in enumerate(self.spec.domains) if self.present[i]]

    def noise_now(self) -> Array:
        """(M,): standard deviation of each target's log loss at this position."""
        return self._level * (self.spec.noise_factor if self._noisy else 1.0)

    @property
    def _noisy(self) -> bool:
        return self.state.position > self.spec.noisy_from

    def _report(self, before: State) -> LossReport:
        position, targets, sd = self.position, self._targets_now(), self.noise_now()
        exact = self.spec.truth.losses(self.state)
        noisy = exact * np.exp(sd * self._rng(measure.EVAL, position).standard_normal(len(sd)))
        here = [(j, d.name) for j, d in enumerate(self.spec.domains) if self.present[j]]
        counts = self.state.draws - before.draws
        products = measure.inner_products(
            self.spec, self.state, settings.GRADIENT_STEP * self.interval, self._rng(measure.GRADIENT, position)
        )
        return LossReport(
            position,
            {name: float(self.state.draws[j]) for j, name in here},
            {name: float(noisy[i]) for i, name in targets},
            eval_sem={name: float(sd[i] * noisy[i]) for i, name in targets},
            train_loss=self._train_losses(exact, counts, here, targets),
            train_count={name: float(counts[j]) for j, name in here},
            lr_sum=None if self.spec.lr is None else self.spec.lr.at(self.state.position),
            grad_dot={name: {source: float(products[i, j]) for j, source in here} for i, name in targets},
        )

    def _train_losses(
        self, exact: Array, counts: Array, here: list[tuple[int, str]], targets: list[tuple[int, str]]
    ) -> dict[str, float]:
        """Of those domains that are targets too: other domains have no loss of their own."""
        row = {name: i for i, name in targets}
        own = [(j, name) for j, name in here if name in row]
        rows, columns = [row[name] for _, name in own], [j for j, _ in own]
        told = self.spec.train_factor if self._noisy else None
        factor = 1.0 if told is None else told[columns]
        rng = self._rng(measure.TRAIN, self.position)
        noisy = measure.train_losses(
            exact[rows] * factor, counts[columns], self.noise_now()[rows], counts.sum() / self.K, rng
        )
        return {name: float(value) for (_, name), value in zip(own, noisy, strict=True)}
