"""Who comes in: the token, the rate and the size of a request, before anything else looks at it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import RETRY_SECONDS, Trouble, problem
from service.api.rates import Buckets
from service.api.settings import Settings
from service.journal import JournalError
from service.tokens import Sessions, Token, Vault

PREFIX = "/v1"
PAGES = "/allocations"  # with `/`, `/sign-in` and `/sign-out` the pages for people
COOKIE = "isthmus_session"
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]


class Gate:
    """ASGI: answers for itself what may not come in; puts the token into the state of what may.

    Programs bring their token in a header, people a session in a cookie: neither opens what is made for the
    other, so that no other site can have a browser change anything. `shown` tells people of an error in a page.
    """

    def __init__(
        self,
        app: ASGIApp,
        vault: Vault,
        sessions: Sessions,
        settings: Settings,
        shown: Callable[[Trouble], Response],
    ) -> None:
        self._app, self._vault, self._sessions, self._settings = app, vault, sessions, settings
        self._shown = shown
        self._tokens = Buckets(settings.rate, settings.most_at_once)
        self._strangers = Buckets(settings.strangers, max(1.0, 2 * settings.strangers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_headers(send)
        try:
            if is_page(scope["path"]) or _is_call(scope["path"]):
                await self._admit(scope, Headers(scope=scope))
            self._weigh(scope, Headers(scope=scope))
        except Trouble as refusal:
            await self._answer(scope, refusal)(scope, receive, send)
            return
        await self._limited(scope, receive, send)

    def _answer(self, scope: Scope, trouble: Trouble) -> Response:
        path: str = scope["path"]
        return (
            self._shown(trouble)
            if is_page(path)
            else problem(trouble.status, trouble.detail, path, (), trouble.headers)
        )

    async def _admit(self, scope: Scope, headers: Headers) -> None:
        """Who it is, and whether not too often; a person without a session is let in to sign in."""
        page = is_page(scope["path"])
        try:
            token = await (self._visitor(scope) if page else self._caller(headers))
        except JournalError as error:
            retry = {"Retry-After": str(RETRY_SECONDS)}
            raise Trouble(503, "the store cannot be reached; nothing is lost, ask again", retry) from error
        client = (scope.get("client") or ("unknown",))[0]
        wait = self._strangers.take(client) if token is None else self._tokens.take(token.id)
        if wait > 0:
            raise Trouble(429, "requests come too fast; wait", {"Retry-After": str(int(wait) + 1)})
        if token is None and not page:
            said = "send the header 'Authorization: Bearer <token>' with a token that is valid"
            raise Trouble(401, said, {"WWW-Authenticate": 'Bearer realm="isthmus"'})
        scope.setdefault("state", {})["token"] = token

    def _weigh(self, scope: Scope, headers: Headers) -> None:
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length[:20]) > self._settings.max_body:
            raise self._too_large()
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        wanted = "application/x-www-form-urlencoded" if is_page(scope["path"]) else "application/json"
        if scope["method"] == "POST" and kind != wanted:
            raise Trouble(415, f"the body comes as '{kind[:60]}'; send it as {wanted}")

    async def _visitor(self, scope: Scope) -> Token | None:
        """Whoever signed in with this browser."""
        value = HTTPConnection(scope).cookies.get(COOKIE)
        return None if value is None else await run_in_threadpool(self._sessions.check, value)

    async def _caller(self, headers: Headers) -> Token | None:
        kind, _, text = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return None
        return await run_in_threadpool(self._vault.check, text.strip())

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A body that is sent in pieces has no length beforehand: it is counted as it comes."""
        read, over = 0, False

        async def counted() -> Message:
            nonlocal read, over
            message = await receive()
            read += len(message.get("body", b""))
            over = read > self._settings.max_body
            return {"type": "http.disconnect"} if over else message

        async def watched(message: Message) -> None:
            if not over:  # what the app says of a body that was cut off is not worth sending
                await send(message)

        try:
            await self._app(scope, counted, watched)
        except ClientDisconnect:
            if not over:
                raise
        if over:
            await self._answer(scope, self._too_large())(scope, receive, send)

    def _too_large(self) -> Trouble:
        return Trouble(413, f"the body has more than {self._settings.max_body} bytes; send fewer reports at a time")


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
