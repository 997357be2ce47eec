"""Prints how `transfer_law` fares where reported gradient products are wrong.

    OMP_NUM_THREADS=1 python -m tests.policies.tournament.wrong_products --seeds 6

A row for each kind of wrong: by world the share of the gap from uniform to the static oracle that was closed (ratio
of sums over the seeds; a flat world has none), how many runs ended more than 0.002 in mean log loss above uniform, and
in how many a domain was said to have changed, which none has.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from policies import LossReport, make_policy
from policies.tournament.cell import run_cell

HARM = 0.002  # mean log loss
SPREAD = 0.7  # log-sd of factors that are drawn once
SWING, WAVES = 2_000, 20  # shortest wave of what wanders, in draws: a tenth of the budget; how many are added up
Matrix = np.ndarray[Any, np.dtype[np.float64]]


def level(products: Matrix) -> Matrix:
    return np.asarray(np.sqrt((products**2).mean(axis=1, keepdims=True)))


def noise(products: Matrix, position: int) -> Matrix:
    return np.asarray(level(products) * np.random.default_rng(position).standard_normal(products.shape))


def fixed(products: Matrix, position: int) -> Matrix:
    return np.asarray(level(products) * np.random.default_rng(7).lognormal(0.0, 1.0, products.shape))


def own_threefold(products: Matrix, position: int) -> Matrix:
    changed = products.copy()
    np.fill_diagonal(changed, 3.0 * np.diag(products))
    return changed


def wandering(sd: float) -> Callable[[Matrix, int], Matrix]:
    """What each domain gives to others swings about what it gives by the part `sd`, to all targets alike."""

    def swung(products: Matrix, position: int) -> Matrix:
        count = products.shape[1]
        rng = np.random.default_rng(11)
        turns, phase = rng.uniform(0, 1 / SWING, (WAVES, count)), rng.uniform(0, 1, (WAVES, count))
        swing = np.sqrt(2 / WAVES) * np.cos(2 * np.pi * (turns * position + phase)).sum(axis=0)
        factor = np.repeat(1 + sd * swing[None], len(products), axis=0)
        np.fill_diagonal(factor, 1.0)
        return np.asarray(products * factor)

    return swung


KINDS: dict[str, Callable[[Matrix, int], Matrix] | None] = {
    "right": None,
    "of another domain": lambda products, position: np.roll(products, 1, axis=1),
    "noise": noise,
    "always the same, drawn at random": fixed,
    "own three times too large": own_threefold,
    "square roots": lambda products, position: np.sign(products) * np.sqrt(np.abs(products)),
    "a factor for each domain": lambda products, position: (
        products * np.random.default_rng(3).lognormal(0.0, SPREAD, products.shape[1])
    ),
    "wandering by 15 %": wandering(0.15),
    "wandering by 30 %": wandering(0.3),
    "none": lambda products, position: np.full_like(products, np.nan),
}


class Misled:
    """A policy that is shown wrong products in place of those reported."""

    def __init__(self, policy: Any, wrong: Callable[[Matrix, int], Matrix] | None) -> None:
        self._policy, self._wrong = policy, wrong

    def observe(self, report: LossReport) -> None:
        if self._wrong is not None and report.grad_dot:
            targets, sources = list(report.grad_dot), list(next(iter(report.grad_dot.values())))
            told = np.array([[report.grad_dot[i][j] for j in sources] for i in targets])
            shown = self._wrong(told, report.position).tolist()
            named = {i: dict(zip(sources, row, strict=True)) for i, row in zip(targets, shown, strict=True)}
            report = dataclasses.replace(report, grad_dot=None if np.isnan(shown).all() else named)
        self._policy.observe(report)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._policy, name)


def row(kind: str, worlds: list[str], K: int, sd: float, seeds: range) -> str:
    """One line of the table: a kind of wrong products in every world."""
    said, harmed, runs, misled = [], 0, 0, []

    def start(*setup: Any, **more: Any) -> Misled:
        misled.append(Misled(make_policy("transfer_law", *setup, **more), KINDS[kind]))
        return misled[-1]

    for world in worlds:
        cells = [run_cell(start, (world, K, sd), seed=seed) for seed in seeds]
        harmed += sum(cell.score - cell.uniform > HARM for cell in cells)
        runs += len(cells)
        gap = sum(cell.uniform - cell.oracle for cell in cells)
        closed = sum(cell.uniform - cell.score for cell in cells) / gap if cells[0].has_gap else float("nan")
        said.append(f"{world} {closed:5.2f}" if cells[0].has_gap else f"{world}    –")
    changed = sum(policy.dump()["state"]["now"]["alarms"] > 0 for policy in misled)
    return f"{kind:33s} {'  '.join(said)}  harmed {harmed} of {runs}, changed {changed}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", default="islands,hubs,capacity,flat")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--domains", type=int, default=5)
    parser.add_argument("--noise", type=float, default=0.01)
    parser.add_argument("--first-seed", type=int, default=5000)
    parser.add_argument("--seeds", type=int, default=6)
    chosen = parser.parse_args()
    seeds = range(chosen.first_seed, chosen.first_seed + chosen.seeds)
    for kind in chosen.kinds:
        print(row(kind, chosen.worlds.split(","), chosen.domains, chosen.noise, seeds), flush=True)


if __name__ == "__main__":
    main()
