"""Prints what `transfer_law` has lost by when, and what it could still have reached.

    OMP_NUM_THREADS=1 python -m tests.policies.tournament.reachable --worlds hubs --seeds 24

Along its own runs, at parts of the budget and as shares of the gap from uniform to the static oracle: what the best
fixed mixture for the rest would still reach, the truth known; the optimum of the law at hand; the mixture decided on.
The first two also as shares of the gap from proportional. K and noise are dealt out as in the tournament.
"""

from __future__ import annotations

import argparse
import itertools
from typing import Any
from unittest import mock

import numpy as np
from scipy.optimize import LinearConstraint, minimize

from policies import make_policy
from policies.allocation.plan import optimise
from policies.simple import Proportional, Uniform
from policies.tournament.rollout import follow, hold
from policies.transfer_law import choose
from policies.worlds import World, make_world
from policies.worlds.oracle import static_oracle

PARTS = (0.04, 0.06, 0.08, 0.1, 0.14, 0.2, 0.3, 0.5)
PAIRS = list(itertools.product((5, 8, 12, 20), (0.003, 0.01)))  # (K, noise) of seeds 0, 1, ...
STARTS, STEP = 3, 1e-6
Array = np.ndarray[Any, np.dtype[np.float64]]


def ends(world: World, shares: Array) -> Array:
    """Final mean log losses (...) where the mixtures (..., K) are kept from here on."""
    truth = world.spec.truth
    state = world.state.advance(shares, world.budget - world.position, truth.clocks, truth.memory)
    return np.asarray(np.log(truth.losses(state)).mean(axis=-1))


def best_end(world: World) -> float:
    def with_slopes(x: Array) -> tuple[float, Array]:
        values = ends(world, np.vstack([x, x + STEP * np.eye(world.K)]))
        return float(values[0]), (values[1:] - values[0]) / STEP

    starts = [np.full(world.K, 1 / world.K)]
    starts += [np.random.default_rng(i).dirichlet(np.full(world.K, 0.5)) for i in range(STARTS)]
    whole, found = LinearConstraint(np.ones(world.K), 1.0, 1.0), np.inf
    for start in starts:
        x = minimize(with_slopes, start, jac=True, method="SLSQP", bounds=[(0, 1)] * world.K, constraints=whole).x
        found = min(found, float(ends(world, np.maximum(x, 0) / np.maximum(x, 0).sum())))
    return found


def end_of(kind: type[Any], world: World) -> float:
    fresh = world.fresh()
    hold(fresh, lambda names: kind(names, world.budget, interval=world.interval).propose().weights, world.budget)
    return float(fresh.score())


def run(world: World, seed: int, options: dict[str, Any], optima: list[dict[str, float]]) -> tuple[Array, Array]:
    """Log losses (PARTS, 3) that could be reached, law's optimum, decision (NaN: none); uniform, proportional, oracle,
    end. `optima` is where the latest optimum of a law is put."""
    policy = make_policy(
        "transfer_law", world.domains, world.budget, interval=world.interval, targets=world.targets,
        lr_plan=getattr(world, "lr_plan", None), seed=seed, **options,
    )  # fmt: skip
    known = [end_of(Uniform, world), end_of(Proportional, world), static_oracle(world).score]
    parts = iter((*PARTS, np.inf))
    due, reached = next(parts), []
    while world.position < world.budget:
        decision = policy.propose()
        if world.position >= due * world.budget - 1:
            due, chosen = next(parts), None if decision.reason == "probe" else decision.weights
            shown = [None if named is None else np.array([named[d.name] for d in world.domains])
                     for named in (optima[-1] if optima else None, chosen)]  # fmt: skip
            reached.append([best_end(world), *(np.nan if x is None else float(ends(world, x)) for x in shown)])
        draws = min(world.interval, world.budget - world.position)
        follow(policy, world, decision.weights, draws, last=world.budget)
    return np.array(reached), np.array([*known, float(world.score())])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", default="hubs,one_way_hubs,small_pools")
    parser.add_argument("--seeds", type=int, default=24)
    parser.add_argument("--losses-alone", action="store_true", help="without gradient products")
    chosen = parser.parse_args()
    optima: list[dict[str, float]] = []

    def noted(problem: Any) -> Any:
        found = optimise(problem)
        optima.append(dict(zip(problem.feasible.names, problem.feasible.mixture(found[0]), strict=True)))
        return found

    options = {"products": 0} if chosen.losses_alone else {}
    for name in chosen.worlds.split(","):
        runs = []
        for seed in range(chosen.seeds):
            optima.clear()
            K, sd = PAIRS[seed % len(PAIRS)]
            with mock.patch.object(choose, "optimise", noted):
                runs.append(run(make_world(name, K, seed=seed, noise=sd), seed, options, optima))
        uniform, proportional, oracle, end = np.sum([known for _, known in runs], axis=0)
        base = np.array([known[0] for _, known in runs])[:, None, None]
        closed = np.nansum(base - np.array([reached for reached, _ in runs]), axis=0) / (uniform - oracle)
        stretch = (uniform - oracle) / (proportional - oracle)
        print(f"{name}: ends at {(uniform - end) / (uniform - oracle):.3f} "
              f"(from proportional {(proportional - end) / (proportional - oracle):.3f})")  # fmt: skip
        for part, (left, law, mixture) in zip(PARTS, closed, strict=True):
            both = [f"{share:.3f} ({1 - (1 - share) * stretch:.3f})" for share in (left, law)]
            print(f"  {part:4.0%} to be reached {both[0]}  law's optimum {both[1]}  decided {mixture:.3f}", flush=True)


if __name__ == "__main__":
    main()
