"""One cell of the tournament: a policy, a world, a seed; a pure function of the three."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

from policies.policy import BasePolicy, Policy
from policies.records import Decision, LossReport
from policies.registry import make_policy
from policies.simple import Proportional, Uniform
from policies.tournament.plan30 import published_plan
from policies.tournament.result import CellResult
from policies.tournament.rollout import final_losses, follow, hold
from policies.worlds import World, make_world
from policies.worlds.oracle import adaptive_oracle, static_oracle

PLAN_AT = 0.3  # part of the budget after which the plan is published and checked
INTERVALS = 50  # of a world that does not say how often the mixture may change
EXPLORING = ("probe", "start", "burn-in")  # reasons for a mixture that is no choice
MOVED = 1e-6  # largest difference of a share that still counts as the baseline

Runner = BasePolicy | Policy
PolicyFactory = Callable[..., Runner]


def run_cell(
    policy: str | PolicyFactory,
    world: Any,
    *,
    seed: int,
    options: Mapping[str, Any] | None = None,
) -> CellResult:
    """Run a policy through a world and say how well it ended.

    Parameters
    ----------
    policy:
        A name for `make_policy`, or a function with the same arguments after the name.
    world:
        A world; it is left as it is if it has `fresh()`, and used up if not. Of a world nothing but
        `domains`, `budget`, `advance` and `score` is needed; `interval`, `targets`, `lr_plan` and
        `fresh` are used if there. Oracles, worst target and what lies beyond the budget are known for
        our own worlds only. Or a triple (name, K, noise): then `seed` is the world's seed too.
    seed:
        The policy's seed.
    options:
        Further options of the policy.
    """
    if isinstance(world, tuple):
        name, K, noise = world
        world = make_world(name, K, seed=seed, noise=noise)
    run = _Run(policy, world.fresh() if hasattr(world, "fresh") else world, seed, dict(options or {}))
    run.to_the_end()
    return run.result(world)


@dataclasses.dataclass
class _Run:
    """A cell under way."""

    factory: str | PolicyFactory
    world: Any
    seed: int
    options: dict[str, Any]
    position: int = 0
    probed: int = 0
    left: bool = False
    plan: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self.budget = int(self.world.budget)
        self.interval = int(getattr(self.world, "interval", max(self.budget // INTERVALS, 1)))
        self.policy = self._start()
        self.decision = self.policy.propose()

    def _start(self) -> Runner:
        arguments: dict[str, Any] = {
            "interval": self.interval,
            "targets": getattr(self.world, "targets", None),
            "lr_plan": getattr(self.world, "lr_plan", None),
            "seed": self.seed,
            **self.options,
        }
        if isinstance(self.factory, str):
            return make_policy(self.factory, self.world.domains, self.budget, **arguments)
        return self.factory(self.world.domains, self.budget, **arguments)

    def to_the_end(self) -> None:
        reports: list[LossReport] = []
        while self.position < self.budget:
            self.decision = self.policy.propose()
            if self.plan is None and self.position >= PLAN_AT * self.budget:
                self.plan = published_plan(self.policy, self.decision, self.world, self.position, reports)
            self._note(self.decision)
            draws = min(self.interval, self.budget - self.position)
            report = follow(self.policy, self.world, self.decision.weights, draws, last=self.budget)
            self.position = report.position
            if self.plan is None:
                reports.append(report)

    def _note(self, decision: Decision) -> None:
        draws = min(self.interval, self.budget - self.position)
        if decision.probes:
            self.probed += draws
        if not decision.reason.startswith(EXPLORING):
            baseline = self.policy.baseline
            self.left |= any(abs(share - baseline[name]) > MOVED for name, share in decision.weights.items())

    def result(self, world: Any) -> CellResult:
        """`world`: as it was given, for what other mixtures reach on it."""
        score, losses = float(self.world.score()), final_losses(self.world)
        uniform, uniform_losses = _constant(Uniform, world, self.interval)
        oracle, adaptive = _oracles(world)
        return CellResult(
            policy=self.factory if isinstance(self.factory, str) else self.policy.name,
            world=str(getattr(world, "name", type(world).__name__)),
            K=len(self.world.domains),
            seed=int(getattr(world, "seed", self.seed)),
            noise=float(getattr(world, "noise", math.nan)),
            score=score,
            uniform=uniform,
            proportional=_constant(Proportional, world, self.interval)[0],
            oracle=oracle,
            adaptive=adaptive,
            has_gap=bool(getattr(world, "has_gap", True)),
            left_baseline=self.left,
            probing=self.probed / self.budget,
            worst_target=_worst(losses, uniform_losses),
            plan30=self.plan,
            seconds=None,
            refits=self.policy.propose().refit,
        )


def _constant(kind: type[BasePolicy], world: Any, interval: int) -> tuple[float, dict[str, float] | None]:
    """Final score and losses of a mixture that learns nothing; NaN and None where nobody can know."""
    if not hasattr(world, "fresh"):
        return math.nan, None
    fresh = world.fresh()
    hold(fresh, lambda domains: kind(domains, world.budget, interval=interval).propose().weights, world.budget)
    return float(fresh.score()), final_losses(fresh)


def _oracles(world: Any) -> tuple[float, float | None]:
    if not isinstance(world, World):
        return math.nan, None
    adaptive = adaptive_oracle(world)
    return static_oracle(world).score, None if adaptive is None else adaptive.score


def _worst(losses: Mapping[str, float] | None, uniform: Mapping[str, float] | None) -> float:
    if losses is None or uniform is None:
        return math.nan
    return max(math.log(loss / uniform[name]) for name, loss in losses.items())
