"""Names and counts that a loop gives, held against what the run knows."""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from service.client.errors import BadValue, UnknownName

MOST_SHOWN = 20  # names in one sentence


def nearest(name: str, known: Iterable[str]) -> str:
    """' (did you mean ...?)' where a known name is close, or one is a part of the other, else an empty string."""
    folded = {_folded(one): one for one in known}
    found = folded.get(_folded(name))
    if found is None:
        close = difflib.get_close_matches(_folded(name), list(folded), n=1)
        inside = [one for part, one in folded.items() if part in _parts(name)]
        around = [one for one in folded.values() if _folded(name) in _parts(one)]
        found = folded[close[0]] if close else next(iter([*inside, *around]), None)
    return "" if found is None else f" (did you mean '{found}'?)"


def unknown_target(name: Any, known: Sequence[str], field: str) -> UnknownName:
    """The error for a held-out loss of nobody."""
    if not isinstance(name, str):
        return UnknownName(f"{field} has the key {name!r}; give the names of targets, which are {_listed(known)}")
    return UnknownName(f"{field} names an unknown target '{name}'{nearest(name, known)}; known are {_listed(known)}")


def unknown_domain(name: Any, known: Sequence[str], field: str, then: str) -> UnknownName:
    """The error for a domain that `field` names and this run does not have; `then`: what comes of it."""
    hint = nearest(name, known) if isinstance(name, str) else ""
    return UnknownName(f"{field} names an unknown domain {name!r}{hint}; known are {_listed(known)}; {then}")


def domain_name(value: Any, domains: Sequence[str]) -> str:
    """The domain that a loop names, or gives by its number; raises `UnknownName`."""
    if isinstance(value, str):
        if value in domains:
            return value
        raise UnknownName(f"'{value}' is no domain of this run{nearest(value, domains)}; known are {_listed(domains)}")
    index = _index(value)
    if index is None:
        raise UnknownName(f"{value!r} is neither a name nor a number of a domain; known are {_listed(domains)}")
    if not 0 <= index < len(domains):
        raise UnknownName(f"{index} is no number of a domain; they run from 0 to {len(domains) - 1}")
    return domains[index]


def listed(values: Any) -> Sequence[Any]:
    """One value or a batch of them, whatever it is made of, as a list."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    if values is None or isinstance(values, str | bytes | int | float):
        return [values]
    if isinstance(values, Mapping):
        raise BadValue(f"a mapping was given, {values!r}; count each domain by itself: count(name, draws)")
    return list(values)


def whole_draws(value: Any) -> int:
    """A count of draws; raises `BadValue` for what is negative, no whole number, or no number at all."""
    plain = math.nan if isinstance(value, bool | str | bytes) else _float(value)
    if not (math.isfinite(plain) and plain >= 0 and plain == int(plain)):
        raise BadValue(f"draws is {value!r}; count a whole number of draws >= 0")
    return int(plain)


def mean_losses(loss: Any, names: int) -> list[float | None]:
    """A training loss for each of so many names, from one number, or from one for each; raises `BadValue`."""
    if loss is None:
        return [None] * names
    values = list(listed(loss))
    if len(values) not in (1, names):
        raise BadValue(f"loss holds {len(values)} numbers for {names} draws; give one, or one for each")
    try:
        plain = [None if value is None else float(value) for value in values]
    except (TypeError, ValueError, RuntimeError):
        raise BadValue(f"loss is {loss!r}; give one number, or one for each draw") from None
    return plain * names if len(plain) == 1 else plain


def finite(value: Any, what: str) -> float:
    """A number >= 0, such as a learning rate; raises `BadValue` naming `what`."""
    plain = math.nan if isinstance(value, bool | str | bytes) else _float(value)
    if not (math.isfinite(plain) and plain >= 0):
        raise BadValue(f"{what} is {value!r}; it must be a finite number >= 0")
    return plain


def _index(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    try:
        return operator.index(value)
    except TypeError:
        return None


def _float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return math.nan


def _parts(name: str) -> list[str]:
    return re.split(r"[^0-9a-z]+", name.casefold())


def _folded(name: str) -> str:
    return re.sub(r"[^0-9a-z]+", "", name.casefold()) or name


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return ", ".join(names[:MOST_SHOWN]) + more
