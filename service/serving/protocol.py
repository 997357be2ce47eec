"""uvicorn's HTTP over h11, with an end to every wait.

uvicorn alone waits for ever for the rest of a head or a body, and for a client to read its answer; only an idle
connection has its time.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from service.api.settings import LEAST_RATE
from service.serving.connections import BODY, BUSY, HEAD, IDLE, UNREAD, Crowd

GRACE = 2.0  # seconds beyond those of the application, which says it better

_REFUSED = (
    b"HTTP/1.1 %b\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n%b\r\n%b"
)  # status, length, more headers, text


class TimedProtocol(H11Protocol):
    """One connection of a `Crowd`."""

    def __init__(self, crowd: Crowd, **more: Any) -> None:
        super().__init__(**more)
        self._crowd, self._limits = crowd, crowd.limits
        self._since, self._stage, self._received = time.monotonic(), HEAD, 0
        self._request: object = None  # the newest; another one is waited for anew
        self._fresh = True  # nothing has come since the connection, or since the last request
        self._stuck: tuple[float, int] | None = None  # since when, and how many bytes wait
        self.peer = ""

    # -- as asyncio and uvicorn call it

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.peer = self.client[0] if self.client else ""
        if not self._crowd.enter(self):
            self._refuse(b"503 Service Unavailable", b"too many connections; come again", b"Retry-After: 2\r\n")

    def data_received(self, data: bytes) -> None:
        self._fresh = False
        self._received += len(data)
        super().data_received(data)
        if self.cycle is not None:
            self._crowd.proven(self)
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._fresh = not self.conn.trailing_data[0]
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.leave(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stuck = time.monotonic(), self.transport.get_write_buffer_size()

    def resume_writing(self) -> None:
        self._stuck = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Also for a wrong rest of a body whose request has its answer, on which h11 would raise."""
        self._refuse(b"400 Bad Request", msg.encode())

    # -- as the crowd calls it

    def stage(self) -> str:
        their = self.conn.their_state
        if their is h11.IDLE:
            return IDLE if self._fresh and self.cycle is not None else HEAD
        if their is h11.SEND_BODY:
            return UNREAD if self.cycle is None or self.cycle.response_complete else BODY
        return BUSY

    def check(self, now: float) -> None:
        self._look()
        waited, limits = now - self._since, self._limits
        if self.transport.is_closing() or self._stuck is not None:
            self._check_writing(now)
        elif self._stage == HEAD and waited > limits.head:
            said = f"the head of the request has not come within {limits.head:g} seconds"
            self.drop() if self._fresh else self._refuse(b"408 Request Timeout", said.encode())
        elif self._stage == BODY and waited > limits.body + GRACE + self._received / LEAST_RATE:
            self._refuse(b"408 Request Timeout", b"the body of the request came too slowly")
        elif (self._stage == UNREAD and waited > limits.unread) or (self._stage == IDLE and waited > limits.idle):
            self.drop()

    def drop(self) -> None:
        self.transport.abort()

    # -- inside

    def _look(self) -> None:
        """Begin to count anew where something else is waited for than before."""
        stage = self.stage()
        if stage != self._stage or self.cycle is not self._request:
            self._since, self._stage, self._request, self._received = time.monotonic(), stage, self.cycle, 0

    def _check_writing(self, now: float) -> None:
        """End it where nothing was read since the last look, for too long."""
        size = self.transport.get_write_buffer_size()
        if self._stuck is None or size < self._stuck[1]:
            self._stuck = now, size
        elif now - self._stuck[0] > self._limits.stuck:
            self.drop()

    def _refuse(self, status: bytes, said: bytes, more: bytes = b"") -> None:
        """Say why, unless an answer was begun, and close; a request that is under way finds its client gone."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.write(_REFUSED % (status, len(said), more, said))
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()
