"""Checks shared by the records. Each message holds the bad value and the cure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Real

from policies.records.errors import BadSetup

SHARE_TOLERANCE = 1e-9
MOST = 1e18  # draws, costs, sums of rates: what is larger is a mistake, and products of such numbers would overflow
OBJECTIVES = ("mean_log", "mean_excess", "worst_excess")


def number(what: str, value: object, error: type[ValueError] = BadSetup) -> float:
    """`value` as a plain int or float, whatever library it is from; raises `error` where it is no number."""
    if isinstance(value, bool) or not isinstance(value, (int, Real)):
        raise error(f"{what} is {value!r}; it must be a number")
    try:
        plain = float(value)
    except OverflowError:
        raise error(f"{what} is too large for a number of 64 bits") from None
    return int(value) if isinstance(value, int) else plain


def named(what: str, values: object, error: type[ValueError] = BadSetup) -> dict[str, float]:
    """Plain numbers by name."""
    if not isinstance(values, Mapping):
        raise error(f"{what} is {values!r}; give numbers by name")
    for name in values:
        if not isinstance(name, str):
            raise error(f"{what} has the name {name!r}; names must be strings")
    return {name: number(f"{what} of '{name}'", value, error) for name, value in values.items()}


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


def check_mixture(weights: Mapping[str, float], domains: Iterable[str] | None = None) -> dict[str, float]:
    """The shares as plain numbers; `BadSetup` unless they are a point on the simplex (over `domains`, if given)."""
    if not isinstance(weights, Mapping):
        raise BadSetup(f"the mixture is {weights!r}; give shares by domain")
    if not weights:
        raise BadSetup("the mixture is empty; give a share for at least one domain")
    if domains is not None:
        check_names(weights, domains, "mixture")
    shares = {name: number(f"share of '{name}'", share) for name, share in weights.items()}
    for name, share in shares.items():
        if not math.isfinite(share) or share < 0:
            raise BadSetup(f"share of '{name}' is {share}; shares must be finite and >= 0")
        if share > MOST:  # whose sum might overflow
            raise BadSetup(f"share of '{name}' is {share}; the shares must sum to 1")
    total = math.fsum(shares.values())
    if abs(total - 1) > SHARE_TOLERANCE * max(1, len(weights)):
        raise BadSetup(f"the shares sum to {total:.12g}; divide each by the sum so that they sum to 1")
    return shares


def check_names(given: Iterable[str], known: Iterable[str], what: str) -> None:
    """Raise `BadSetup` if the two sets of names differ, naming the difference."""
    given_set, known_list = set(given), list(known)
    for name in sorted(given_set - set(known_list), key=str):
        raise BadSetup(f"{what}: unknown domain '{name}'; known are {', '.join(known_list)}")
    for name in known_list:
        if name not in given_set:
            raise BadSetup(f"{what}: domain '{name}' is missing")
