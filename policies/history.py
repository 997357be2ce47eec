"""What was reported, thinned to a bounded number of rows: a refit costs the same on every day of a run."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from policies.laws import Rows
from policies.laws.groups import numbered
from policies.laws.rates import fallen
from policies.products import Group, as_products, with_report
from policies.records import MOST, Domain, LossReport
from policies.thinning import thinned

LIMIT = 256  # rows kept


@dataclasses.dataclass(frozen=True)
class Row:
    """One report, or the average of `count` neighbouring ones.

    draws: cumulative, by domain; log_loss: mean log loss by target, without those not measured;
    measured: how many reports that mean is over; sem: relative standard error of the mean.
    """

    position: float
    count: int
    draws: Mapping[str, float]
    log_loss: Mapping[str, float]
    measured: Mapping[str, int]
    sem: Mapping[str, float]
    lr_sum: float | None

    @classmethod
    def of(cls, report: LossReport) -> Row:
        """One report as a row."""
        losses = {name: loss for name, loss in report.eval_loss.items() if not math.isnan(loss)}
        sem = report.eval_sem or {}
        return cls(
            float(report.position),
            1,
            dict(report.draws),
            {name: math.log(loss) for name, loss in losses.items()},
            dict.fromkeys(losses, 1),
            {
                name: min(sem[name] / loss, MOST)
                for name, loss in losses.items()
                if not math.isnan(sem.get(name, math.nan))
            },
            report.lr_sum,
        )

    def merged(self, later: Row) -> Row:
        """The average of two rows, each counting as many times as it holds reports."""
        count = self.count + later.count

        def mean(a: float, b: float) -> float:
            return (self.count * a + later.count * b) / count

        measured = {name: self.measured.get(name, 0) + later.measured.get(name, 0) for name in self._targets(later)}
        losses = {
            name: math.fsum(row.measured.get(name, 0) * row.log_loss.get(name, 0.0) for row in (self, later)) / total
            for name, total in measured.items()
        }
        sem = {
            name: math.hypot(*(row.measured[name] * row.sem[name] for row in (self, later) if name in row.sem))
            / sum(row.measured[name] for row in (self, later) if name in row.sem)
            for name in measured
            if name in self.sem or name in later.sem
        }
        draws = {name: mean(self.draws.get(name, 0.0), draws) for name, draws in later.draws.items()}
        draws.update({name: value for name, value in self.draws.items() if name not in later.draws})
        both = self.lr_sum is not None and later.lr_sum is not None
        lr_sum = mean(self.lr_sum or 0.0, later.lr_sum or 0.0) if both else None
        return Row(mean(self.position, later.position), count, draws, losses, measured, sem, lr_sum)

    def _targets(self, later: Row) -> list[str]:
        return [*self.measured, *(name for name in later.measured if name not in self.measured)]


@dataclasses.dataclass(frozen=True)
class Since:
    """Where laws count from: what was drawn by then, by domain, and the sum of learning rates, None if unknown."""

    position: float
    draws: Mapping[str, float]
    lr_sum: float | None

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Since:
        return cls(float(body["position"]), dict(body["draws"]), body["lr_sum"])


FIRST = Since(0.0, {}, 0.0)


@dataclasses.dataclass(frozen=True)
class History:
    """Rows in order of position, each domain's draws when it was last heard of, and groups of gradient products."""

    rows: tuple[Row, ...] = ()
    left: Mapping[str, float] = dataclasses.field(default_factory=dict)
    products: tuple[Group, ...] = ()

    def append(self, report: LossReport) -> History:
        """A longer history; beyond the limit the two rows nearest in log position become one."""
        rows = thinned((*self.rows, Row.of(report)), LIMIT)
        return History(rows, {**self.left, **report.draws}, with_report(self.products, report))

    def at(self, total: float) -> Since:
        """Where the latest row with at most `total` draws stood."""
        seen: dict[str, float] = {}
        found = FIRST
        for row in self.rows:
            seen.update(row.draws)
            if math.fsum(seen.values()) > total * (1 + 1e-9):
                break
            found = Since(row.position, dict(seen), row.lr_sum)
        return found

    def arrays(self, domains: Sequence[Domain], last: LossReport | None, since: Since = FIRST) -> Rows:
        """All rows after `since` and the last report as arrays, over every domain and target heard of.

        Names are sorted, so that the order in which a caller lists domains changes nothing. What a
        domain that left had given stays given; before it joined a domain had given nothing.
        """
        rows = self.rows if last is None else (*self.rows, Row.of(last))
        pools = {domain.name: math.inf if domain.pool is None else float(domain.pool) for domain in domains}
        groups = {domain.name: domain.group for domain in domains}
        names = tuple(sorted({*pools, *(name for row in rows for name in row.draws)}))
        targets = tuple(sorted({name for row in rows for name in row.log_loss}))
        draws = np.zeros((len(rows), len(names)))
        losses, sem = np.full((2, len(rows), len(targets)), np.nan)
        seen = dict.fromkeys(names, 0.0)
        for i, row in enumerate(rows):
            seen.update(row.draws)
            draws[i] = [seen[name] for name in names]
            losses[i] = [row.log_loss.get(name, np.nan) for name in targets]
            sem[i] = [row.sem.get(name, np.nan) for name in targets]
        before = np.array([since.draws.get(name, 0.0) for name in names])
        time, anneal, time_since = self._time(rows, draws, since)
        counted = np.maximum(draws - before, 0.0)
        data = Rows(
            names,
            targets,
            np.array([names.index(name) if name in names else -1 for name in targets], dtype=np.int64),
            np.array([pools.get(name, math.inf) for name in names]),
            counted,
            losses,
            sem,
            time - time_since,
            anneal,
            np.array([float(row.count) for row in rows]),
            np.zeros(len(rows), dtype=np.int64),
            before,
            time_since,
            as_products(
                self.products if last is None else with_report(self.products, last),
                names,
                targets,
                after=since.position,
                before=before,
            ),
            numbered([groups.get(name) for name in names]),
        )
        late = np.array([row.position > since.position for row in rows], dtype=np.bool_)
        return data.keep((data.total > 0) & (data.time > 0) & late)

    @staticmethod
    def _time(rows: Sequence[Row], draws: np.ndarray[Any, Any], since: Since) -> tuple[Any, Any, float]:
        """Cumulative learning rate (the draws where it was not reported), how far the rate came down, and the
        first of these at `since`."""
        total = draws.sum(axis=1)
        if not rows or since.lr_sum is None or any(row.lr_sum is None for row in rows):
            return total, np.zeros(len(rows)), math.fsum(since.draws.values())
        time = np.array([row.lr_sum for row in rows], dtype=np.float64)
        position = np.array([row.position for row in rows])
        return time, fallen(position, time), since.lr_sum

    def to_dict(self) -> dict[str, Any]:
        return {
            "rows": [dataclasses.asdict(row) for row in self.rows],
            "left": dict(self.left),
            "products": [dataclasses.asdict(group) for group in self.products],
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> History:
        groups = tuple(Group(**group) for group in body.get("products", ()))
        return cls(tuple(Row(**row) for row in body["rows"]), dict(body["left"]), groups)
