"""The real service in this process: its application, a SQLite store, a token, uvicorn on a loopback port."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from service.api import create_app
from service.api.settings import Settings
from service.hosting import Host, LocalGateway
from service.journal import Journal
from service.tokens import Vault


class Served:
    """A service that can be stopped, and started again on the same store and port."""

    def __init__(self, folder: Path) -> None:
        self.store = f"sqlite:///{folder / 'isthmus.db'}"
        self._journal = Journal(self.store, shared=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._server: uvicorn.Server | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def token(self, scope: str = "report", project: str = "p") -> str:
        return Vault(self._journal).create(project, scope)[1]

    def revoke(self, token: str) -> None:
        """At once; a token revoked by another process is remembered for seconds."""
        self._vault.revoke(token.split("_")[1])

    def start(self) -> None:
        self._gateway = LocalGateway(Host(self._journal))
        app = create_app(self._journal, self._gateway, Settings(rate=10_000))
        self._vault: Vault = app.state.service.vault
        config = uvicorn.Config(app, host="127.0.0.1", port=self.port, log_level="error", lifespan="off", ws="none")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        until = time.monotonic() + 30
        while not self._server.started:
            assert self._thread.is_alive(), "the service did not start"
            assert time.monotonic() < until, "the service does not start"
            time.sleep(0.02)

    def stop(self) -> None:
        if self._server is not None:
            self._server.should_exit = True
            self._server.force_exit = True
            self._thread.join(30)
            self._gateway.close()
            self._server = None

    def close(self) -> None:
        self.stop()
        self._journal.close()


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Served]:
    served = Served(folder)
    try:
        yield served
    finally:
        served.close()
