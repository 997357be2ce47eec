"""One place of the tournament, run in a worker: all who run there, each with the CPU time of its policy."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from policies import make_policy
from policies.tournament import CellResult, run_cell
from policies.worlds import World, make_world
from policies.worlds.oracle import adaptive_oracle, static_oracle
from service.tournament.order import Entrant, Job, Place
from service.tournament.runs_table import RunsTable

LONGEST = 500  # characters of an error that is kept


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A finished cell, or why there is none."""

    entrant: str
    place: Place
    result: CellResult | None
    error: str = ""


def run_job(job: Job, table: RunsTable | None = None) -> list[Outcome]:
    """Run every entrant of the job. An entrant that raises loses its cell, not the others'."""
    world = _world(job.place, table)
    static_oracle(world), adaptive_oracle(world)  # found once, before anybody's time is taken
    return [_outcome(entrant, job.place, world) for entrant in job.entrants]


def _world(place: Place, table: RunsTable | None) -> World:
    if table is not None and place.world == table.name:
        return table.world(seed=place.seed, noise=place.noise)
    return make_world(place.world, place.K, seed=place.seed, noise=place.noise)


def _outcome(entrant: Entrant, place: Place, world: World) -> Outcome:
    try:
        return Outcome(entrant.name, place, timed_cell(entrant, place, world))
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return Outcome(entrant.name, place, None, text[:LONGEST])


def timed_cell(entrant: Entrant, place: Place, world: World) -> CellResult:
    """The cell, with the CPU seconds spent inside the policy; the world's own are nobody's."""
    spent = _Spent()

    def factory(*arguments: Any, **options: Any) -> Any:
        policy = spent.on(lambda: make_policy(entrant.policy, *arguments, **options))
        for name in ("propose", "observe", "update_domains"):
            setattr(policy, name, spent.around(getattr(policy, name)))
        return policy

    result = run_cell(factory, world, seed=place.seed, options=entrant.options)
    return dataclasses.replace(
        result, policy=entrant.name, world=place.world, noise=place.noise, seconds=round(spent.seconds, 4)
    )


class _Spent:
    """Adds up process CPU time of calls; a call within a call counts once."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._inside = False

    def on(self, call: Callable[[], Any]) -> Any:
        if self._inside:
            return call()
        self._inside, begun = True, time.process_time()
        try:
            return call()
        finally:
            self.seconds += time.process_time() - begun
            self._inside = False

    def around(self, method: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments, **options: self.on(lambda: method(*arguments, **options))
