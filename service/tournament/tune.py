"""Tuning: every policy gets the same number of trials, on seeds that it is not judged on."""

from __future__ import annotations

import dataclasses
import json
import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from policies.registry import POLICIES
from policies.rivals import TUNE, Tune
from policies.tournament import CellResult
from policies.transfer_law import TUNE as OURS_TUNE
from policies.transfer_law import OwnLaw, TransferLaw
from service.files import write_text
from service.tournament.cells_file import CellsFile, held
from service.tournament.errors import BadTournament
from service.tournament.order import VARIANTS, Entrant, Options, Order, entrant, make_order
from service.tournament.run import run_cells
from service.tournament.spread import cores

if TYPE_CHECKING:
    import optuna

FIRST_SEED = 1_000_000  # far from any that is judged
SEEDS = 4
NAME = "tuned.json"


def ranges(name: str) -> Tune:
    """What tuning may move in the policy of that name; empty where there is nothing to tune."""
    policy, fixed = VARIANTS.get(name, (name, {}))
    open_to_all = {**TUNE, OwnLaw.name: OURS_TUNE, TransferLaw.name: OURS_TUNE}
    return {option: bounds for option, bounds in open_to_all.get(policy, {}).items() if option not in fixed}


@dataclasses.dataclass
class Study:
    """The trials of one policy. The first runs the published defaults; then Optuna's TPE sampler, seeded."""

    name: str
    ranges: Tune
    tried: list[tuple[Options, float]] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(seed=zlib.crc32(self.name.encode()))
        self._study = optuna.create_study(direction="minimize", sampler=sampler)
        self._trial: optuna.Trial | None = None
        self._options: Options = {}

    def ask(self) -> Entrant:
        """Who runs next."""
        if not self.tried:
            return entrant(self.name)
        self._trial = self._study.ask()
        self._options = {option: _suggest(self._trial, option, bounds) for option, bounds in self.ranges.items()}
        return entrant(self.name, {self.name: self._options})

    def tell(self, value: float) -> None:
        """How it ended: mean over worlds of log loss less uniform's; NaN where a cell failed."""
        import optuna

        self.tried.append((self._options, value))
        if self._trial is None:
            self._add_defaults(value)
        elif math.isfinite(value):
            self._study.tell(self._trial, value)
        else:
            self._study.tell(self._trial, state=optuna.trial.TrialState.FAIL)

    def _add_defaults(self, value: float) -> None:
        """The sampler learns from the defaults too, where they lie within the ranges."""
        import optuna

        options = POLICIES[VARIANTS.get(self.name, (self.name, {}))[0]].OPTIONS
        chosen = {option: options[option] for option in self.ranges}
        if math.isfinite(value) and all(_within(chosen[option], bounds) for option, bounds in self.ranges.items()):
            spaces = {option: _space(bounds) for option, bounds in self.ranges.items()}
            self._study.add_trial(optuna.trial.create_trial(params=chosen, distributions=spaces, value=value))

    def best(self) -> dict[str, Any]:
        """Its best options, what they reach, and what the defaults reach."""
        known = [(value, at) for at, (_, value) in enumerate(self.tried) if math.isfinite(value)]
        value, at = min(known) if known else (math.nan, 0)
        return {"options": dict(self.tried[at][0]), "value": _plain(value), "default": _plain(self.tried[0][1])}


def tune(
    trials: int,
    names: Sequence[str] | None = None,
    worlds: Sequence[str] | None = None,
    *,
    seeds: int = SEEDS,
    first_seed: int = FIRST_SEED,
    out: Path,
    address: str | None = None,
    **rest: Any,
) -> Path:
    """Write `tuned.json` into `out`: the best options of each policy after `trials` trials each.

    All policies go through a trial side by side; a trial is one run in each world and seed. The value is
    the mean over worlds of log loss less uniform's, which is what pairs of policies are compared by.
    Finished cells are kept in `out`: the same command goes on where it was stopped.
    """
    if trials < 1:
        raise BadTournament(f"--tune {trials}: give at least 1 trial")
    base = make_order(names, worlds, seeds=seeds, first_seed=first_seed, **rest)
    studies = [Study(e.name, found) for e in base.entrants if (found := ranges(e.name))]
    if not studies:
        raise BadTournament(f"{', '.join(e.name for e in base.entrants)}: there is nothing to tune")
    with held(out), cores(address):
        cells = CellsFile(out)
        for trial in range(trials):
            _round(base, studies, cells, address, f"trial {trial + 1} of {trials}")
    body = {
        "trials": trials,
        "seeds": [first_seed, first_seed + seeds - 1],
        "worlds": list(base.worlds),
        "policies": {study.name: study.best() for study in studies},
    }
    return write_text(out / NAME, json.dumps(body, indent=1) + "\n")


def _round(base: Order, studies: Sequence[Study], cells: CellsFile, address: str | None, what: str) -> None:
    """One trial of every policy."""
    order = dataclasses.replace(base, entrants=tuple(study.ask() for study in studies), many=base.seeds)
    failed = {outcome.entrant for outcome in run_cells(order, cells, address=address, what=what)}
    for study, asked in zip(studies, order.entrants, strict=True):
        done = [cells.done[order.cell_key(job.place, asked)] for job in order.jobs() if study.name not in failed]
        study.tell(_value(done))


def _value(done: Sequence[CellResult]) -> float:
    by_world: dict[str, list[float]] = {}
    for cell in done:
        by_world.setdefault(cell.world, []).append(cell.score - cell.uniform)
    return float(np.mean([np.mean(values) for values in by_world.values()])) if by_world else math.nan


def read_tuned(path: Path, judged: range) -> dict[str, Options]:
    """Options by policy from `tuned.json`; `BadTournament` if it was tuned on a seed that is judged."""
    if not path.is_file():
        raise BadTournament(f"there is no file of tuned options at {path}; isthmus tournament --tune N writes one")
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        first, last = body["seeds"]
        options: dict[str, Options] = {name: dict(found["options"]) for name, found in body["policies"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadTournament(f"{path} is not what isthmus tournament --tune writes") from None
    if judged.start <= last and first < judged.stop:
        raise BadTournament(
            f"{path} was tuned on seeds {first} to {last}, and seeds {judged.start} to {judged.stop - 1} are judged; "
            f"give another --first-seed"
        )
    return options


def _suggest(trial: optuna.Trial, option: str, bounds: tuple[float, float, str]) -> Any:
    low, high, scale = bounds
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(option, low, high, log=scale == "log")
    return trial.suggest_float(option, low, high, log=scale == "log")


def _space(bounds: tuple[float, float, str]) -> Any:
    import optuna

    low, high, scale = bounds
    if isinstance(low, int) and isinstance(high, int):
        return optuna.distributions.IntDistribution(low, high, log=scale == "log")
    return optuna.distributions.FloatDistribution(low, high, log=scale == "log")


def _within(value: Any, bounds: tuple[float, float, str]) -> bool:
    return isinstance(value, int | float) and bounds[0] <= value <= bounds[1]


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
