"""Lists in pages: a cursor is where the last page ended, opaque to the client."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Query

from service.api.problems import Trouble, field_error

T = TypeVar("T")
Limit = Annotated[int, Query(ge=1, le=200, description="Most items of a page.")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next` of the page before.")]


def page(found: Sequence[T], limit: int, place: Callable[[T], list[Any]], show: Callable[[T], Any]) -> dict[str, Any]:
    """The answer from one item more than fits on the page."""
    more = len(found) > limit
    return {"items": [show(one) for one in found[:limit]], "next": _write(place(found[limit - 1])) if more else None}


def _write(place: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def read_cursor(cursor: str, kinds: tuple[type, ...]) -> list[Any]:
    """The place that a cursor names; raises `Trouble` for one that no page gave."""
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        place = None
    if not isinstance(place, list) or tuple(type(part) for part in place) != kinds or not all(map(_sane, place)):
        said = "send 'next' of the page before, or leave it out"
        raise Trouble(422, f"cursor: {said}", None, field_error("cursor", cursor, said, where="query"))
    return place


def _sane(part: Any) -> bool:
    if isinstance(part, str):
        return len(part) <= 100 and part.isprintable()
    return math.isfinite(part) and abs(part) < 2**53
