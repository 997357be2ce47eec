"""A submitted run and the service: they share the store, so the run is listed there from its first event on.

Nothing is reported twice and nothing of the run waits for the service; here it is only made sure, before
the run is sent, that both will look at the same project of the same store.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import httpx

from service.config import Config
from service.jobs.errors import BadJob
from service.journal.names import allocation_id
from service.urls import hidden

TOKEN_VARIABLE = "ISTHMUS_TOKEN"
SECONDS = 10.0


def registered(service: str, config: Config) -> str:
    """One line: where the run will be seen.

    Raises `BadJob` where the run could never show there: no project, no shared store, or a token that the
    service does not take. A service that is down is no reason to keep a run back.
    """
    if config.project is None or config.store is None:
        missing = "project" if config.project is None else "store"
        raise BadJob(
            f"--service {service}: a run shows there through the store that both use, and {missing} is not set; "
            "set project to that of your token, and store to the service's database, as $ISTHMUS_STORE"
        )
    _check_address(service)
    place = f"{service.rstrip('/')}/v1/allocations/{allocation_id(config.project, config.name)}"
    return f"in the service: {place}{_asked(service.rstrip('/'), config.project)}"


def _check_address(service: str) -> None:
    """Raise `BadJob` for what paths cannot be put behind."""
    try:
        parts = urlsplit(service)
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    except ValueError:
        raise BadJob(f"--service {service}: give its address, such as http://127.0.0.1:8900") from None
    if wrong or parts.query or parts.fragment or parts.username is not None or not service.isprintable():
        raise BadJob(
            f"--service {hidden(service)}: give its address alone, such as http://127.0.0.1:8900; "
            "no user, and nothing behind a '?' or '#'"
        )


def _asked(service: str, project: str) -> str:
    token = os.environ.get(TOKEN_VARIABLE)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = httpx.get(f"{service}/v1/allocations", params={"limit": 1}, headers=headers, timeout=SECONDS)
    except httpx.HTTPError:
        return " (it does not answer now; the run is there once it does)"
    if token and answer.status_code in (401, 403):
        raise BadJob(
            f"the service at {service} does not take the token in {TOKEN_VARIABLE}; "
            f"make one where it runs: isthmus token create --project {project} --scope read"
        )
    return ""
