"""Python values as they travel: JSON without NaN or infinities, mappings by name."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

from service.client.errors import BadValue

DomainsLike = Sequence[Any] | Mapping[str, Any]


def number(value: Any, what: str) -> float | None:
    """A plain float; None for "not measured" (None, NaN). Takes anything that has a float value.

    Raises `BadValue` for infinities and for what is no number, naming `what`.
    """
    if value is None:
        return None
    try:
        plain = float(value)
    except (TypeError, ValueError):
        raise BadValue(f"{what} is {value!r}; send a number, or NaN where it was not measured") from None
    if math.isinf(plain):
        raise BadValue(f"{what} is {plain}; a loss that diverged cannot be learnt from: send NaN, or skip the report")
    return None if math.isnan(plain) else plain


def numbers(values: Mapping[str, Any] | None, what: str) -> dict[str, float | None] | None:
    if values is None:
        return None
    if not isinstance(values, Mapping):
        raise BadValue(f"{what} is {values!r}; send a mapping by name")
    return {str(name): number(value, f"{what} of '{name}'") for name, value in values.items()}


def whole(value: Any, what: str) -> int:
    """A plain int >= 0; raises `BadValue` naming `what`."""
    try:
        plain = operator.index(value)
    except TypeError:
        try:
            plain = int(value)
        except (TypeError, ValueError, OverflowError):
            plain = -1
        if plain != value:
            plain = -1
    if plain < 0:
        raise BadValue(f"{what} is {value!r}; it must be a whole number of draws >= 0")
    return plain


def at_least_one(value: Any, what: str) -> int:
    """A plain int >= 1; raises `BadValue` naming `what`."""
    number = whole(value, what)
    if number < 1:
        raise BadValue(f"{what} is {value!r}; it must be a whole number of draws >= 1")
    return number


def plain(value: Any) -> Any:
    """What can be compared between processes, whatever it is made of."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value if value is None or isinstance(value, bool | int | float | str) else repr(value)


def report_body(
    position: int,
    draws: Mapping[str, float],
    eval_loss: Mapping[str, float | None],
    *,
    eval_sem: Mapping[str, float | None] | None = None,
    train_loss: Mapping[str, float | None] | None = None,
    train_count: Mapping[str, float] | None = None,
    lr_sum: float | None = None,
    grad_dot: Mapping[str, Mapping[str, float]] | None = None,
) -> dict[str, Any]:
    """A loss report as the service reads it; raises `BadValue` naming the field, the value and the cure."""
    return {
        "position": whole(position, "position"),
        "draws": numbers(draws, "draws"),
        "eval_loss": numbers(eval_loss, "eval_loss"),
        "eval_sem": numbers(eval_sem, "eval_sem"),
        "train_loss": numbers(train_loss, "train_loss"),
        "train_count": numbers(train_count, "train_count"),
        "lr_sum": number(lr_sum, "lr_sum"),
        "grad_dot": _rows(grad_dot),
    }


def _rows(grad_dot: Any) -> dict[str, Any] | None:
    if grad_dot is None:
        return None
    if not isinstance(grad_dot, Mapping):
        raise BadValue(f"grad_dot is {grad_dot!r}; send a mapping from target to a mapping by domain")
    return {str(target): numbers(row, f"grad_dot of '{target}'") for target, row in grad_dot.items()}


def domain_list(domains: DomainsLike) -> list[Any]:
    """Names, records, a mapping name -> record, or objects with `to_dict`: always a list of names and records."""
    if isinstance(domains, str):
        raise BadValue(f"domains is '{domains}'; send a list of names or records")
    if isinstance(domains, Mapping):
        return [{**_record(record), "name": name} for name, record in domains.items()]
    return [domain if isinstance(domain, str) else _record(domain) for domain in domains]


def domain_names(domains: DomainsLike) -> tuple[str, ...]:
    found = domain_list(domains)
    for place, domain in enumerate(found):
        if not isinstance(domain, str) and "name" not in domain:
            raise BadValue(f"domain {place} has no name: {domain!r}; send a name, or a record with `name`")
    return tuple(domain if isinstance(domain, str) else str(domain["name"]) for domain in found)


def _record(domain: Any) -> dict[str, Any]:
    if domain is None:
        return {}
    try:
        return dict(domain.to_dict()) if hasattr(domain, "to_dict") else dict(domain)
    except (TypeError, ValueError):
        raise BadValue(f"domains holds {domain!r}; send names, or records with `name`") from None


def creation_body(name: str, domains: DomainsLike, budget: int, interval: int, **more: Any) -> dict[str, Any]:
    """What an allocation is asked to do; what is None is left to the service's default."""
    body = {
        "name": name,
        "domains": domain_list(domains),
        "budget": whole(budget, "budget"),
        "interval": whole(interval, "interval"),
    }
    return body | {key: value for key, value in more.items() if value is not None}


def target_weights(targets: Mapping[str, float] | Sequence[str] | None) -> dict[str, float] | None:
    """Held-out losses that count, with their weights; a plain list counts them equally."""
    if targets is None:
        return None
    if isinstance(targets, str):
        raise BadValue(f"targets is '{targets}'; send a list of names, or weights by name")
    if isinstance(targets, Mapping):
        return {str(name): float(weight) for name, weight in targets.items()}
    return {str(name): 1.0 for name in targets}
