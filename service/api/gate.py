"""Who comes in: the token, the rate and the size of a request, before anything else looks at it."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.answers import Problem
from service.api.problems import RETRY_SECONDS, problem
from service.api.rates import Buckets
from service.api.settings import Settings
from service.journal import JournalError
from service.tokens import Token, Vault

PREFIX = "/v1"
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]


class Gate:
    """ASGI: answers for itself what may not come in; puts the token into the state of what may."""

    def __init__(self, app: ASGIApp, vault: Vault, settings: Settings) -> None:
        self._app, self._vault, self._settings = app, vault, settings
        self._tokens = Buckets(settings.rate, settings.most_at_once)
        self._strangers = Buckets(settings.strangers, max(1.0, 2 * settings.strangers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_headers(send)
        refusal = await self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self._limited(scope, receive, send)

    async def _refusal(self, scope: Scope) -> Problem | None:
        path: str = scope["path"]
        headers = Headers(scope=scope)
        if path == PREFIX or path.startswith(f"{PREFIX}/"):
            try:
                token = await self._token(headers)
            except JournalError:
                retry = {"Retry-After": str(RETRY_SECONDS)}
                return problem(503, "the store cannot be reached; nothing is lost, ask again", path, (), retry)
            client = (scope.get("client") or ("unknown",))[0]
            wait = self._strangers.take(client) if token is None else self._tokens.take(token.id)
            if wait > 0:
                return problem(429, "requests come too fast; wait", path, (), {"Retry-After": str(int(wait) + 1)})
            if token is None:
                said = "send the header 'Authorization: Bearer <token>' with a token that is valid"
                return problem(401, said, path, (), {"WWW-Authenticate": 'Bearer realm="isthmus"'})
            scope.setdefault("state", {})["token"] = token
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length[:20]) > self._settings.max_body:
            return self._too_large(path)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if scope["method"] == "POST" and kind != "application/json":
            return problem(415, f"the body comes as '{kind[:60]}'; send it as application/json", path)
        return None

    async def _token(self, headers: Headers) -> Token | None:
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
            await self._too_large(scope["path"])(scope, receive, send)

    def _too_large(self, path: str) -> Problem:
        most = self._settings.max_body
        return problem(413, f"the body has more than {most} bytes; send fewer reports at a time", path)


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            given: list[tuple[bytes, bytes]] = list(message.get("headers", ()))
            there: set[Any] = {name.lower() for name, _ in given}
            more = [*_HEADERS, (b"cache-control", b"no-store")]
            message = {**message, "headers": given + [pair for pair in more if pair[0] not in there]}
        await send(message)

    return sent
