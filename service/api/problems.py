"""Every error as a problem document (RFC 9457) that names the field, the value and the cure."""

from __future__ import annotations

import http
import json
import logging
import re
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from policies import BadReport, BadSetup
from service.api.answers import Problem
from service.api.places import Place, place_of, pointer, value_at, without_tags
from service.hosting import Busy, HostLost, NotAnswered, Refused
from service.journal import AllocationExists, Archived, Fenced, JournalError, NoSuchAllocation, TooManyAllocations

log = logging.getLogger(__name__)
RETRY_SECONDS = 2
LONGEST = 100  # characters of a value that is shown again
LONGEST_FIELD = 200  # of a field's place
LONGEST_TEXT = 1500  # of a sentence
MOST_ERRORS = 20
MOST_BYTES = 12_000  # of all errors of a problem
_SHORT = reprlib.Repr()  # of what may be a large list
_SHORT.maxlevel, _SHORT.maxdict, _SHORT.maxlist = 2, 3, 3
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = LONGEST
# What v1 has always answered with an empty `field`; `pointer` names it there too.
_PROMISED = re.compile(
    r"was reported with draws of|; send reports in order|^eval_loss of '.*losses must be finite and > 0", re.DOTALL
)
_TITLES = {
    400: ("unreadable", "The body cannot be read"),
    401: ("unauthenticated", "A valid token is needed"),
    403: ("forbidden", "This token may not do that"),
    404: ("not-found", "There is no such thing"),
    405: ("method-not-allowed", "That cannot be done here"),
    408: ("too-slow", "The body came too slowly"),
    409: ("conflict", "It contradicts what is there"),
    413: ("too-large", "The body is too large"),
    415: ("unsupported-media-type", "The body is not JSON"),
    422: ("invalid", "The request cannot be used"),
    429: ("too-many", "Too many requests"),
    503: ("unavailable", "The service cannot answer now"),
}


class Trouble(Exception):
    """An error that a handler of ours raises, with the status it is answered with."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, *fields: dict[str, Any]):
        super().__init__(detail)
        self.status, self.detail, self.headers, self.fields = status, detail, headers, fields


def problem(
    status: int,
    detail: str,
    path: str,
    errors: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
) -> Problem:
    """The document, as the answer to a request of `path`."""
    slug, title = _TITLES[status][0] if status in _TITLES else "error", title_of(status)
    body = {
        "type": f"urn:isthmus:problem:{slug}",
        "title": title,
        "status": status,
        "detail": _cut(detail, LONGEST_TEXT),
    }
    body |= {"instance": _cut(path, LONGEST_FIELD), "errors": _few(errors)}
    return Problem(body, status_code=status, headers=None if headers is None else dict(headers))


def title_of(status: int) -> str:
    """What an error of that status is called."""
    return _TITLES[status][1] if status in _TITLES else http.HTTPStatus(status).phrase


def field_error(name: str, value: Any, message: str, place: Place | None = None, where: str = "body") -> dict[str, Any]:
    """One entry of `errors`; a long value is cut. `place` is the field's in the body, by default `name`."""
    if not (value is None or isinstance(value, bool | int | float)) or abs(value or 0) > 1e300:
        value = _cut(value if isinstance(value, str) else _SHORT.repr(value), LONGEST)
    found = {"field": _cut(name, LONGEST_FIELD), "value": value, "message": _cut(message, LONGEST_TEXT), "in": where}
    if where == "body":
        found["pointer"] = _cut(pointer(((name,) if name else ()) if place is None else place), LONGEST_FIELD)
    return found


def body_error(message: str, body: Any, index: int | None = None) -> dict[str, Any]:
    """An entry about the field of a body (of the report `index` in a list) that a sentence of ours is about."""
    inner = place_of(message, body)
    place: Place = inner if index is None else (index, *inner)
    if _PROMISED.search(message):
        return field_error("" if index is None else str(index), None, message, place)
    value = value_at(body, inner) if inner else None
    return field_error(".".join(map(str, place)), value, message, place)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}..."


def _few(errors: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """As many as fit into an answer of a bounded size."""
    found: list[Mapping[str, Any]] = []
    size = 0
    for one in errors[:MOST_ERRORS]:
        size += len(json.dumps(one, default=str))
        if found and size > MOST_BYTES:
            break
        found.append(one)
    return found


def in_header(name: str, message: str, value: str | None = None) -> dict[str, Any]:
    """An entry of `errors` about a header; what may be a secret is left out."""
    return field_error(name, value, message, where="header")


def install(app: FastAPI) -> None:
    """Have every error of `app` answered with a problem document."""

    @app.exception_handler(Trouble)
    async def trouble(request: Request, error: Trouble) -> Problem:
        return problem(error.status, error.detail, request.url.path, error.fields, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Problem:
        found = [_invalid(item) for item in error.errors()[:MOST_ERRORS]]
        return problem(422, _sentence(found), request.url.path, found)

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Problem:
        said = "the body cannot be read as JSON; mend it" if error.status_code == 400 else str(error.detail)
        found = [field_error("", None, said)] if error.status_code == 400 else []
        return problem(error.status_code, said, request.url.path, found, error.headers)

    for kind in _OURS:
        app.add_exception_handler(kind, _ours)

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Problem:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return problem(500, "the service failed; its log says why", request.url.path)


_UNAVAILABLE = (Busy, NotAnswered, HostLost, Fenced)
_OURS: tuple[type[Exception], ...] = (BadReport, BadSetup, Refused, JournalError, *_UNAVAILABLE)


async def _ours(request: Request, error: Exception) -> Problem:
    path, retry = request.url.path, {"Retry-After": str(RETRY_SECONDS)}
    if isinstance(error, Refused):
        return problem(
            409 if error.answered else 422, str(error), path, [field_error(f"{error.index}", None, str(error))]
        )
    if isinstance(error, BadReport | BadSetup):
        return problem(422, str(error), path, [body_error(str(error), getattr(request.state, "body", None))])
    if isinstance(error, NoSuchAllocation):
        return problem(404, "there is no such allocation in this project", path)
    if isinstance(error, AllocationExists | Archived | TooManyAllocations):
        return problem(409, str(error), path)
    if isinstance(error, JournalError) and not isinstance(error, Fenced):
        log.error("%s %s: %s", request.method, path, error)
        return problem(503, "the store cannot be reached; nothing is lost, ask again", path, (), retry)
    log.warning("%s %s: %s", request.method, path, error)
    said = "another service has just taken this allocation over; ask again" if isinstance(error, Fenced) else str(error)
    return problem(503, said, path, (), retry)


def _invalid(item: Mapping[str, Any]) -> dict[str, Any]:
    """One finding of the validation, in our words."""
    place = without_tags(item["loc"])
    where = str(place.pop(0)) if place and place[0] in ("body", "query", "path", "header") else "body"
    context, value = item.get("ctx") or {}, item.get("input")
    if item["type"] == "unknown_field":
        place, value = [*place, str(context["field"])], None
    if item["type"] == "json_invalid":
        return field_error("", None, f"the body is not JSON: {context.get('error', 'it cannot be read')}")
    name, message = ".".join(map(str, place)), str(item["msg"])[:300]
    if item["type"] == "missing":
        return field_error(name, None, "it is missing; send it", tuple(place), where)
    return field_error(name, value, message[:1].lower() + message[1:], tuple(place), where)


def _sentence(errors: Sequence[Mapping[str, Any]]) -> str:
    first = errors[0]
    name = f"{first['field'][:LONGEST]}: " if first["field"] else ""
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    value = "" if first["value"] is None else f"; it is {first['value']!r}"
    return f"{name}{first['message']}{value}{more}"
