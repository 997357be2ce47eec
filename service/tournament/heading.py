"""What a result page must name: the command, the seeds, the version, the date."""

from __future__ import annotations

import dataclasses
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from service.tournament.order import Order


@dataclasses.dataclass(frozen=True)
class Heading:
    """Where the figures come from; `options` of the entrants that do not run with their defaults."""

    command: str
    date: str
    version: str
    seeds: str
    domains: tuple[int, ...]
    noise: tuple[float, ...]
    policies: tuple[str, ...]
    worlds: tuple[str, ...]
    options: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, order: Order, command: str, date: str) -> Heading:
        sizes = order.domains if order.table is None or len(order.worlds) > 1 else (order.table.K,)
        return cls(
            command=command or "run_tournament(...)",
            date=date,
            version=code_version(),
            seeds=_seeds(order),
            domains=sizes,
            noise=order.noise,
            policies=tuple(entrant.name for entrant in order.entrants),
            worlds=order.worlds,
            options={e.name: dict(e.options) for e in order.entrants if e.options},
        )

    def params(self) -> dict[str, str]:
        """For MLflow."""
        body = dataclasses.asdict(self)
        listed = {key: ",".join(map(str, value)) for key, value in body.items() if isinstance(value, tuple)}
        plain = {key: value for key, value in body.items() if isinstance(value, str)}
        return {key: value[:500] for key, value in (listed | plain).items() if value}


def _seeds(order: Order) -> str:
    """'0 to 19 in each world', and how many more for those whose rates of harm need them."""
    last = order.first_seed + order.seeds - 1
    said = f"{order.first_seed} to {last} in each world"
    if order.many > order.seeds:
        said += f", to {order.first_seed + order.many - 1} for transfer_law, uniform and proportional"
    return said


def code_version() -> str:
    """Version, and the commit where this runs from a checkout; '+ changes' if `policies` differs from it."""
    try:
        said = version("isthmus")
    except PackageNotFoundError:
        said = "unknown version"
    commit = _git("rev-parse", "--short=10", "HEAD")
    if not commit:
        return said
    changed = _git("status", "--porcelain", "--", "policies")
    return f"{said}, commit {commit}{' + changes' if changed else ''}"


def _git(*arguments: str) -> str:
    """What git says about the source this runs from; empty for an installed wheel."""
    here = Path(__file__).resolve().parents[2]
    try:
        done = subprocess.run(
            ["git", "-C", str(here), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
