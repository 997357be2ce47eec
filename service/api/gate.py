"""Who comes in: the token, the rate and the size of a request, before anything else looks at it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.forwarded import Forwarded
from service.api.problems import RETRY_SECONDS, Trouble, in_header, problem
from service.api.rates import Buckets
from service.api.settings import LEAST_RATE, Settings
from service.journal import JournalError
from service.tokens import Sessions, Token, Vault

PREFIX = "/v1"
PAGES = "/allocations"  # with `/`, `/sign-in` and `/sign-out` the pages for people
COOKIE = "isthmus_session"
MOST_FORM = 128 * 1024  # bytes; a form of ours has a few hundred
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]


@dataclasses.dataclass(frozen=True)
class Known:
    """Who may come in, and how often. `strangers` counts those without a valid token, by address."""

    vault: Vault
    sessions: Sessions
    settings: Settings
    forwarded: Forwarded
    strangers: Buckets
    tokens: Buckets = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens", Buckets(self.settings.rate, self.settings.most_at_once))

    async def admit(self, scope: Scope, headers: Headers) -> Token | None:
        """Whose request it is; None for a person without a session, who is let in to sign in.

        A valid token or session is never held up by what others do at its address: it is looked at first.
        """
        page = is_page(scope["path"])
        try:
            token = await (self._visitor(scope) if page else self._caller(headers))
        except JournalError as error:
            retry = {"Retry-After": str(RETRY_SECONDS)}
            raise Trouble(503, "the store cannot be reached; nothing is lost, ask again", retry) from error
        if token is not None:
            self.tokens.check(token.id)
        elif not page:
            self.strangers.check(self.forwarded.client(scope))
            said = "send the header 'Authorization: Bearer <token>' with a token that is valid"
            raise Trouble(401, said, {"WWW-Authenticate": 'Bearer realm="isthmus"'}, in_header("Authorization", said))
        return token

    async def _visitor(self, scope: Scope) -> Token | None:
        """Whoever signed in with this browser."""
        value = HTTPConnection(scope).cookies.get(COOKIE)
        return None if value is None else await run_in_threadpool(self.sessions.check, value)

    async def _caller(self, headers: Headers) -> Token | None:
        kind, _, text = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return None
        return await run_in_threadpool(self.vault.check, text.strip())


class Gate:
    """ASGI: answers for itself what may not come in; puts the token into the state of what may.

    Programs bring their token in a header, people a session in a cookie: neither opens what is made for the
    other, so that no other site can have a browser change anything. `shown` tells people of an error in a page.
    """

    def __init__(self, app: ASGIApp, known: Known, settings: Settings, shown: Callable[[Trouble], Response]) -> None:
        self._app, self._known, self._settings, self._shown = app, known, settings, shown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_headers(send)
        try:
            if is_page(scope["path"]) or _is_call(scope["path"]):
                scope.setdefault("state", {})["token"] = await self._known.admit(scope, Headers(scope=scope))
            most = self._weigh(scope, Headers(scope=scope))
        except Trouble as refusal:
            await self._answer(scope, refusal)(scope, receive, send)
            return
        await self._limited(scope, _Counted(receive, most, self._settings.body_seconds), send)

    def _answer(self, scope: Scope, trouble: Trouble) -> Response:
        path: str = scope["path"]
        return (
            self._shown(trouble)
            if is_page(path)
            else problem(trouble.status, trouble.detail, path, trouble.fields, trouble.headers)
        )

    def _weigh(self, scope: Scope, headers: Headers) -> int:
        """The most bytes that the body may have; what says itself that it has more is refused unread."""
        page = is_page(scope["path"])
        most = min(self._settings.max_body, MOST_FORM) if page else self._settings.max_body
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length[:20]) > most:
            raise _too_large(most, length)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        wanted = "application/x-www-form-urlencoded" if page else "application/json"
        if scope["method"] == "POST" and kind != wanted:
            said = f"the body comes as '{kind[:60]}'; send it as {wanted}"
            raise Trouble(415, said, None, in_header("Content-Type", said, kind))
        return most

    async def _limited(self, scope: Scope, body: _Counted, send: Send) -> None:
        async def watched(message: Message) -> None:
            if body.trouble is None:  # what the app says of a body that was cut off is not worth sending
                await send(message)

        with contextlib.suppress(ClientDisconnect):  # who has gone needs no answer; who was cut off here gets one below
            await self._app(scope, body, watched)
        if body.trouble is not None:
            await self._answer(scope, body.trouble)(scope, body, send)


class _Counted:
    """ASGI: a body as it comes in, until it is too large or too slow; the app then sees the client gone."""

    def __init__(self, receive: Receive, most: int, seconds: float) -> None:
        self._receive, self._most, self._seconds = receive, most, seconds
        self._begun, self._read, self._whole = time.monotonic(), 0, False
        self.trouble: Trouble | None = None

    async def __call__(self) -> Message:
        if self._whole:  # what is waited for now is the client's leaving
            return await self._receive()
        until = self._begun + self._seconds + self._read / LEAST_RATE
        try:
            async with asyncio.timeout(until - time.monotonic()):
                message = await self._receive()
        except TimeoutError:
            said = f"after {self._read} bytes the body stopped coming, or came slower than {LEAST_RATE} bytes a second"
            self.trouble = Trouble(408, f"{said}; send it again", {"Connection": "close"})
            return {"type": "http.disconnect"}
        self._read += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._read > self._most:
            self.trouble = _too_large(self._most)
            return {"type": "http.disconnect"}
        return message


def _too_large(most: int, length: str = "") -> Trouble:
    said = f"the body has more than {most} bytes; send fewer reports at a time"
    return Trouble(413, said, None, in_header("Content-Length", said, length or None))


def is_page(path: str) -> bool:
    """Whether it is one of the pages for people."""
    return path in ("/", "/sign-in", "/sign-out", PAGES) or path.startswith(f"{PAGES}/")


def _is_call(path: str) -> bool:
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            given: list[tuple[bytes, bytes]] = list(message.get("headers", ()))
            there: set[Any] = {name.lower() for name, _ in given}
            more = [*_HEADERS, (b"cache-control", b"no-store")]
            message = {**message, "headers": given + [pair for pair in more if pair[0] not in there]}
        await send(message)

    return sent
