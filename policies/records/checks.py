"""Checks shared by the records. Each message holds the bad value and the cure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from policies.records.errors import BadSetup

SHARE_TOLERANCE = 1e-9
OBJECTIVES = ("mean_log", "mean_excess", "worst_excess")


def plain_number(value: float | None) -> float:
    """JSON null means not measured, which Python holds as NaN."""
    return math.nan if value is None else float(value)


def json_number(value: float) -> float | None:
    """The inverse of `plain_number`; an infinite value has no place in a record."""
    return None if math.isnan(value) else float(value)


def plain_mapping(values: Mapping[str, float | None] | None) -> dict[str, float] | None:
    """Numbers by name, null read as NaN; None stays None."""
    return None if values is None else {name: plain_number(v) for name, v in values.items()}


def json_mapping(values: Mapping[str, float] | None) -> dict[str, float | None] | None:
    """Numbers by name, NaN written as null; None stays None."""
    return None if values is None else {name: json_number(v) for name, v in values.items()}


def check_mixture(weights: Mapping[str, float], domains: Iterable[str] | None = None) -> None:
    """Raise `BadSetup` unless `weights` is a point on the simplex (over `domains`, if given)."""
    if not weights:
        raise BadSetup("the mixture is empty; give a share for at least one domain")
    if domains is not None:
        check_names(weights, domains, "mixture")
    for name, share in weights.items():
        if not math.isfinite(share) or share < 0:
            raise BadSetup(f"share of '{name}' is {share}; shares must be finite and >= 0")
    total = math.fsum(weights.values())
    if abs(total - 1) > SHARE_TOLERANCE * max(1, len(weights)):
        raise BadSetup(f"the shares sum to {total:.12g}; divide each by the sum so that they sum to 1")


def check_names(given: Iterable[str], known: Iterable[str], what: str) -> None:
    """Raise `BadSetup` if the two sets of names differ, naming the difference."""
    given_set, known_list = set(given), list(known)
    for name in sorted(given_set - set(known_list)):
        raise BadSetup(f"{what}: unknown domain '{name}'; known are {', '.join(known_list)}")
    for name in known_list:
        if name not in given_set:
            raise BadSetup(f"{what}: domain '{name}' is missing")
