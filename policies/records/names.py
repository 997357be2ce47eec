"""What a domain may be called: one rule for the YAML, for `Domain`, and for what the service takes in.

A name becomes part of the names of series (`transfer/<to>/<from>`, `predicted_final/<domain>_high`), which MLflow
cuts off at 250 characters, of folders, and of columns of tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from policies.records.errors import BadSetup

LONGEST_NAME = 64  # characters; two of them fit into the name of a series, with room to spare
PATTERN = rf"^[A-Za-z0-9][A-Za-z0-9_.\-]{{0,{LONGEST_NAME - 1}}}$"
RULE = f"use 1 to {LONGEST_NAME} letters (a to z), digits, '_', '-' and '.', beginning with a letter or a digit"
BOUNDS = ("_low", "_high")  # `predicted_final/<domain>` has its interval under these endings
_SHOWN = 40


class RecordedName(str):
    """A name as it was written down: read as it is, whatever the rule is today."""

    __slots__ = ()


def check_name(name: object, what: str = "domain") -> None:
    """Raise `BadSetup` unless `name` follows the rule; one that was recorded is let through."""
    if isinstance(name, RecordedName):
        return
    if not isinstance(name, str) or not name:
        raise BadSetup(f"{what} name is {name!r}; it must be a non-empty string")
    if not re.fullmatch(PATTERN, name) or name.endswith("\n"):
        long = f" ({len(name)} characters)" if len(name) > LONGEST_NAME else ""
        shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."
        raise BadSetup(f"{what} name {shown!r}{long} will not do; {RULE}")


def check_apart(names: Iterable[str]) -> None:
    """Raise `BadSetup` where two names would share a series or a file.

    `x` and `x_low` (or `x_high`): the second one's predicted loss would be the bound of the first's. Names that
    differ by case alone: a database or a file system that does not tell cases apart would merge them. Pairs that
    were recorded are left as they are.
    """
    known = list(dict.fromkeys(names))
    folded: dict[str, str] = {}
    for name in known:
        other = folded.setdefault(name.casefold(), name)
        if other != name and not (_recorded(name) and _recorded(other)):
            raise BadSetup(
                f"domains '{other}' and '{name}' differ by case alone, which many stores do not tell apart; rename one"
            )
    for name in known:
        for end in BOUNDS:
            other = folded.get(f"{name}{end}".casefold(), "")
            if other and not (_recorded(name) and _recorded(other)):
                raise BadSetup(
                    f"domains '{name}' and '{other}' cannot stand together: the series predicted_final/{name}{end} is "
                    f"the {end[1:]} end of what is predicted for '{name}'; rename one of them"
                )


def _recorded(name: str) -> bool:
    return isinstance(name, RecordedName)
