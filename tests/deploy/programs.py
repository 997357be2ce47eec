"""The programs of an installation as processes: started as the compose file does, ended with the test."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def program(command: Sequence[str], ready: str, log: Path, seconds: float = 180, **environment: str) -> Iterator[None]:
    """Runs from when `ready` answers 200 until the end of the block; SIGTERM, and SIGKILL a minute later."""
    variables = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    with open(log, "wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=variables, cwd=log.parent)
    try:
        deadline = time.monotonic() + seconds
        while not answers(ready):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.5)
        yield
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(60)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def mlflow_server(store: str, artifacts: Path, port: int) -> list[str]:
    """As in compose.yaml, on loopback."""
    hosts = f"localhost:{port},127.0.0.1:{port}"
    options = {"backend-store-uri": store, "artifacts-destination": str(artifacts), "host": "127.0.0.1"}
    words = [f"--{name}={value}" for name, value in options.items()]
    words += [f"--port={port}", "--workers=1", f"--allowed-hosts={hosts}"]
    return [sys.executable, "-m", "mlflow", "server", *words]


def service(port: int) -> list[str]:
    return [sys.executable, "-m", "service.cli", "serve", "--port", str(port)]
