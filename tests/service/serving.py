"""The service on a loopback port of this process: the real server, store and host, without Ray."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import uvicorn

from service.api import Settings, create_app
from service.hosting import Host, HostSettings, LocalGateway
from service.journal import Journal
from service.tokens import Vault


@dataclasses.dataclass
class Served:
    """A running service and its store."""

    url: str
    journal: Journal
    vault: Vault
    app: Any

    def client(self, scope: str | None = "admin", project: str = "brains", **headers: str) -> httpx.Client:
        """A client with a new token of that scope; None for no token."""
        if scope is not None:
            headers["Authorization"] = f"Bearer {self.vault.create(project, scope)[1]}"
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)


@contextlib.contextmanager
def served(
    store_url: str,
    settings: Settings | None = None,
    hosting: HostSettings | None = None,
    clock: Callable[[], float] = time.time,
) -> Iterator[Served]:
    """The service for the time of a `with` block."""
    with Journal(store_url, shared=True, clock=clock) as journal:
        gateway = LocalGateway(Host(journal, hosting))
        app = create_app(journal, gateway, settings or Settings(rate=1e6, strangers=1e6))
        with _listening(app) as url:
            yield Served(url, journal, Vault(journal), app)
        gateway.close()


@contextlib.contextmanager
def _listening(app: Any) -> Iterator[str]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            app, log_level="error", lifespan="off", timeout_graceful_shutdown=5, proxy_headers=False
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


NAMES = ("ct", "mr", "pet")


def new_body(name: str = "first", **more: Any) -> dict[str, Any]:
    return {"name": name, "domains": list(NAMES), "budget": 1000, "interval": 100, "policy": "uniform", **more}


def report_body(position: int, **more: Any) -> dict[str, Any]:
    losses = {name: 3.0 / (1 + position) ** (0.1 + 0.05 * index) for index, name in enumerate(NAMES)}
    return {"position": position, "draws": dict.fromkeys(NAMES, position / 4), "eval_loss": losses, **more}


def begin(client: httpx.Client, name: str = "first", **more: Any) -> str:
    """A new allocation; its path."""
    answer = client.post("/v1/allocations", json=new_body(name, **more))
    assert answer.status_code == 201, answer.text
    return f"/v1/allocations/{answer.json()['id']}"


def send(client: httpx.Client, path: str, *positions: int) -> Mapping[str, Any]:
    """Reports at these positions; the last answer."""
    answer: Mapping[str, Any] = {}
    for position in positions:
        found = client.post(f"{path}/reports", json=report_body(position))
        assert found.status_code == 200, found.text
        answer = found.json()
    return answer
