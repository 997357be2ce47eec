"""A service whose Ray is gone ends by itself."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path

from service.serving.attend import attended, listens

SCRIPT = """
import sys, time
from service.serving.attend import attended
with attended(sys.argv[1]):
    print("attending", flush=True)
    time.sleep(60)
"""


def test_it_leaves_when_nothing_listens_any_more(tmp_path: Path) -> None:
    path, left = str(tmp_path / "raylet"), threading.Event()
    assert not listens(path)
    with socket.socket(socket.AF_UNIX) as raylet:
        raylet.bind(path)
        raylet.listen()
        assert listens(path)
        with attended(path, left.set):
            assert not left.wait(1.2)
            raylet.close()
            assert left.wait(10)
    assert not listens(path)


def test_it_leaves_nobody_alone_after_its_end(tmp_path: Path) -> None:
    left = threading.Event()
    with attended(str(tmp_path / "none"), left.set):
        pass
    assert not left.wait(1.0)


def test_the_process_ends_with_one_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (1, "attending\n")
    assert "the Ray that the service runs on is gone" in done.stderr
    assert len(done.stderr.splitlines()) == 1
