"""Bodies: read in bounded steps, so that a wrong one of 2 MB costs little and holds nobody up.

1. Sizes before contents: how much JSON it is, how long each object, then what is in it.
2. The first twenty errors are enough; reading stops there.
3. What is large is read in a thread, one at a time, in steps between which other requests go on.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import anyio.to_thread
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError

from service.api.bodies import MOST_REPORTS, Report, Reports
from service.api.problems import LONGEST, MOST_ERRORS, Trouble, field_error

AT_HAND = 16 * 1024  # bytes that are read at once; more of them in a thread
BYTES_A_VALUE = 16  # of a body of the largest size, on average: a domain's name and its loss have more
BYTES_A_CONTAINER = 40  # likewise of an object or a list
LEAST_VALUES = 2000  # that any body may have
LONGEST_OBJECT = 1000  # entries


class BoundedRoute(APIRoute):
    """A route that reads its body here, before FastAPI, which then finds it read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        wanted = typing.get_type_hints(self.endpoint, include_extras=True).get("body")
        if wanted is None:
            return handler
        check, one = _checker(wanted), anyio.CapacityLimiter(1)

        async def handle(request: Request) -> Response:
            body, most = await request.body(), request.app.state.service.settings.max_body
            found = _Read(request)
            if len(body) > AT_HAND:
                await anyio.to_thread.run_sync(found.take, body, most, check, limiter=one)
            elif body:
                found.take(body, most, check)
            request.state.body = found.value
            try:
                return await handler(found)
            except RequestValidationError as error:  # the caller may do this: only now is the body of interest
                raise found.trouble or error from None

        return handle


class _Read(Request):
    """A request whose body was read."""

    def __init__(self, request: Request) -> None:
        super().__init__(request.scope, request.receive)
        self._body = request._body
        self.value: Any = None
        self.trouble: Exception | None = None

    def take(self, body: bytes, most: int, check: Callable[[Any], Any]) -> None:
        try:
            self.value = check(decode(body, most))
        except (Trouble, RequestValidationError) as error:
            self.trouble = error

    async def json(self) -> Any:
        return self.value


def decode(body: bytes, most: int) -> Any:
    """The JSON of a body; raises `Trouble` for what is none, or is too much for the `most` bytes that there may be."""
    _check_amount("values", body.count(b","), max(LEAST_VALUES, most // BYTES_A_VALUE))
    containers = body.count(b"[") + body.count(b"{")
    try:
        _check_amount("lists and objects", containers, max(LEAST_VALUES, most // BYTES_A_CONTAINER))
        return json.loads(body.decode(json.detect_encoding(body)), object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise _unreadable(
            422, f"the body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        ) from error
    except UnicodeDecodeError as error:
        raise _unreadable(400, f"the body is not text in UTF-8: {error.reason} at byte {error.start}") from error
    except RecursionError as error:
        raise _unreadable(400, "the body cannot be read as JSON: it is nested too deeply") from error
    except ValueError as error:  # whole numbers of thousands of digits
        raise _unreadable(400, "the body cannot be read as JSON: a number has too many digits") from error


def _check_amount(what: str, there: int, most: int) -> None:
    if there > most:
        said = f"the body has {there} {what}, and may have {most}; send fewer reports at a time"
        raise Trouble(413, said, None, field_error("", there, said))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two values under one name, which one is meant cannot be known."""
    if len(pairs) > LONGEST_OBJECT:
        said = f"an object has {len(pairs)} entries, the first is {_short(pairs[0][0])}; send at most {LONGEST_OBJECT}"
        raise Trouble(422, said, None, field_error("", len(pairs), said))
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        name = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        said = f"the name {_short(name)} comes twice in one object; send it once"
        raise Trouble(422, said, None, field_error(name, None, said))
    return found


def _short(name: str) -> str:
    return repr(name if len(name) <= LONGEST else f"{name[:LONGEST]}...")


def _unreadable(status: int, said: str) -> Trouble:
    return Trouble(status, said, None, field_error("", None, said))


def _checker(wanted: Any) -> Callable[[Any], Any]:
    """What makes the record of `wanted` from JSON; raises `RequestValidationError` with the first twenty errors."""
    adapter: TypeAdapter[Any] = TypeAdapter(wanted)

    def whole(value: Any) -> Any:
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            raise RequestValidationError(_located(error, ())) from None

    def each(value: Any) -> Any:
        if not isinstance(value, list) or not value:
            return whole(value)
        _check_number(value)
        found, errors = [], []
        for index, one in enumerate(value):
            try:
                found.append(Report.model_validate(one))
            except ValidationError as error:
                errors += _located(error, (index,))
                if len(errors) >= MOST_ERRORS:
                    break
        if errors:
            raise RequestValidationError(errors)
        return found

    return each if wanted == Reports else whole


def _check_number(reports: list[Any]) -> None:
    if len(reports) > MOST_REPORTS:
        said = f"there are {len(reports)} reports; send at most {MOST_REPORTS} at a time"
        raise Trouble(422, said, None, field_error("", len(reports), said))


def _located(error: ValidationError, place: tuple[int, ...]) -> list[Any]:
    found = error.errors(include_url=False)[:MOST_ERRORS]
    return [{**one, "loc": ("body", *place, *one["loc"])} for one in found]
