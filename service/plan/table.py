"""The answer to `isthmus plan`: rows by budget, as a table for people and as JSON for programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from policies.records import Interval
from service.plan.collect import Advice
from service.story import words


@dataclasses.dataclass(frozen=True)
class PlanRow:
    """The best plan for a new run of `budget` draws.

    `times_seen` is the budget in units of what the law has seen; `caution` says so in words where
    that is far, else it is empty. `pool_value` is the fall of the objective per further distinct draw.
    `gain` is over the baseline, in the objective's unit.
    """

    budget: int
    weights: Mapping[str, float]
    predicted: Mapping[str, Interval]
    predicted_baseline: Mapping[str, Interval]
    gain: Interval
    better: float
    binding: tuple[str, ...]
    exact: bool
    pool_value: Mapping[str, Interval]
    collect: tuple[Advice, ...]
    times_seen: float
    caution: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "budget": self.budget,
            "weights": dict(self.weights),
            "predicted": {name: value.to_dict() for name, value in self.predicted.items()},
            "predicted_baseline": {name: value.to_dict() for name, value in self.predicted_baseline.items()},
            "gain": self.gain.to_dict(),
            "probability_of_gain": self.better,
            "binding": list(self.binding),
            "exact": self.exact,
            "collect": [advice.to_dict() for advice in self.collect],
            "times_seen": self.times_seen,
            "caution": self.caution,
        }


@dataclasses.dataclass(frozen=True)
class PlanTable:
    """Plans for several budgets from the last law of one run; `seen` is how many draws that run had made."""

    run: str
    objective: str
    baseline: str
    seen: int
    rows: tuple[PlanRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON; intervals are 90 %."""
        rows = [row.to_dict() for row in self.rows]
        head = {"run": self.run, "objective": self.objective, "baseline": self.baseline, "seen": self.seen}
        return {**head, "level": 0.9, "rows": rows}

    def render(self) -> RenderableType:
        """For a terminal: one table by budget, one of losses, then what to collect."""
        return Group(*_parts(self))


def _parts(table: PlanTable) -> Iterator[RenderableType]:
    seen = words.count(table.seen)
    yield Text(f"What the laws of run '{table.run}' ({seen} draws seen) say of new runs. Intervals are 90 %.")
    yield _mixtures(table)
    yield _losses(table)
    for row in table.rows:
        if row.caution:
            yield Text(f"! {words.count(row.budget)} draws: {row.caution}", style="yellow")
    for row in table.rows:
        yield from _collect(row)


def _mixtures(table: PlanTable) -> Table:
    names = list(table.rows[0].weights)
    grid = Table(title="Best mixture", title_justify="left")
    better = "lower mean loss" if table.objective == "mean_log" else f"gain in {table.objective}"
    for head in ("budget", *names, f"{better} than {table.baseline}", "limits reached"):
        grid.add_column(head, justify="left" if head == "limits reached" else "right")
    for row in table.rows:
        gain = words.gain_cell(row.gain, table.objective)
        shares = [words.percent(row.weights.get(name, 0.0)) for name in names]
        grid.add_row(words.count(row.budget), *shares, gain, ", ".join(map(words.limit, row.binding)) or "-")
    return grid


def _losses(table: PlanTable) -> Table:
    names = list(table.rows[0].predicted)
    grid = Table(title="Predicted loss at the end", title_justify="left")
    for head in ("budget", *names):
        grid.add_column(head, justify="right")
    for row in table.rows:
        grid.add_row(words.count(row.budget), *(words.interval(row.predicted.get(name)) for name in names))
    return grid


def _collect(row: PlanRow) -> Iterator[Text]:
    if not row.collect:
        yield Text("Every pool is endless, so there is nothing to collect.")
        return
    yield Text(f"What to collect next, for {words.count(row.budget)} draws:", style="bold")
    for place, advice in enumerate(row.collect, start=1):
        yield Text(f"  {place}. {advice.words()}{'' if advice.sure else ' (the interval reaches zero)'}")
