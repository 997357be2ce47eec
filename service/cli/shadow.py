"""`service` is a name that others use too: make sure that our three packages come from one place."""

from __future__ import annotations

import importlib.util
from pathlib import Path

PACKAGES = ("policies", "trainers", "service")


def shadowed() -> str | None:
    """One sentence if a package of another project stands in front of ours, else None."""
    places = {name: _place(name) for name in PACKAGES}
    home = Path(__file__).resolve().parents[2]
    for name, place in places.items():
        if place != home:
            found = "nowhere" if place is None else f"in {place / name}"
            return (
                f"package '{name}' is found {found}, not beside the rest of Isthmus in {home}; "
                "start isthmus from another folder, or take that one off PYTHONPATH"
            )
    return None


def _place(name: str) -> Path | None:
    """The folder that holds the package which an import would find."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).resolve().parents[1]
