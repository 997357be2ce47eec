"""The results as Markdown, to stand in a repository."""

from __future__ import annotations

from collections.abc import Sequence

from policies.tournament import Table, goals
from policies.tournament.static import StaticFigures
from policies.tournament.table import OURS
from service.story.words import plural
from service.tournament.cell import Outcome
from service.tournament.heading import Heading
from service.tournament.parts import (
    Rows,
    calibration_rows,
    closed_rows,
    law_rows,
    overall_rows,
    static_rows,
    world_rows,
)


def markdown(table: Table, failed: Sequence[Outcome], heading: Heading, static: Sequence[StaticFigures] = ()) -> str:
    """The same tables as on the page; the figures are there only."""
    parts = [
        "# Tournament",
        f"`{heading.command}`" + (f", {heading.date}" if heading.date else "") + f", version {heading.version}.",
        f"Seeds {heading.seeds}; K {_listed(heading.domains)}; evaluation noise {_listed(heading.noise)}, dealt out "
        "over the seeds. Scores are noise-free mean log losses at the end of the budget; intervals are 95 %.",
    ]
    if heading.options:
        parts.append("Options other than the defaults: " + "; ".join(_options(heading)) + ".")
    if failed:
        parts.append(f"**{plural(len(failed), 'cell')} failed** and {'is' if len(failed) == 1 else 'are'} left out.")
    asked = goals(table)
    if asked:
        rows = [[goal.asked, goal.found, "yes" if goal.reached else "**no**"] for goal in asked]
        parts += ["## What was asked", _table((["asked of transfer_law", "found", "reached"], rows))]
    parts += ["## All worlds", _table(overall_rows(table)), "## Share of the gap closed", _table(closed_rows(table))]
    if OURS in table.policies:
        parts += [f"## {OURS} in every world", _table(world_rows(table))]
    calibrated = calibration_rows(table, [p for p in table.policies if p in table.laws])
    if calibrated[1]:
        parts += ["## Plans published at 30 %", _table(calibrated)]
    if table.laws:
        parts += ["## Laws alone", _table(law_rows(table))]
    if static:
        parts += ["## New mixtures of the real runs", _table(static_rows(static))]
    return "\n\n".join(parts) + "\n"


def _table(rows: Rows) -> str:
    head, body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _listed(values: Sequence[object]) -> str:
    return ", ".join(map(str, values))


def _options(heading: Heading) -> list[str]:
    return [
        f"{policy} " + ", ".join(f"{name}={_short(value)}" for name, value in options.items())
        for policy, options in heading.options.items()
    ]


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
