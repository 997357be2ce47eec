"""`isthmus serve` as a process, for tests that stop and kill it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from service.journal import Journal
from service.tokens import Vault

START_SECONDS = 180
PROGRAM = "from service.cli import main; main()"


class Process:
    """One run of `isthmus serve`; what it says is in `said`."""

    def __init__(self, folder: Path, store: str, port: int, *options: str) -> None:
        self.url, self._log = f"http://127.0.0.1:{port}", folder / f"serve-{port}.log"
        command = [sys.executable, "-c", PROGRAM, "serve", "--store", store, "--port", str(port), *options]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        environment |= {"HOME": str(folder), "OMP_NUM_THREADS": "1"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment)

    @property
    def said(self) -> str:
        return self._log.read_text()

    def wait_until_ready(self) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            assert self._process.poll() is None, self.said
            time.sleep(0.3)
        raise TimeoutError(self.said)

    def send(self, number: signal.Signals) -> int:
        """Send a signal and wait; the exit code."""
        self._process.send_signal(number)
        return self._process.wait(60)

    def end(self) -> None:
        if self._process.poll() is None:
            self.send(signal.SIGKILL)


@contextlib.contextmanager
def serving(folder: Path, store: str, port: int, *options: str) -> Iterator[Process]:
    process = Process(folder, store, port, *options)
    try:
        process.wait_until_ready()
        yield process
    finally:
        process.end()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def new_token(store: str, scope: str = "admin") -> str:
    with Journal(store) as journal:
        return Vault(journal).create("brains", scope)[1]
