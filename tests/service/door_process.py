"""The service in a process of its own, at a real door and without Ray."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx

from service.api import Settings, create_app
from service.hosting import Host, LocalGateway
from service.journal import Journal
from service.serving.door import Door


@contextlib.contextmanager
def door_process(store: str, port: int) -> Iterator[str]:
    """Its URL, for the time of a `with` block."""
    process = subprocess.Popen([sys.executable, "-m", __name__, store, str(port)], stdin=subprocess.PIPE)
    url, until = f"http://127.0.0.1:{port}", time.monotonic() + 120
    try:
        while time.monotonic() < until:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{url}/healthz", timeout=5).status_code == 200:
                    break
            time.sleep(0.2)
        yield url
    finally:
        process.communicate()  # it ends when its input does


def main(store: str, port: int) -> None:
    with Journal(store, shared=True) as journal:
        gateway, settings = LocalGateway(Host(journal)), Settings(rate=1e6)
        door = Door(lambda: create_app(journal, gateway, settings), "127.0.0.1", port, settings)
        sys.stdin.read()
        door.close()
        gateway.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
