"""A Ray cluster of two nodes on this machine, with its Jobs server, in processes of its own.

Nothing of this checkout is on its path: what a job runs has to travel with it. As a program it prints
its address and stays until its input is closed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

OBJECT_STORE_BYTES = 100 * 2**20


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def node_environment(folder: str) -> dict[str, str]:
    """What Ray's nodes find: this environment's programs, nothing of this checkout, and `folder` as their own.

    The folder's name should be short, for Ray's sockets. It is not the usual one: other programs that look for "the"
    cluster of this machine would join this one.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return kept | {"PATH": path, "RAY_TMPDIR": folder, "RAY_AUTH_MODE": "disabled", "RAY_worker_niceness": "0"}


@contextlib.contextmanager
def two_nodes(log: Path, **environment: str) -> Iterator[str]:
    """The address of its Jobs server; `environment` is that of the nodes."""
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    variables = node_environment(folder) | environment
    with open(log, "wb") as err:
        process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=err,
            env=variables,
            cwd="/",
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        told = process.stdout.readline()
        assert told, log.read_text()
        yield json.loads(told)["address"]
    finally:
        process.stdin.close()
        process.wait(120)
        process.stdout.close()
        shutil.rmtree(folder, ignore_errors=True)


def serve_until_closed() -> None:
    from ray.cluster_utils import Cluster

    port = free_port()
    shared = {"num_cpus": 1, "object_store_memory": OBJECT_STORE_BYTES}
    head = {"include_dashboard": True, "dashboard_host": "127.0.0.1", "dashboard_port": port}
    cluster = Cluster(initialize_head=True, head_node_args=shared | head | {"dashboard_agent_listen_port": free_port()})
    cluster.add_node(**shared, dashboard_agent_listen_port=free_port())
    print(json.dumps({"address": f"http://127.0.0.1:{port}"}), flush=True)
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    serve_until_closed()
