"""The scan as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from trainers.volumes.files import in_words
from trainers.volumes.records import Problem
from trainers.volumes.scanning import Scan, summary

MOST_LINES = 50


def renderables(found: Scan, problems: Mapping[str, Sequence[Problem]] | None = None) -> list[RenderableType]:
    """A table of domains, then every problem, duplicate and leak with what to do, then the disk needed.

    `problems` by domain are those of a verdict; without them those of the scan are shown. All of them are listed.
    """
    body = summary(found)
    shown = problems if problems is not None else {name: domain.problems for name, domain in found.domains.items()}
    parts: list[RenderableType] = [_domains(body["domains"], {name: len(those) for name, those in shown.items()})]
    parts += [Text(line) for line in finding_lines(found, local=True)]
    lines = [problem.line(local=True) for those in shown.values() for problem in those]
    parts += _listed("Problems", lines, "red", most=len(lines))
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


def _domains(domains: dict[str, dict[str, object]], problems: Mapping[str, int]) -> Table:
    table = Table(title="Domains")
    table.add_column("domain", no_wrap=True)
    for heading in ("kind", "files", "volumes", "subjects", "held out", "crops", "spacing mm", "problems"):
        table.add_column(heading, justify="left" if heading in ("kind", "spacing mm") else "right")
    for name, row in domains.items():
        held = "slab" if row["slab"] else str(row["held_out_volumes"])
        counts = [str(row[field]) for field in ("kind", "files", "volumes", "subjects")]
        count = Text(str(problems[name]), style="red" if problems[name] else "")
        table.add_row(name, *counts, held, str(row["crops"]), _spacing(row), count)
    return table


def _spacing(row: dict[str, object]) -> str:
    low, high = row["spacing_low"], row["spacing_high"]
    if not isinstance(low, list) or not isinstance(high, list):
        return "-"
    spans = [f"{a:.3g}" if abs(a - b) < 0.005 else f"{a:.3g}-{b:.3g}" for a, b in zip(low, high, strict=True)]
    return " x ".join(spans)


def _listed(title: str, lines: list[str], style: str, most: int = MOST_LINES) -> list[RenderableType]:
    if not lines:
        return []
    shown = [Text(f"  {line}") for line in lines[:most]]
    rest = [Text(f"  ... and {len(lines) - most} more")] if len(lines) > most else []
    return [Text(f"{title}: {len(lines)}", style=f"bold {style}"), *shown, *rest]
