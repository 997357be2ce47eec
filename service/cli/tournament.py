"""`isthmus tournament`"""

from __future__ import annotations

import dataclasses
import datetime
import shlex
import sys
from pathlib import Path
from typing import Any

from service.cli.screen import screen
from service.config.tracking_uri import check_uri
from service.story.words import plural
from service.tournament import BadTournament, CellsFailed, read_table, run_tournament
from service.tournament.order import DOMAINS, FULL, NOISE, SEEDS
from service.tournament.results import goal_lines
from service.tournament.tune import SEEDS as TUNE_SEEDS
from service.tournament.tune import read_tuned, tune
from service.tracking.settings import public_uri


@dataclasses.dataclass(frozen=True)
class Asked:
    """The options as they were typed; None where one was not given."""

    policies: str | None = None
    worlds: str | None = None
    seeds: int | None = None
    many: int | None = None
    domains: str | None = None
    noise: str | None = None
    table: str | None = None
    out: Path = Path("runs/tournament")
    first_seed: int | None = None
    tuned: Path | None = None
    tune: int | None = None
    full: bool = False
    address: str | None = None
    tracking: str | None = None


def tournament(asked: Asked) -> None:
    """Tune, or run and judge."""
    if asked.tune is not None:
        _tune(asked)
    else:
        _judge(asked)


def _judge(asked: Asked) -> None:
    seeds = asked.seeds or (FULL["seeds"] if asked.full else SEEDS)
    many = asked.many or (FULL["many"] if asked.full and asked.seeds is None else None)
    if asked.many is not None and asked.many < seeds:
        raise BadTournament(f"--many {asked.many}: give at least as many as the {plural(seeds, 'seed')} of the others")
    _check_tracking(asked.tracking)
    first = asked.first_seed or 0
    judged = range(first, first + (many or seeds))
    done = run_tournament(
        many=many,
        seeds=seeds,
        first_seed=first,
        tuned=None if asked.tuned is None else read_tuned(asked.tuned, judged),
        out=asked.out,
        address=asked.address,
        tracking=asked.tracking,
        command=_command(asked),
        date=f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        **_common(asked),
    )
    for line in goal_lines(done.table):
        screen().print(line, highlight=False, soft_wrap=True)
    screen().print(f"results in {done.files[0]}", highlight=False, soft_wrap=True)
    if done.failed:
        first_lost = done.failed[0]
        raise CellsFailed(
            f"{plural(len(done.failed), 'cell')} failed, first {first_lost.entrant} in {first_lost.place.world}: "
            f"{first_lost.error}; the same command tries them again"
        )


def _check_tracking(uri: str | None) -> None:
    """Raise `BadTournament` for what MLflow can never work with; one that fails later only costs the tracking."""
    try:
        if uri is not None:
            check_uri(uri)
    except ValueError as error:
        raise BadTournament(f"--tracking: {error}") from None


def _command(asked: Asked) -> str:
    """As it was typed, without a password of the tracking server."""
    uri = asked.tracking
    words = sys.argv[1:] if uri is None else [word.replace(uri, public_uri(uri)) for word in sys.argv[1:]]
    return shlex.join(["isthmus", *words])


def _tune(asked: Asked) -> None:
    if asked.tuned is not None or asked.full or asked.many is not None:
        raise BadTournament(
            "--tune goes without --tuned, --full and --many: it writes tuned.json, which a next command reads"
        )
    first = {} if asked.first_seed is None else {"first_seed": asked.first_seed}
    common = _common(asked)
    names, worlds = common.pop("policies"), common.pop("worlds")
    path = tune(
        asked.tune or 0, names, worlds, seeds=asked.seeds or TUNE_SEEDS, out=asked.out, address=asked.address,
        **first, **common,
    )  # fmt: skip
    screen().print(f"tuned options in {path}", highlight=False, soft_wrap=True)


def _common(asked: Asked) -> dict[str, Any]:
    """What tuning and judging share."""
    if asked.seeds is not None and asked.seeds < 1:
        raise BadTournament(f"--seeds {asked.seeds}: give at least 1")
    return {
        "policies": _names(asked.policies),
        "worlds": _names(asked.worlds),
        "domains": _numbers("--domains", asked.domains, int, FULL["domains"] if asked.full else DOMAINS),
        "noise": _numbers("--noise", asked.noise, float, NOISE),
        "table": None if asked.table is None else read_table(asked.table),
    }


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


def _numbers(option: str, text: str | None, kind: type[int] | type[float], default: Any) -> tuple[Any, ...]:
    if text is None:
        return tuple(default)
    try:
        return tuple(kind(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise BadTournament(f"{option} {text}: give numbers separated by commas") from None
