"""Laws on mixtures of a real table that they were not fitted on, the splits spread over the cores."""

from __future__ import annotations

import sys

import numpy as np
from rich.console import Console

from policies.tournament.static import Split, StaticFigures, judge_split, split_sizes, static_figures
from service.story.words import plural
from service.tournament.runs_table import RunsTable
from service.tournament.spread import cores, spread

SPLITS = 20
Job = tuple[int, int]  # runs to fit on, seed


def new_mixtures(table: RunsTable, *, splits: int = SPLITS, address: str | None = None) -> tuple[StaticFigures, ...]:
    """A row for each of 34, 64 and 256 fitted runs that leaves enough to judge."""
    jobs = [(runs, seed) for runs in split_sizes(len(table.shares)) for seed in range(splits)]
    if not jobs:
        return ()
    Console(file=sys.stdout, highlight=False).print(f"the law on new mixtures: {plural(len(jobs), 'fit')}")
    with cores(address) as workers:
        done = list(spread(run_split, jobs, table, workers))
    done.sort(key=lambda split: (split.runs, split.seed))
    return static_figures(done, np.random.default_rng(0))


def run_split(job: Job, table: RunsTable) -> Split:
    """One split, in a worker."""
    runs, seed = job
    shares, losses = np.array(table.shares), np.array(table.losses)
    return judge_split(shares, losses, table.names, table.targets, runs=runs, seed=seed)
