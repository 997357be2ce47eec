"""Errors as pages: what went wrong in one sentence, and where to go on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from service.api.problems import RETRY_SECONDS, Trouble, title_of
from service.hosting import Busy
from service.journal import JournalError, NoSuchAllocation
from service.report.page import Section
from service.web.frame import bar, page, render

log = logging.getLogger(__name__)


class SignIn(Exception):
    """Somebody who is not signed in asked for `where`."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where


class PageRoute(APIRoute):
    """A route whose errors are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except SignIn as stranger:
                return RedirectResponse(f"/sign-in?to={quote(stranger.where, safe='/')}", 303)
            except ClientDisconnect:
                raise
            except Exception as error:
                return error_page(_trouble(request, error))

        return handle


def error_page(trouble: Trouble) -> HTMLResponse:
    """What a person sees in place of a problem document."""
    title = "This form cannot be read" if trouble.status == 415 else title_of(trouble.status)
    body = render("error.html", detail=trouble.detail)
    head = bar() + render("title.html", title=title, kicker=f"Error {trouble.status}")
    return page(title, head, [Section("error", "What happened", "", body)], status=trouble.status,
                headers=trouble.headers)  # fmt: skip


def _trouble(request: Request, error: Exception) -> Trouble:
    retry = {"Retry-After": str(RETRY_SECONDS)}
    if isinstance(error, Trouble):
        return error
    if isinstance(error, RequestValidationError):
        return Trouble(422, "the address of this page holds something it cannot use; begin again at the start")
    if isinstance(error, NoSuchAllocation):
        return Trouble(404, "there is no such allocation in this project")
    if isinstance(error, Busy):
        return Trouble(503, str(error), retry)
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    if isinstance(error, JournalError):
        return Trouble(503, "the store cannot be reached; nothing is lost, load the page again", retry)
    return Trouble(500, "the service failed; its log says why")
