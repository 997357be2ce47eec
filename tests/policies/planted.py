"""Prints the figures of policies/README.md that come from planted worlds.

    OMP_NUM_THREADS=1 python -m tests.policies.planted runs --kinds hub,islands,flat,pools --seeds 4
    OMP_NUM_THREADS=1 python -m tests.policies.planted plans --kinds hub,islands,flat,pools --seeds 5

`runs`: part of the gap from uniform to the best fixed mixture that a policy closes (ratio of sums),
and its worst harm. `plans`: the optimum of the law at 30 % of the budget, frozen and rolled out
without noise: predicted and true gain, and how often the 90 % intervals hold.
"""

from __future__ import annotations

import argparse

import numpy as np

from policies.allocation.plan import optimise
from tests.policies.worlds import World


def runs(kind: str, K: int, seeds: int, noise: float, policy: str) -> str:
    """One row: a policy over the seeds of a kind of world."""
    rows = []
    for seed in range(seeds):
        world = World(kind, K, seed, noise)
        draws, _, _ = world.run(policy)
        rows.append((world.uniform, world.score(draws), world.oracle))
    uniform, reached, oracle = np.array(rows).T
    gap = uniform - oracle
    closed = (uniform - reached).sum() / gap.sum() if gap.mean() > 1e-3 else float("nan")
    return (
        f"{kind:8s} K={K} noise {noise:<6} {policy:13s} gap {gap.mean():.3f} closed {closed:5.2f} "
        f"worst harm {(reached - uniform).max():+.4f}"
    )


def plans(kind: str, K: int, seeds: int, noise: float, policy: str) -> str:
    """One row: the law's optimum at 30 % of the budget against the truth."""
    gains, losses = [], []
    for seed in range(seeds):
        world = World(kind, K, seed, noise)
        running = world.start(policy)
        n = np.zeros(K)
        for position in range(world.interval, int(0.3 * world.budget) + 1, world.interval):
            n = world.follow(running, position, n)
        problem = running._problem(running.law, position, running._now)
        y, _, _ = optimise(problem)
        best = problem.feasible.mixture(y)
        mean, sd = problem.gain(problem.final(best), problem.final(problem.baseline))
        rest = world.budget - n.sum()
        gains.append((mean, sd, world.score(n + rest / K) - world.score(n + rest * best)))
        log_mean, log_sd = running.law.log_predict(problem.final(best))
        losses.append((np.log(world.losses(n + rest * best)) - log_mean[0]) / log_sd[0])
    mean, sd, true = np.array(gains).T
    return (
        f"{kind:8s} K={K} noise {noise:<6} gain predicted {mean.mean():+.4f} true {true.mean():+.4f} "
        f"held {np.mean(np.abs(true - mean) < 1.645 * sd):.2f}; losses held {np.mean(np.abs(losses) < 1.645):.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("runs", "plans"))
    parser.add_argument("--kinds", default="hub,islands,flat,pools")
    parser.add_argument("--domains", default="5", help="numbers of domains")
    parser.add_argument("--noise", default="0.003,0.01")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--policy", default="transfer_law")
    chosen = parser.parse_args()
    row = {"runs": runs, "plans": plans}[chosen.what]
    for kind in chosen.kinds.split(","):
        for K in (int(k) for k in chosen.domains.split(",")):
            for noise in (float(sd) for sd in chosen.noise.split(",")):
                print(row(kind, K, chosen.seeds, noise, chosen.policy), flush=True)


if __name__ == "__main__":
    main()
