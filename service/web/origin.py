"""Whether a form was sent by a page of ours: no other site may sign anybody in or out."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request

from service.api.problems import Trouble
from service.api.settings import Settings


def check_origin(request: Request, settings: Settings) -> None:
    """Raise `Trouble` unless the browser says that the form was on a page of this site.

    `Sec-Fetch-Site` cannot be forged by a page, and holds also where a proxy changes the host's name. Browsers
    that do not send it (old ones; plain HTTP beyond loopback) send `Origin`, whose host must be ours.
    """
    fetched = request.headers.get("sec-fetch-site")
    if fetched is not None:
        own = fetched == "same-origin"
    else:
        own = _host(request.headers.get("origin", "")) == _ours(request, settings)
    if not own:
        raise Trouble(403, "this form was not sent from a page of this service; open the page and send it again")


def is_secure(request: Request, settings: Settings) -> bool:
    """Whether the browser came over TLS, as far as we may believe it."""
    told = request.headers.get("x-forwarded-proto", "").strip().lower()
    return request.url.scheme == "https" or (settings.behind_proxy and told == "https")


def _ours(request: Request, settings: Settings) -> str | None:
    told = request.headers.get("x-forwarded-host") if settings.behind_proxy else None
    return (told or request.headers.get("host", "")).strip().lower() or None


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
