"""A real HTTP server on a loopback port that answers as a script says; for weather no working service makes."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HANG_UP = "hang up"


@dataclasses.dataclass
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


@dataclasses.dataclass
class Said:
    """An answer; `body` as JSON unless it is bytes."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


Answering = Callable[[Seen], "Said | str"]


class Scripted:
    """Answers from `script` in order, then whatever `otherwise` says."""

    def __init__(self, otherwise: Answering, port: int = 0) -> None:
        self.script: list[Said | str] = []
        self.otherwise = otherwise
        self.seen: list[Seen] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def _answer(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                content = self.rfile.read(size)
                body = json.loads(content) if content else None
                seen = Seen(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                outer.seen.append(seen)
                said = outer.script.pop(0) if outer.script else outer.otherwise(seen)
                if isinstance(said, str):
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.close_connection = True
                    self.connection.close()
                    return
                out = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
                self.send_response(said.status)
                for name, value in said.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(out)))
                self.end_headers()
                self.wfile.write(out)

            do_GET = do_POST = do_DELETE = _answer

            def handle(self) -> None:
                # A client that goes away, or a connection hung up on purpose.
                with contextlib.suppress(OSError, ValueError):
                    super().handle()

            def finish(self) -> None:
                with contextlib.suppress(OSError, ValueError):
                    super().finish()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def decision(position: int, weights: Mapping[str, float], reason: str = "refit") -> dict[str, Any]:
    return {"position": position, "weights": dict(weights), "reason": reason, "detail": "", "refit": 1}


def answer(position: int, weights: Mapping[str, float]) -> dict[str, Any]:
    stages = [{"position": 0, "weights": dict(weights), "items": ""}]
    return {"decision": decision(position, weights), "schedule": {"stages": stages}, "position": position}
