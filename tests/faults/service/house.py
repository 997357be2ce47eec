"""`isthmus serve` under a supervisor, and SIGKILL for any part of it; only what it started is ever touched."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil

from tests.faults.driver import ROOT
from tests.faults.tree import Tree, running, sigkill, title
from tests.service.serving_ray import PROGRAM, free_port

TITLES = {
    "replica": "ray::ServeReplica",
    "controller": "ray::ServeController",
    "host": "ray::HostActor",
}
LOOK_SECONDS = 0.2
READY_SECONDS = 300


class Kept(Tree):
    """A command that is started again whenever it has ended, as a supervisor would."""

    def __init__(self, command: list[str], log: Path, environment: dict[str, str]) -> None:
        self._command, self._log, self._environment = command, log, environment
        self.seen = {}
        self.starts = 0
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._start()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def role(self, role: str) -> list[psutil.Process]:
        """By the titles that Ray gives its actors."""
        return [process for process in self.tree() if title(process).startswith(TITLES[role])]

    def kill(self, everything: bool) -> list[int]:
        """SIGKILL for the process, once it is up, and with `everything` for all it started; what was killed."""
        until = time.monotonic() + 60
        while self.process.poll() is not None and time.monotonic() < until:
            time.sleep(0.05)
        below = self.tree() if everything else []
        with self._lock:
            self.process.kill()
            return [self.process.pid, *(process.pid for process in below if sigkill(process))]

    def close(self) -> None:
        """For the end of a test, however it ends: nothing of it is left."""
        self._over.set()
        self._thread.join(30)
        self.end()

    @property
    def said(self) -> str:
        return self._log.read_text()[-4000:]

    def _start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, stdout=log, stderr=log, cwd=self._log.parent, env=self._environment
            )
        self.starts += 1

    def _keep(self) -> None:
        """What a killed one left behind goes first: some of it may hold the port."""
        while not self._over.wait(LOOK_SECONDS):
            if self.process.poll() is None:
                self.tree()
                continue
            until = time.monotonic() + 5
            while any(running(process) for process in self.seen.values()) and time.monotonic() < until:
                time.sleep(0.1)
            with self._lock:
                for process in self.seen.values():
                    if running(process):
                        sigkill(process)
                self.seen.clear()
                self._start()


def environment(folder: Path) -> dict[str, str]:
    """Of this process, less what a Ray of the tests may have left there."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return kept | {"HOME": str(folder), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


class House(Kept):
    """The service."""

    def __init__(self, folder: Path, store: str, *options: str, more: dict[str, str] | None = None) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-c", PROGRAM, "serve", "--store", store, "--port", str(port), *options]
        super().__init__(command, folder / "serve.log", environment(folder) | (more or {}))

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def wait_until_ready(self) -> None:
        until = time.monotonic() + READY_SECONDS
        while not self.ready():
            assert time.monotonic() < until, f"not ready after {self.starts} starts: {self.said}"
            time.sleep(0.3)


@contextlib.contextmanager
def house(folder: Path, store: str, *options: str, more: dict[str, str] | None = None) -> Iterator[House]:
    built = House(folder, store, *options, more=more)
    try:
        built.wait_until_ready()
        yield built
    finally:
        built.close()
