"""Signing in with a token, and out again."""

from __future__ import annotations

from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from service.api.gate import COOKIE
from service.api.problems import Trouble
from service.api.service import Service
from service.report.page import Section
from service.tokens import Token
from service.tokens.sessions import LIFE
from service.web.errors import PageRoute
from service.web.frame import bar, page, render
from service.web.origin import check_origin
from service.web.visitor import HOME, known_page

router = APIRouter(route_class=PageRoute)
FIELDS = 10  # more than that, and it is no form of ours


@router.get("/sign-in")
async def form(to: str = HOME) -> HTMLResponse:
    """The form; `to` is the page to go on to."""
    return _form(known_page(to))


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """A token for a session. An old session of this browser ends.

    Only what fails is counted against its address: somebody who guesses there keeps nobody else out.
    """
    service: Service = request.app.state.service
    check_origin(request, service.forwarded)
    sent = _fields(await request.body())
    to = known_page(sent.get("to", HOME))
    token = await run_in_threadpool(service.vault.check, sent.get("token", "").strip())
    if token is None:
        service.strangers.check(service.forwarded.client(request.scope))
        return _form(to, "This token is not valid: it was mistyped, has been revoked or has expired.", 401)
    value = await run_in_threadpool(_begin, service, token, request.cookies.get(COOKIE, ""))
    answer = RedirectResponse(to, 303)
    secure = service.forwarded.is_secure(request.scope)
    answer.set_cookie(COOKIE, value, LIFE, path="/", secure=secure, httponly=True, samesite="strict")
    return answer


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """The session opens nothing any more, wherever its cookie went."""
    service: Service = request.app.state.service
    check_origin(request, service.forwarded)
    await run_in_threadpool(service.sessions.end, request.cookies.get(COOKIE, ""))
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return answer


def _begin(service: Service, token: Token, old: str) -> str:
    service.sessions.end(old)
    return service.sessions.begin(token)


def _fields(body: bytes) -> dict[str, str]:
    try:
        found = parse_qs(body.decode("utf-8", "replace"), max_num_fields=FIELDS)
    except ValueError as error:
        raise Trouble(422, f"the form has more than {FIELDS} fields; send the one of the page") from error
    return {name: values[0] for name, values in found.items()}


def _form(to: str, wrong: str = "", status: int = 200) -> HTMLResponse:
    head = bar() + render("title.html", title="Isthmus", kicker="Which imaging domain to learn from next")
    body = render("sign_in.html", to=to, wrong=wrong)
    return page("Isthmus: sign in", head, [Section("sign-in", "Sign in", "", body)], status=status)
