"""The command line as a person on a laptop uses it: each call a process that is gone afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.two_nodes import two_nodes
from trainers.examples.phantoms import hub_island, write_phantoms

# The cluster asks for it, as one that others can reach should.
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "5" * 64}
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with two_nodes(tmp_path_factory.mktemp("cluster") / "nodes.log", **TOKEN) as address:
        yield address


def isthmus(*arguments: str | Path, code: int = 0, **environment: str) -> str:
    """What it printed; fails unless it ended with `code`."""
    command = [sys.executable, "-m", "service.cli", *map(str, arguments)]
    variables = os.environ | TOKEN | {"PYTHONPATH": str(ROOT)} | environment
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=variables, cwd="/")
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


def job_of(told: str) -> str:
    """The job's id in what `isthmus submit` printed."""
    return told.split()[1]


def wait_for(what: Callable[[], bool], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def write_run(folder: Path, name: str, **changes: Any) -> Path:
    """A run of three phantom domains on two workers, its paths relative to the file."""
    manifest = write_phantoms(folder / "volumes", domains=hub_island(1), volumes=3, size=24)
    body = {
        "name": name,
        "budget": 1280,
        "interval": 128,
        "data": {
            "root": "volumes",
            "cache": "cache",
            "crop": 16,
            "domains": {domain: {"path": domain, "kind": "mr"} for domain in manifest.domains},
        },
        "model": {"preset": "nano"},
        "train": {"global_batch": 16, "eval_fraction": 0.2, "trace": True},
        "policy": {"name": "own_law"},
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(body | changes))
    return path
