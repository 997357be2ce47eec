"""What was measured, against what is wanted, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

Row = tuple[str, str, str, bool]  # what, figure, bound, held


def show(title: str, rows: Sequence[Row]) -> int:
    """Print the rows; the exit code: 0 where every bound holds, else 1."""
    table = Table(title=title, title_justify="left")
    for column in ("measured", "figure", "bound", ""):
        table.add_column(column, overflow="fold")
    for what, figure, bound, held in rows:
        table.add_row(what, figure, bound, "" if not bound else "holds" if held else "MISSED")
    Console(width=max(120, Console().width)).print(table)
    return 0 if all(held for *_, held in rows) else 1
