"""A Ray cluster of two hosts on this machine: each has a network, a name and a table of names of its own.

Linux' network namespaces, joined by a bridge on which this machine is a third host, the laptop. Only the files are
shared, as on a cluster's storage. Needs root and Debian's iproute2.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.deploy.two_nodes import OBJECT_STORE_BYTES, node_environment

NET, BRIDGE = "10.77.0", "isthmus0"
NAMES = {1: "isthmus-h1", 2: "isthmus-h2"}  # number, the last of the address: name of host and namespace
GCS, JOBS = 6379, 8265
TABLES = Path("/etc/netns")  # what `ip netns exec` lays over /etc


def impossible() -> str:
    """Why there can be no such hosts here; empty where there can."""
    if shutil.which("ip") is None:
        return "iproute2 is not installed here (Debian: iproute2)"
    if os.geteuid() != 0:
        return "network namespaces need root"
    _remove()  # what a killed run of this left behind
    done = subprocess.run(["ip", "link", "add", BRIDGE, "type", "bridge"], capture_output=True, text=True)
    _quietly("link", "del", BRIDGE)
    return done.stderr.strip()


class Hosts:
    """The second may be lost and begun again."""

    jobs = f"http://{NET}.1:{JOBS}"

    def __init__(self, log: Path, environment: dict[str, str]) -> None:
        self._log, self._environment = log, environment
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, number: int) -> None:
        """`ray start` on a host, with one CPU; the first is the head."""
        head = ["--head", f"--port={GCS}", "--dashboard-host=0.0.0.0", f"--dashboard-port={JOBS}"]
        ray = [f"{Path(sys.executable).parent}/ray", "start", *(head if number == 1 else [f"--address={NET}.1:{GCS}"])]
        ray += [f"--node-ip-address={NET}.{number}", "--num-cpus=1", "--block"]
        ray += [f"--object-store-memory={OBJECT_STORE_BYTES}"]
        named = ["unshare", "--uts", "sh", "-c", f'hostname {NAMES[number]}; exec "$@"', "sh"]
        with self._log.open("ab") as out:
            self._running[number] = subprocess.Popen(
                ["ip", "netns", "exec", NAMES[number], *named, *ray],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=self._environment,
                cwd="/",
            )

    def lose(self, number: int) -> None:
        """All its processes are gone at once, as if its power had been cut."""
        for pid in _pids(number):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._running.pop(number).wait(60)

    def workers(self) -> dict[int, int]:
        """How many processes train, by host."""
        return {number: sum("RayTrainWorker" in _command(pid) for pid in _pids(number)) for number in NAMES}

    def wait(self, seconds: float = 120) -> None:
        """Until the Jobs server answers."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(f"{self.jobs}/api/version", timeout=5)
                return
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.5)

    def close(self) -> None:
        for number in list(self._running):
            self.lose(number)


@contextlib.contextmanager
def two_hosts(log: Path, **environment: str) -> Iterator[Hosts]:
    """Both are up, with Ray on them; `environment` is that of the nodes."""
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    hosts = Hosts(log, node_environment(folder) | environment)
    _remove()
    try:
        _lay()
        hosts.start(1)
        hosts.wait()
        hosts.start(2)
        yield hosts
    finally:
        hosts.close()
        _remove()
        shutil.rmtree(folder, ignore_errors=True)


def _lay() -> None:
    _ip("link", "add", BRIDGE, "type", "bridge")
    _ip("addr", "add", f"{NET}.254/24", "dev", BRIDGE)
    _ip("link", "set", BRIDGE, "up")
    table = "127.0.0.1 localhost\n" + "".join(f"{NET}.{number} {name}\n" for number, name in NAMES.items())
    for number, name in NAMES.items():
        _ip("netns", "add", name)
        _ip("link", "add", f"isthmus{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", f"isthmus{number}", "master", BRIDGE, "up")
        _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", name, "addr", "add", f"{NET}.{number}/24", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        (TABLES / name).mkdir(parents=True, exist_ok=True)
        (TABLES / name / "hosts").write_text(table)


def _remove() -> None:
    for name in NAMES.values():
        _quietly("netns", "del", name)
        shutil.rmtree(TABLES / name, ignore_errors=True)
    _quietly("link", "del", BRIDGE)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def _quietly(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=False, capture_output=True)


def _pids(number: int) -> list[int]:
    told = subprocess.run(["ip", "netns", "pids", NAMES[number]], capture_output=True, text=True, check=True)
    return [int(pid) for pid in told.stdout.split()]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
