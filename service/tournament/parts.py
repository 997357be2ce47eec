"""The tables of a tournament as rows of words, for the page and for Markdown alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

from policies.records import Interval
from policies.tournament import Table
from policies.tournament.ahead import LawFigures
from policies.tournament.figures import Figures
from policies.tournament.static import StaticFigures
from policies.tournament.table import OURS, Overall
from service.story.words import NOTHING, figure, percent

Rows = tuple[list[str], list[list[str]]]  # head, cells


def share(value: float) -> str:
    """A share of a gap with two decimals; far below zero it is only said that it is."""
    if not math.isfinite(value):
        return NOTHING
    return f"{_zero(value, 2):.2f}" if value > -9.995 else f"{value:.0f}"


def with_ends(value: Interval, places: int = 2, *, signed: bool = False) -> str:
    """'0.71 [0.66, 0.75]'."""
    if not math.isfinite(value.mean):
        return NOTHING
    sign = "+" if signed else ""
    said, low, high = (f"{_zero(end, places):{sign}.{places}f}" for end in (value.mean, value.low, value.high))
    if not math.isfinite(value.low):
        return said
    return f"{said} [{low}, {high}]"


def ranked(table: Table) -> list[Overall]:
    """Policies over all worlds and noises, the best first by the mean loss relative to uniform."""
    return sorted((o for o in table.overall if o.noise is None), key=lambda o: o.loss)


def overall_rows(table: Table) -> Rows:
    head = ["policy", "runs", "share of gap closed", "log loss against uniform", "advantage over transfer_law",
            "most harm in a world", "worst 5 %", "left baseline", "probing", "CPU s"]  # fmt: skip
    rows = [
        [
            over.policy,
            f"{over.cells:,}",
            with_ends(over.closed),
            f"{_zero(over.loss, 4):+.4f}",
            NOTHING if over.advantage is None else with_ends(over.advantage, 4, signed=True),
            f"{percent(over.harm.mean, 0)} in {over.harmed}" if over.harm.mean > 0 else percent(over.harm.mean, 0),
            f"{_zero(over.worst5, 3):+.3f}" if math.isfinite(over.worst5) else NOTHING,
            percent(over.left_baseline, 0),
            percent(over.probing, 0),
            figure(over.seconds, 2),
        ]
        for over in ranked(table)
    ]
    return head, rows


def world_rows(table: Table, policy: str = OURS) -> Rows:
    """One policy in every world, with every figure."""
    head = ["world", "runs", "gap", "closed", "at 1 %", "from proportional", "regret", "harm",
            "harm against proportional", "worst 5 %", "worst target", "left baseline", "probing", "CPU s"]  # fmt: skip
    rows = []
    for world in table.worlds:
        row = table.row(policy, world)
        if row is not None:
            rows.append([world, *_world(row, table.row(policy, world, noise=0.01))])
    return head, rows


def _world(row: Figures, noisy: Figures | None) -> list[str]:
    return [
        f"{row.cells:,}",
        figure(row.gap, 2) if row.has_gap else "none",
        with_ends(row.closed),
        NOTHING if noisy is None else share(noisy.closed.mean),
        share(row.closed_proportional.mean),
        f"{_zero(row.regret.mean, 4):.4f}" if math.isfinite(row.regret.mean) else NOTHING,
        _rate(row.harm),
        percent(row.harm_proportional.mean, 0),
        f"{_zero(row.worst5, 4):+.4f}" if math.isfinite(row.worst5) else NOTHING,
        f"{_zero(row.worst_target, 3):+.3f}" if math.isfinite(row.worst_target) else NOTHING,
        percent(row.left_baseline.mean, 0),
        percent(row.probing, 0),
        figure(row.seconds, 2),
    ]


def _zero(value: float, places: int) -> float:
    """Without the minus sign of what will be shown as zero."""
    return 0.0 if round(value, places) == 0 else value


def _rate(value: Interval, places: int = 1) -> str:
    """A rate in percent with its interval."""
    if not math.isfinite(value.mean):
        return NOTHING
    if not math.isfinite(value.low):
        return percent(value.mean, places)
    return f"{percent(value.mean, places)} [{100 * value.low:.{places}f}, {100 * value.high:.{places}f}]"


def calibration_rows(table: Table, policies: Sequence[str]) -> Rows:
    head = ["policy", "world", "plans", "coverage of 90 %", "median width", "median error", "width / error",
            "gain held"]  # fmt: skip
    rows = []
    for policy in policies:
        for world in table.worlds:
            row = table.row(policy, world)
            if row is None or row.calibration is None:
                continue
            c = row.calibration
            rows.append([
                policy, world, f"{c.runs:,}", _rate(c.coverage), figure(c.width, 2), figure(c.error, 2),
                f"{c.ratio:.1f}" if math.isfinite(c.ratio) else NOTHING, percent(c.gain.mean, 0),
            ])  # fmt: skip
    return head, rows


def law_rows(table: Table) -> Rows:
    head = ["policy", "where", "draws", "runs", "error", "own power laws", "ratio", "rank", "R² in a domain",
            "R² of own", "coverage of 90 %", "width / error"]  # fmt: skip
    rows = [[policy, *_law(row)] for policy, found in table.laws.items() for row in found]
    return head, rows


def _law(row: LawFigures) -> list[str]:
    return [
        row.world or "all worlds",
        "2\u00a0to\u00a016\u00a0×" if row.factor is None else f"{row.factor}\u00a0×",
        f"{row.runs:,}",
        figure(row.error, 2),
        figure(row.own_error, 2),
        f"{row.ratio:.2f}",
        share(row.rank),
        share(row.r2),
        share(row.own_r2),
        _rate(row.coverage),
        f"{row.width / row.median_error:.1f}" if row.median_error > 0 else NOTHING,
    ]


def static_rows(static: Sequence[StaticFigures]) -> Rows:
    head = ["fitted on", "splits", "mean relative error", "rank by target", "coverage of 90 %", "width / error"]
    rows = [
        [f"{row.runs} runs", str(row.splits), _rate(row.error, 2), with_ends(row.rank, 3), _rate(row.coverage),
         f"{row.width / row.median_error:.1f}" if row.median_error > 0 else NOTHING]
        for row in static
    ]  # fmt: skip
    return head, rows


def closed_rows(table: Table) -> Rows:
    """Share of the gap closed, policy by world; where there is no gap the rate of harm, in percent."""
    order = [over.policy for over in ranked(table)]
    rows = []
    for policy in order:
        found = [table.row(policy, world) for world in table.worlds]
        rows.append([policy, *(NOTHING if row is None else closed_or_harm(row) for row in found)])
    return ["policy", *table.worlds], rows


def closed_or_harm(row: Figures) -> str:
    return share(row.closed.mean) if row.has_gap else percent(row.harm.mean, 0)
