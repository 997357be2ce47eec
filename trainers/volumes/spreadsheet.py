"""Tables of volumes as spreadsheets write them: comma, semicolon or tab; UTF-8 with or without its mark, or UTF-16.

A table that could be read in two ways is refused with the line.
"""

from __future__ import annotations

import csv
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

from trainers.config.text import NoText, read_text
from trainers.volumes.errors import BadData
from trainers.volumes.locations import expand

TRUE, FALSE = ("true", "1", "yes", "1.0"), ("false", "0", "no", "0.0")
SEPARATORS = ",;\t"


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of a table. `held_out` is None where its cell is empty or there is no such column."""

    line: int
    path: Path
    subject: str
    held_out: bool | None


def read_rows(domain: str, table: Path) -> tuple[list[Row], int]:
    """The rows of a table, each path once, and how many said the same again.

    Raises `BadData` with the line that will not do.
    """
    rows: dict[Path, Row] = {}
    again = 0
    for row in _rows(domain, table):
        before = rows.setdefault(row.path, row)
        again += before is not row
        if (before.subject, before.held_out) != (row.subject, row.held_out):
            other = "subject" if before.subject != row.subject else "held_out"
            raise BadData(
                f"domain '{domain}': lines {before.line} and {row.line} of {table} name the same file with another "
                f"{other}; keep one of them"
            )
    return list(rows.values()), again


def _rows(domain: str, table: Path) -> Iterator[Row]:
    where = f"domain '{domain}': {table}"
    lines = _text(where, table).splitlines(keepends=True)
    skipped = 1 if lines and lines[0].lower().startswith("sep=") else 0
    lines = lines[skipped:]
    head = lines[0] if lines else ""
    reader = csv.reader(lines, delimiter=max(SEPARATORS, key=head.count))
    try:
        columns = [cell.strip().lower() for cell in next(reader, [])]
        _check_columns(where, columns)
        for cells in reader:
            number = reader.line_num + skipped
            if any(cell.strip() for cell in cells[len(columns) :]):
                raise BadData(
                    f"{where}: line {number} has {len(cells)} cells for {len(columns)} columns; quote the cell that "
                    "holds the separator"
                )
            if any(cell.strip() for cell in cells):
                yield _row(domain, table, number, dict(zip(columns, cells, strict=False)))
    except csv.Error as error:
        raise BadData(f"{where}: line {reader.line_num + skipped} is no line of a table ({error}); mend it") from None


def _text(where: str, table: Path) -> str:
    try:
        return read_text(table)
    except OSError as error:
        raise BadData(f"{where} cannot be read ({error.strerror}); give the right to read it") from None
    except NoText as error:
        raise BadData(f"{where.split(':')[0]}: {error}") from None


def _check_columns(where: str, columns: list[str]) -> None:
    if not {"path", "subject"} <= set(columns):
        raise BadData(
            f"{where} has the columns {', '.join(sorted(filter(None, columns))) or 'none'}; "
            "it needs path and subject, and may have held_out"
        )
    for name in ("path", "subject", "held_out"):
        if columns.count(name) > 1:
            raise BadData(f"{where} has the column {name} {columns.count(name)} times; keep one of them")


def _row(domain: str, table: Path, number: int, row: dict[str, str]) -> Row:
    text, subject = row.get("path", "").strip(), row.get("subject", "").strip()
    held = row.get("held_out", "").strip().lower()
    if not text or not subject:
        raise BadData(f"domain '{domain}': line {number} of {table} lacks a path or a subject; fill it in")
    if held not in ("", *TRUE, *FALSE):
        raise BadData(f"domain '{domain}': held_out in line {number} of {table} is {held!r}; write true or false")
    return Row(number, _place(text, table.parent), subject, held in TRUE if held else None)


def _place(text: str, folder: Path) -> Path:
    """The path of a cell; one written with backslashes is tried with slashes, too."""
    path = expand(text, folder)
    if "\\" in text and not os.path.lexists(path):
        return expand(text.replace("\\", "/"), folder)
    return path
