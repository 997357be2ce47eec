"""A table of real runs as a world: which columns are shares, which are losses, and what can be wrong with them."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import math
from pathlib import Path

from policies.records import BadSetup
from policies.worlds import World, make_replay
from service.tournament.errors import BadTournament

NAME = "replay"
INDEX = "index"
SHARE, LOSS = "share/", "loss/"
# What the public RegMix tables put around a name.
_AROUND = (("metric/", ""), ("train_", ""), ("the_pile_", ""), ("", "_val_loss"))

Columns = dict[str, list[float]]


@dataclasses.dataclass(frozen=True)
class RunsTable:
    """N runs: shares (N, K) of the domains `names`, end losses (N, M) of the `targets`; picklable."""

    shares: tuple[tuple[float, ...], ...]
    losses: tuple[tuple[float, ...], ...]
    names: tuple[str, ...]
    targets: tuple[str, ...]
    name: str = NAME

    @property
    def K(self) -> int:
        return len(self.names)

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr(dataclasses.astuple(self)).encode()).hexdigest()[:12]

    def world(self, *, seed: int, noise: float) -> World:
        """The world that replays these runs."""
        return make_replay(self.shares, self.losses, self.names, self.targets, seed=seed, noise=noise, name=self.name)


def read_table(spec: str) -> RunsTable:
    """From `RUNS.csv` with columns `share/<domain>` and `loss/<target>`, or from the pair `MIX.csv,LOSS.csv`.

    The pair is joined on the column `index`, as in RegMix: all columns of the first are shares, all of
    the second losses. `BadTournament` says which file, row and column cannot be used, and why.
    """
    files = [Path(part.strip()) for part in spec.split(",") if part.strip()]
    if len(files) == 1:
        shares, losses = _one(files[0])
    elif len(files) == 2:
        shares, losses = _pair(*files)
    else:
        raise BadTournament(f"--table {spec}: give one file, or two as MIX.csv,LOSS.csv")
    found = RunsTable(_rows(shares), _rows(losses), tuple(shares), tuple(losses))
    try:
        found.world(seed=0, noise=0.0)
    except BadSetup as error:
        raise BadTournament(f"--table {spec}: {error}") from None
    return found


def _one(file: Path) -> tuple[Columns, Columns]:
    columns = _read(file)
    shares = {name.removeprefix(SHARE): column for name, column in columns.items() if name.startswith(SHARE)}
    losses = {name.removeprefix(LOSS): column for name, column in columns.items() if name.startswith(LOSS)}
    for kind, found in ((SHARE, shares), (LOSS, losses)):
        if not found:
            raise BadTournament(
                f"{file} has no column that begins with '{kind}' (it has {', '.join(list(columns)[:6])} ...); "
                f"name the columns {SHARE}<domain> and {LOSS}<target>, or give the pair MIX.csv,LOSS.csv"
            )
    return shares, losses


def _pair(mix: Path, loss: Path) -> tuple[Columns, Columns]:
    tables = [_read(file) for file in (mix, loss)]
    for file, columns in zip((mix, loss), tables, strict=True):
        if INDEX not in columns:
            raise BadTournament(f"{file} has no column '{INDEX}', on which the two files are joined")
    places = [{index: at for at, index in enumerate(columns.pop(INDEX))} for columns in tables]
    common = [index for index in places[0] if index in places[1]]
    if not common:
        raise BadTournament(f"{mix} and {loss} have no '{INDEX}' in common, so there is no run with shares and losses")
    return tuple(
        {_plain(name): [column[place[index]] for index in common] for name, column in columns.items()}
        for columns, place in zip(tables, places, strict=True)
    )  # type: ignore[return-value]


def _read(file: Path) -> Columns:
    """Columns by name; other columns than numbers cannot be used, `index` aside nothing is skipped."""
    if not file.is_file():
        raise BadTournament(f"there is no table at {file}")
    with file.open(newline="", encoding="utf-8-sig") as opened:
        lines = [line for line in csv.reader(opened) if line]
    if len(lines) < 2:
        raise BadTournament(f"{file} has no rows; the first line names the columns, each further line is a run")
    head, rows = lines[0], lines[1:]
    if len(set(head)) < len(head):
        twice = next(name for name in head if head.count(name) > 1)
        raise BadTournament(f"{file} has two columns named '{twice}'")
    for number, row in enumerate(rows, 2):
        if len(row) != len(head):
            raise BadTournament(
                f"{file}, line {number} has {len(row)} values; the first line names {len(head)} columns"
            )
    wanted = [at for at, name in enumerate(head) if _wanted(name, head)]
    return {head[at]: [_number(file, number, head[at], row[at]) for number, row in enumerate(rows, 2)] for at in wanted}


def _wanted(name: str, head: list[str]) -> bool:
    """In a file with prefixes everything without one is a remark."""
    prefixed = any(other.startswith((SHARE, LOSS)) for other in head)
    return name.startswith((SHARE, LOSS)) or not prefixed


def _number(file: Path, line: int, column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadTournament(f"{file}, line {line}: {column} is '{text}', which is no number; leave that run out")
    return value


def _plain(name: str) -> str:
    for before, after in _AROUND:
        name = name.removeprefix(before).removesuffix(after)
    return name


def _rows(columns: Columns) -> tuple[tuple[float, ...], ...]:
    return tuple(zip(*columns.values(), strict=True))
