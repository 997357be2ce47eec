"""The scan as a person reads it."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from trainers.volumes.files import in_words
from trainers.volumes.scanning import Scan, summary

MOST_LINES = 50


def renderables(found: Scan) -> list[RenderableType]:
    """A table of domains, then every problem, duplicate and leak with what to do, then the disk needed."""
    body = summary(found)
    parts: list[RenderableType] = [_domains(body["domains"])]
    parts += [Text(line) for line in finding_lines(found, local=True)]
    parts += _listed("Problems", [p.line(local=True) for p in found.problems], "red")
    same = [f"{d.second[1]} of '{d.second[0]}' = {d.first[1]} of '{d.first[0]}'" for d in found.duplicates]
    parts += _listed("Duplicates by voxels (one side of the split, once per domain)", same, "yellow")
    both = [f"{file}: held out in '{held}', trained on in '{train}'" for file, held, train in found.both]
    parts += _listed("Subjects on both sides (a slab of an only subject; a table that marks it both ways)", both, "red")
    parts.append(Text(f"The cache still needs {in_words(found.bytes_needed)}."))
    return parts


def finding_lines(found: Scan, *, local: bool = False) -> list[str]:
    """How the subjects of each domain were found and what was passed over that needs no mending.

    With `local` three subjects of each rule are named: that must not leave the machine.
    """
    return [
        f"'{name}': {line}"
        for name, domain in found.domains.items()
        for line in (*(rule.line(local=local) for rule in domain.rules), *domain.notes)
    ]


def _domains(domains: dict[str, dict[str, object]]) -> Table:
    table = Table(title="Domains")
    table.add_column("domain", no_wrap=True)
    for heading in ("kind", "files", "volumes", "subjects", "held out", "crops (est.)", "spacing mm", "problems"):
        table.add_column(heading, justify="left" if heading in ("kind", "spacing mm") else "right")
    for name, row in domains.items():
        held = "slab" if row["slab"] else str(row["held_out_volumes"])
        problems = row["problems"]
        assert isinstance(problems, list)
        counts = [str(row[field]) for field in ("kind", "files", "volumes", "subjects")]
        style = "red" if problems else None
        count = Text(str(len(problems)), style=style or "")
        table.add_row(name, *counts, held, str(row["crops"]), _spacing(row), count)
    return table


def _spacing(row: dict[str, object]) -> str:
    low, high = row["spacing_low"], row["spacing_high"]
    if not isinstance(low, list) or not isinstance(high, list):
        return "-"
    spans = [f"{a:.3g}" if abs(a - b) < 0.005 else f"{a:.3g}-{b:.3g}" for a, b in zip(low, high, strict=True)]
    return " x ".join(spans)


def _listed(title: str, lines: list[str], style: str) -> list[RenderableType]:
    if not lines:
        return []
    shown = [Text(f"  {line}") for line in lines[:MOST_LINES]]
    rest = [Text(f"  ... and {len(lines) - MOST_LINES} more")] if len(lines) > MOST_LINES else []
    return [Text(f"{title}: {len(lines)}", style=f"bold {style}"), *shown, *rest]
