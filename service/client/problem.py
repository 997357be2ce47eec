"""From a reply that is no success to the error a caller can act on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from service.client.calls import Reply
from service.client.errors import (
    ClientError,
    Conflict,
    Forbidden,
    NotFound,
    Overloaded,
    Refused,
    ServerFault,
    Unauthorized,
    Unreachable,
    WrongSettings,
)
from service.client.settings import Secret

_BY_STATUS: Mapping[int, type[ClientError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    429: Overloaded,
    502: Unreachable,
    503: Unreachable,
    504: Unreachable,
}


_NO_ROUTE_YET = b"/-/routes"


def is_starting(reply: Reply) -> bool:
    """Whether Ray Serve listens already and the service behind it does not: Serve's own 404, not one of the service."""
    return reply.status == 404 and _NO_ROUTE_YET in reply.content


def error_of(reply: Reply, token: Secret) -> ClientError:
    """The error for a reply with status 300 or above; whatever the server echoes, the token is not in it."""
    if reply.status < 400:
        where = token.hide_in(reply.headers.get("location", "elsewhere"))
        return WrongSettings(f"the service sends on to {where}; use that URL", status=reply.status)
    if is_starting(reply):
        return Unreachable("the service is starting, or has ended behind its port", status=reply.status)
    kind = _BY_STATUS.get(reply.status, ServerFault if reply.status >= 500 else Refused)
    problem = _problem(token.hide_in(reply.content.decode("utf-8", "replace")))
    error = kind(_sentence(reply.status, problem), status=reply.status, problem=problem)
    if isinstance(error, Overloaded):
        error.retry_after = reply.retry_after
    return error


def _problem(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _sentence(status: int, problem: Mapping[str, Any]) -> str:
    """The server's own words, the wrong fields among them."""
    said = str(problem.get("detail") or problem.get("title") or "the service gave no reason")
    fields = [
        f"{entry.get('field')}: {entry.get('message')}"
        for entry in problem.get("errors") or ()
        if isinstance(entry, Mapping) and str(entry.get("message")) not in said
    ]
    return f"{said} (HTTP {status})" + (f"; {'; '.join(fields)}" if fields else "")
