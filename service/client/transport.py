"""What both clients tell httpx, and what its failures mean."""

from __future__ import annotations

import platform
from collections.abc import Generator
from importlib import metadata
from typing import Any

import httpx

from service.client.calls import Call, Reply
from service.client.settings import Secret, Settings

CONNECT_SECONDS = 10.0


class _Bearer(httpx.Auth):
    """Adds the token to each request, so that no client, header table or representation holds it."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token.reveal()}"
        yield request


def options(settings: Settings) -> dict[str, Any]:
    """Arguments of `httpx.Client` and `httpx.AsyncClient`.

    No redirects, since they would carry the token elsewhere, and no proxy between this machine and itself.
    """
    return {
        "base_url": settings.url,
        "auth": _Bearer(settings.token),
        "verify": settings.tls(),
        "follow_redirects": False,
        "trust_env": not settings.local,
        "headers": {"User-Agent": _agent(), "Accept": "application/json"},
    }


def arguments(call: Call) -> dict[str, Any]:
    """Arguments of `request` for one call."""
    timeout = httpx.Timeout(call.timeout, connect=min(call.timeout, CONNECT_SECONDS))
    body = {} if call.body is None else {"json": call.body}
    return {"method": call.method, "url": call.path, "params": call.params, "timeout": timeout, **body}


def reply(response: httpx.Response) -> Reply:
    return Reply(response.status_code, {k.lower(): v for k, v in response.headers.items()}, response.content)


def _agent() -> str:
    for name in ("isthmus-client", "isthmus"):
        try:
            return f"isthmus-client/{metadata.version(name)} python/{platform.python_version()}"
        except metadata.PackageNotFoundError:
            continue
    return f"isthmus-client python/{platform.python_version()}"
