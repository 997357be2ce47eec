"""Whether a form was sent by a page of ours: no other site may sign anybody in or out."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request

from service.api.forwarded import Forwarded, host_and_port
from service.api.problems import Trouble


def check_origin(request: Request, forwarded: Forwarded) -> None:
    """Raise `Trouble` unless the browser says that the form was on a page of this site.

    `Sec-Fetch-Site` cannot be forged by a page, and holds also where a proxy changes the host's name. Browsers
    that do not send it (old ones; plain HTTP beyond loopback) send `Origin`, whose host must be ours.
    """
    fetched = request.headers.get("sec-fetch-site")
    if fetched is not None:
        own = fetched == "same-origin"
    else:
        origin = _host(request.headers.get("origin", ""))
        own = origin is not None and origin == forwarded.host(request.scope)
    if not own:
        raise Trouble(403, "this form was not sent from a page of this service; open the page and send it again")


def _host(origin: str) -> str | None:
    try:
        parts = urlsplit(origin)
        return host_and_port(parts.netloc, parts.scheme)
    except ValueError:
        return None
