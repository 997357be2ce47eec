"""What is wrong with a configuration, in one sentence."""

from __future__ import annotations

import types
import typing
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from policies.intake import nearest

if TYPE_CHECKING:
    from service.config.yaml import Place, Places


class BadConfig(ValueError):
    """The configuration cannot be used: mend it and start again."""


def sentence(error: ValidationError, model: type[BaseModel], source: str, places: Places) -> str:
    """The one sentence to show: a misspelt key comes before what it made missing."""
    found = error.errors()
    worst = min(found, key=lambda item: (item["type"] != "extra_forbidden", item["type"] == "missing"))
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    where = tuple(part for part in worst["loc"] if not _is_branch(part))
    text = _one(worst, where, model, places.get(where))
    place = _nearest(places, where) or places.get(tuple(text.split(" ")[0].split(".")))
    return f"{source}{f', {place}' if place is not None and place.line else ''}: {text}{more}"


def _one(item: Any, where: tuple[str | int, ...], model: type[BaseModel], place: Place | None) -> str:
    name = ".".join(str(part) if part != "" else "''" for part in where)
    if item["type"] == "extra_forbidden":
        known = _keys(model, list(where[:-1]))
        listed = f"; known here: {', '.join(known)}" if known else ""
        return f"{name}: there is no such key{nearest(str(where[-1]), known)}{listed}"
    if item["type"] == "missing":
        return f"{name} is missing; set it"
    cause = item.get("ctx", {}).get("error")
    if isinstance(cause, ValueError):
        return f"{name}: {cause}" if name else str(cause)
    if place is not None and place.text == "":
        return f"{name} has no value; give one, or leave the key out"
    text = item["msg"][:1].lower() + item["msg"][1:]
    if item["type"] == "string_type" and place is not None and place.kind is not None:
        return f'{name} is {place.text}, which YAML reads as {place.kind}; put it in quotes: "{place.text}"'
    return f"{name} is {item['input']!r}; {text}"


def _nearest(places: Places, where: tuple[str | int, ...]) -> Place | None:
    """The place of the value, or of the innermost that holds it; none for the whole and for what --set has given."""
    for end in range(len(where), 0, -1):
        if where[:end] in places:
            return places[where[:end]]
    return None


def _is_branch(part: object) -> bool:
    """Pydantic adds the tried type to the place, such as `int` or `tuple[int, int]`; that is no key."""
    return isinstance(part, str) and (part in ("int", "float", "str", "bool", "constrained-int") or "[" in part)


def _keys(model: type[BaseModel], where: list[Any]) -> list[str]:
    """Keys that may stand at `where` in a configuration of this model."""
    current: Any = model
    for part in where:
        if _is_model(current):
            field = current.model_fields.get(str(part))
            current = None if field is None else _inner(field.annotation)
        elif typing.get_origin(current) is dict:
            current = _inner(typing.get_args(current)[1])
        else:
            return []
    return list(current.model_fields) if _is_model(current) else []


def _inner(annotation: Any) -> Any:
    """The one part of an optional type that is not None."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        parts = [part for part in typing.get_args(annotation) if part is not type(None)]
        return parts[0] if len(parts) == 1 else None
    return annotation


def _is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)
