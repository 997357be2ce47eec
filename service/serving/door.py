"""A replica that listens itself: Ray Serve starts it, watches it and makes it again, its proxy carries nothing.

Through Serve's proxy a request passes two more processes and costs twice the CPU. Where all replicas are on
the machine that is asked, they share its port instead, and the kernel divides the connections among them.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

AT_ONCE = 1000  # connections of one replica; those beyond are told to come again (503)
KEEP_SECONDS = 15  # an idle connection; clients of ours give theirs up sooner
START_SECONDS = 30
END_SECONDS = 10


class Door:
    """Answers HTTP at `host` and `port` with the application that `build` makes, until it is deleted."""

    def __init__(self, build: Callable[[], ASGIApp], host: str, port: int) -> None:
        listening = [shared_socket(host, port)]
        self._server = uvicorn.Server(
            uvicorn.Config(
                build(),
                log_level="warning",
                access_log=False,
                server_header=False,
                http="h11",  # it refuses heads beyond 64 kB; httptools would take in anything
                ws="none",
                timeout_keep_alive=KEEP_SECONDS,
                limit_concurrency=AT_ONCE,
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
