"""The table of a tournament, from its cells: figures by policy and world, over all worlds, and of the laws alone."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from policies.records import Interval
from policies.tournament.ahead import LawFigures, law_figures
from policies.tournament.figures import Figures, closed_samples, figures
from policies.tournament.paired import advantage, differences
from policies.tournament.resample import between
from policies.tournament.result import CellResult

OURS = "transfer_law"
MOST = 1.0  # a world whose oracle is beaten counts as closed, no more


@dataclasses.dataclass(frozen=True)
class Row:
    """One policy in one world; K and noise are None where all are taken together."""

    policy: str
    world: str
    K: int | None
    noise: float | None
    figures: Figures


@dataclasses.dataclass(frozen=True)
class Overall:
    """One policy over all worlds, each counted once; noise None means every noise together.

    Parameters
    ----------
    closed:
        Mean over the worlds with a gap of the share closed, each capped at 1.
    loss:
        Mean over all worlds of score - uniform.
    harmed:
        The largest rate of harm in a world, and that world.
    advantage, by_world:
        How much lower than `transfer_law` it ends on the same cells; None for `transfer_law` itself.
    """

    policy: str
    noise: float | None
    cells: int
    worlds: int
    closed: Interval
    loss: float
    harm: Interval
    harmed: str
    worst5: float
    left_baseline: float
    probing: float
    seconds: float | None
    advantage: Interval | None
    by_world: Mapping[str, Interval]


@dataclasses.dataclass(frozen=True)
class Table:
    """All figures of a tournament. `laws` holds for each policy with a law its rows over all worlds, then by world."""

    policies: tuple[str, ...]
    worlds: tuple[str, ...]
    rows: tuple[Row, ...]
    overall: tuple[Overall, ...]
    laws: Mapping[str, tuple[LawFigures, ...]]

    def row(self, policy: str, world: str, *, K: int | None = None, noise: float | None = None) -> Figures | None:
        """The figures of one policy in one world; None where it did not run there."""
        wanted = (policy, world, K, noise)
        return next((r.figures for r in self.rows if (r.policy, r.world, r.K, r.noise) == wanted), None)

    def over(self, policy: str, noise: float | None = None) -> Overall | None:
        return next((o for o in self.overall if (o.policy, o.noise) == (policy, noise)), None)

    def to_dict(self) -> dict[str, Any]:
        """JSON: NaN is written as null."""
        body: dict[str, Any] = _plain(dataclasses.asdict(self))
        return body


def make_table(cells: Sequence[CellResult], *, rng: np.random.Generator, ours: str = OURS) -> Table:
    """From cells in any order; rows appear in the order of the policies and worlds of the cells.

    Rows: every (policy, world) with all K and noises together, by noise, and by K where there are several.
    """
    policies = tuple(dict.fromkeys(cell.policy for cell in cells))
    worlds = tuple(dict.fromkeys(cell.world for cell in cells))
    grouped = _grouped(cells)
    noises = sorted({cell.noise for cell in cells if math.isfinite(cell.noise)})
    rows = [row for group in grouped.values() for row in _rows(group, rng)]
    found = {(row.policy, row.world, row.noise): row.figures for row in rows if row.K is None}
    overall = [
        _overall(policy, noise, grouped, worlds, found, rng, ours) for policy in policies for noise in (None, *noises)
    ]
    return Table(
        policies=policies,
        worlds=worlds,
        rows=tuple(rows),
        overall=tuple(row for row in overall if row is not None),
        laws=_laws(policies, worlds, grouped, rng),
    )


Grouped = dict[tuple[str, str], list[CellResult]]


def _grouped(cells: Sequence[CellResult]) -> Grouped:
    groups: Grouped = {}
    for cell in cells:
        groups.setdefault((cell.policy, cell.world), []).append(cell)
    return groups


def _rows(cells: Sequence[CellResult], rng: np.random.Generator) -> list[Row]:
    policy, world = cells[0].policy, cells[0].world
    noises = sorted({cell.noise for cell in cells if math.isfinite(cell.noise)})
    sizes = sorted({cell.K for cell in cells})
    parts: list[tuple[int | None, float | None]] = [(None, None), *((None, noise) for noise in noises)]
    parts += [(K, None) for K in sizes]
    return [Row(policy, world, K, noise, figures(_part(cells, K, noise), rng)) for K, noise in parts]


def _part(cells: Sequence[CellResult], K: int | None, noise: float | None) -> list[CellResult]:
    return [cell for cell in cells if K in (None, cell.K) and noise in (None, cell.noise)]


def _overall(
    policy: str,
    noise: float | None,
    grouped: Grouped,
    worlds: Sequence[str],
    found: Mapping[tuple[str, str, float | None], Figures],
    rng: np.random.Generator,
    ours: str,
) -> Overall | None:
    mine = {world: part for world in worlds if (part := _part(grouped.get((policy, world), []), None, noise))}
    if not mine:
        return None
    every = [cell for part in mine.values() for cell in part]
    here = {world: found[policy, world, noise] for world in mine}
    worst = max(here, key=lambda world: _or(here[world].harm.mean, -1.0))
    best = [cell for world in worlds for cell in _part(grouped.get((ours, world), []), None, noise)]
    gain, by_world = advantage(differences(every, best), rng) if policy != ours else (None, {})
    seconds = [f.seconds for f in here.values() if f.seconds is not None]
    return Overall(
        policy=policy,
        noise=noise,
        cells=len(every),
        worlds=len(mine),
        closed=_closed({world: part for world, part in mine.items() if here[world].has_gap}, rng),
        loss=float(np.mean([f.loss.mean for f in here.values()])),
        harm=here[worst].harm,
        harmed=worst,
        worst5=float(np.max([_or(f.worst5, -math.inf) for f in here.values()])),
        left_baseline=float(np.mean([f.left_baseline.mean for f in here.values()])),
        probing=float(np.mean([f.probing for f in here.values()])),
        seconds=float(np.mean(seconds)) if seconds else None,
        advantage=gain,
        by_world=by_world,
    )


def _closed(mine: Mapping[str, Sequence[CellResult]], rng: np.random.Generator) -> Interval:
    """Mean over worlds of the share closed, capped at 1; resampled within each world."""
    pairs = [closed_samples(part, rng) for part in mine.values()]
    known = [(value, samples) for value, samples in pairs if math.isfinite(value)]
    if not known:
        return Interval(math.nan, math.nan, math.nan)
    value = float(np.mean([min(value, MOST) for value, _ in known]))
    return between(value, np.mean([np.minimum(samples, MOST) for _, samples in known], axis=0))


def _laws(
    policies: Sequence[str], worlds: Sequence[str], grouped: Grouped, rng: np.random.Generator
) -> dict[str, tuple[LawFigures, ...]]:
    found = {}
    for policy in policies:
        every = [cell for world in worlds for cell in grouped.get((policy, world), [])]
        rows = law_figures(every, rng)
        for world in worlds if rows else ():
            rows += law_figures(grouped.get((policy, world), []), rng, world=world)[:1]
        if rows:
            found[policy] = rows
    return found


def _or(value: float, other: float) -> float:
    return value if math.isfinite(value) else other


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
