"""The head of a Ray cluster as a process that a supervisor starts again at the same address."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.faults.service.house import READY_SECONDS, Kept, environment
from tests.service.serving_ray import free_port


class Head(Kept):
    """`ray start --head --block`; clients need `variables` in their environment."""

    def __init__(self, folder: Path, temporary: str) -> None:
        self._ports = [free_port() for _ in range(3)]
        self.address = f"127.0.0.1:{self._ports[0]}"
        self.variables = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "f" * 64, "RAY_USAGE_STATS_ENABLED": "0"}
        command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--num-cpus", "2"]
        command += ["--node-ip-address", "127.0.0.1", "--port", str(self._ports[0]), "--include-dashboard", "false"]
        command += ["--ray-client-server-port", str(self._ports[1]), "--temp-dir", temporary]
        command += ["--dashboard-agent-listen-port", str(self._ports[2]), "--object-store-memory", "200000000"]
        super().__init__(command, folder / "head.log", environment(folder) | self.variables)

    def wait_until_up(self) -> None:
        until = time.monotonic() + READY_SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._ports[0]), 1):
                return
            assert time.monotonic() < until, self.said
            time.sleep(0.2)


@contextlib.contextmanager
def head(folder: Path) -> Iterator[Head]:
    """Ray's sockets need a short path, so its files lie in a folder of their own."""
    with tempfile.TemporaryDirectory(prefix="ih", ignore_cleanup_errors=True) as temporary:
        found = Head(folder, os.path.realpath(temporary))
        try:
            found.wait_until_up()
            yield found
        finally:
            found.close()
