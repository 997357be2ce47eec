"""The three result files: figures for programs, a table for a README, a page for people."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from policies.tournament import CellResult, Table, goals
from policies.tournament.static import StaticFigures
from service.files import write_text
from service.tournament.cell import Outcome
from service.tournament.heading import Heading
from service.tournament.markdown import markdown
from service.tournament.page import page


def write_results(
    table: Table,
    cells: Sequence[CellResult],
    failed: Sequence[Outcome],
    heading: Heading,
    out: Path,
    static: Sequence[StaticFigures] = (),
) -> tuple[Path, ...]:
    """Write `results.json`, `results.md` and `results.html`, each there whole or not at all."""
    body = {
        "heading": dataclasses.asdict(heading),
        "cells": len(cells),
        "failed": [_lost(outcome) for outcome in failed],
        "goals": [dataclasses.asdict(goal) for goal in goals(table)],
        "new_mixtures": [dataclasses.asdict(row) for row in static],
        **table.to_dict(),
    }
    texts = {
        "results.html": page(table, cells, failed, heading, static),
        "results.md": markdown(table, failed, heading, static),
        "results.json": json.dumps(_rounded(body), allow_nan=False) + "\n",
    }
    return tuple(write_text(out / name, text) for name, text in texts.items())


def _rounded(value: Any) -> Any:
    """Six significant digits are more than any figure here has."""
    if isinstance(value, float):
        return None if math.isnan(value) else float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list | tuple) else value


def goal_lines(table: Table) -> list[str]:
    """A line for each goal, for a terminal."""
    return [f"{'yes' if goal.reached else ' no'}  {goal.asked}: {goal.found}" for goal in goals(table)]


def _lost(outcome: Outcome) -> dict[str, Any]:
    return {"policy": outcome.entrant, **dataclasses.asdict(outcome.place), "error": outcome.error}
