"""A replica that listens itself: Ray Serve starts it, watches it and makes it again, its proxy carries nothing.

Through Serve's proxy a request passes two more processes and costs twice the CPU. Where all replicas are on
the machine that is asked, they share its port instead, and the kernel divides the connections among them.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from service.api.forwarded import Forwarded
from service.api.settings import Settings
from service.serving.connections import Crowd, Limits
from service.serving.protocol import TimedProtocol

START_SECONDS = 30
END_SECONDS = 10
BACKLOG = 4096  # connections that the kernel holds until they are taken; who finds that full tries again after a second


class Door:
    """Answers HTTP at `host` and `port` with the application that `build` makes, until it is deleted.

    `settings` say how many connections there may be, `limits` also how long each is waited for.
    """

    def __init__(
        self,
        build: Callable[[], ASGIApp],
        host: str,
        port: int,
        settings: Settings | None = None,
        limits: Limits | None = None,
    ) -> None:
        settings = settings or Settings()
        listening = [shared_socket(host, port)]
        self.crowd = Crowd(limits or Limits.of(settings), Forwarded(settings.behind_proxy, settings.proxies))
        protocol: Any = partial(TimedProtocol, self.crowd)  # h11: it refuses heads beyond 64 kB
        self._server = uvicorn.Server(
            uvicorn.Config(
                build(),
                log_level="warning",
                access_log=False,
                server_header=False,
                http=protocol,
                ws="none",
                proxy_headers=False,  # by default uvicorn believes X-Forwarded-For and -Proto of anybody on loopback
                backlog=BACKLOG,
                timeout_keep_alive=round(self.crowd.limits.idle),
                timeout_graceful_shutdown=END_SECONDS,
            )
        )
        self._thread = threading.Thread(target=self._server.run, args=(listening,), name="door", daemon=True)
        self._thread.start()
        until = time.monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > until:
                raise RuntimeError(f"nothing answers at {host}:{port} after {START_SECONDS} s")
            time.sleep(0.01)

    def check_health(self) -> None:
        """Serve asks every few seconds, and replaces a replica for which this raises."""
        if not self._thread.is_alive():
            raise RuntimeError("the HTTP server of this replica has ended")

    def close(self) -> None:
        """Nothing new comes in; returns when what is being answered is answered."""
        self._server.should_exit = True
        self._thread.join(END_SECONDS)

    def __del__(self) -> None:
        """How Serve ends a replica."""
        if hasattr(self, "_thread"):
            self.close()


def shared_socket(host: str, port: int) -> socket.socket:
    """Bound, and to be shared with the other replicas of the same user."""
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        found.bind((host, port))
    except OSError:
        found.close()
        raise
    return found
