"""A whole tournament: cells, table, pages, tracking."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from policies.tournament import CellResult, Table, make_table
from policies.tournament.table import OURS
from service.tournament.cell import Outcome, run_job
from service.tournament.cells_file import CellsFile, held
from service.tournament.heading import Heading
from service.tournament.new_mixtures import new_mixtures
from service.tournament.order import DOMAINS, NOISE, SEEDS, Job, Options, Order, make_order
from service.tournament.progress import Show
from service.tournament.results import write_results
from service.tournament.runs_table import RunsTable
from service.tournament.spread import cores, spread
from service.tournament.track import Track

BOOTSTRAP_SEED = 0


@dataclasses.dataclass(frozen=True)
class Finished:
    """What a tournament came to: its table, the cells that could not be run, and where the pages are."""

    table: Table
    failed: tuple[Outcome, ...]
    files: tuple[Path, ...]


def run_tournament(
    policies: Sequence[str] | None = None,
    worlds: Sequence[str] | None = None,
    *,
    domains: Sequence[int] = DOMAINS,
    noise: Sequence[float] = NOISE,
    seeds: int = SEEDS,
    many: int | None = None,
    first_seed: int = 0,
    table: RunsTable | None = None,
    tuned: Mapping[str, Options] | None = None,
    out: str | Path,
    address: str | None = None,
    tracking: str | None = None,
    command: str = "",
    date: str = "",
) -> Finished:
    """Run policies in worlds and write `results.json`, `results.md` and `results.html` into `out`.

    Parameters
    ----------
    policies, worlds:
        Names; all by default. With a `table` and no worlds only the table is replayed.
    domains, noise:
        K and noise levels, over which a world's seeds are dealt out in turn.
    seeds, many:
        Seeds of each world; `many` (default: the same) for transfer_law, uniform and proportional.
    first_seed:
        The seeds are first_seed, first_seed + 1, ...
    table:
        Runs to replay (`read_table`).
    tuned:
        Options by policy, instead of the defaults.
    out:
        Folder of the results and of `cells.jsonl`; cells found there are not run again, so a tournament
        that was stopped goes on. Cells of other options or other code are run anew.
    address:
        Of a Ray cluster; None: the cores of this machine, or the Ray this process is connected to.
    tracking:
        MLflow tracking URI; a tournament never fails because of it.
    command, date:
        For the pages: how it was started, and when.

    Raises
    ------
    BadTournament
        Before anything runs, for a wrong name or number.
    """
    order = make_order(
        policies, worlds, tuned=tuned, table=table, many=many, domains=tuple(domains), noise=tuple(noise),
        seeds=seeds, first_seed=first_seed,
    )  # fmt: skip
    return run_order(order, Path(out), address=address, tracking=tracking, command=command, date=date)


def run_order(
    order: Order,
    out: Path,
    *,
    address: str | None = None,
    tracking: str | None = None,
    command: str = "",
    date: str = "",
) -> Finished:
    """The same from an order."""
    heading = Heading.of(order, command, date)
    with held(out):
        cells = CellsFile(out)
        track = Track(tracking, out.resolve().name, heading.params())
        try:
            failed = run_cells(order, cells, address=address, track=track)
        except BaseException:
            track.stop("KILLED")
            raise
        table = make_table(results(order, cells), rng=np.random.default_rng(BOOTSTRAP_SEED))
        static = new_mixtures(order.table, address=address) if _judges_laws(order) and order.table else ()
        files = write_results(table, results(order, cells), failed, heading, out, static)
        track.finish(table, files, "FAILED" if failed else "FINISHED")
    return Finished(table, failed, files)


def _judges_laws(order: Order) -> bool:
    """Whether the law itself is worth a table of its own: only if the policy that lives by it runs."""
    return order.table is not None and any(entrant.policy == OURS for entrant in order.entrants)


def results(order: Order, cells: CellsFile) -> list[CellResult]:
    """The finished cells of the order: by policy, world and seed as ordered, whatever came first."""
    jobs: dict[str, list[Job]] = {world: [] for world in order.worlds}
    for job in order.jobs():
        jobs[job.place.world].append(job)
    keys = [
        order.cell_key(job.place, entrant)
        for entrant in order.entrants
        for world in order.worlds
        for job in jobs[world]
        if any(entrant.name == other.name for other in job.entrants)
    ]
    return [cells.done[key] for key in keys if key in cells.done]


def run_cells(
    order: Order, cells: CellsFile, *, address: str | None, track: Track | None = None, what: str = "cells"
) -> tuple[Outcome, ...]:
    """Run what is not done yet; returns the cells that failed."""
    jobs = unfinished(order, cells)
    if not jobs:
        return ()
    total, failed = sum(len(job.entrants) for job in jobs), []
    entrants = {entrant.name: entrant for entrant in order.entrants}
    with cores(address) as workers, Show(jobs, workers, what) as show:
        done = 0
        for outcomes in spread(run_job, jobs, order.table, workers):
            cells.add(
                (order.cell_key(o.place, entrants[o.entrant]), o.result) for o in outcomes if o.result is not None
            )
            failed += [outcome for outcome in outcomes if outcome.result is None]
            show.done(outcomes)
            done += len(outcomes)
            if track is not None:
                track.progress(done, total)
    return tuple(failed)


def unfinished(order: Order, cells: CellsFile) -> list[Job]:
    """The order's jobs without the cells that are done."""
    found = []
    for job in order.jobs():
        left = tuple(e for e in job.entrants if order.cell_key(job.place, e) not in cells.done)
        if left:
            found.append(dataclasses.replace(job, entrants=left))
    return found
