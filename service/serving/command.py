"""`isthmus serve`, from top to bottom."""

from __future__ import annotations

import logging
import os
import secrets
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from service.journal import Journal
from service.journal.engine import is_sqlite, without_password
from service.pretrain.cluster import OBJECT_STORE_BYTES, ClusterLost
from service.serving.asked import Asked, settled_store
from service.serving.attend import attended
from service.tokens import Vault

LEAST_CPUS = 2
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "DO_NOT_TRACK": "true", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


def serve(asked: Asked, tell: Callable[[str], None]) -> None:
    """Answer until Ctrl-C or SIGTERM. What was answered is in the store, however this ends."""
    url = settled_store(asked.store)
    if asked.address is None:
        asked.check_port()
    with Journal(url, shared=True) as journal:
        tokens = Vault(journal).list()
    with _ray(asked.address), _stopped() as stopped:  # in this order: Ray has a handler of its own for SIGTERM
        from service.hosting.cluster import Hosts
        from service.serving.deploy import Where, clear, deploy, stop

        here = _here()
        id, ip = (here["NodeID"], here["NodeManagerAddress"]) if is_sqlite(url) else (None, None)
        hosts = Hosts(url, asked.shards, id, asked.hosting)  # on the node where the store is, if it is a file there
        with attended(here["RayletSocketName"]):
            hosts.end()  # those of a server that was killed, maybe of an older version; their allocations go on
            try:
                hosts.begin()
                deploy(hosts, asked.settings, asked.replicas, Where(asked.host, asked.port, asked.address is None, ip))
                for line in _greeting(asked, url, any(token.revoked_at is None for token in tokens)):
                    tell(line)
                stopped.wait()
                tell("stopping; what was answered is in the store")
            finally:
                stop() if asked.address is None else clear()
                hosts.end()


def _greeting(asked: Asked, url: str, has_tokens: bool) -> Iterator[str]:
    shown = without_password(url)
    store = f" {shlex.join(['--store', shown])}" if asked.store or not is_sqlite(url) else ""
    yield f"serving {asked.where} (its interface: {asked.where}/docs), store {shown}"
    hint = "a token for training" if has_tokens else "there is no token yet; make one"
    yield f"{hint}: isthmus token create --project NAME --scope report{store}"
    yield "end with Ctrl-C"


def _here() -> dict[str, Any]:
    """This node, as Ray describes it."""
    import ray

    id = ray.get_runtime_context().get_node_id()
    return next(dict(node) for node in ray.nodes() if node["NodeID"] == id)


@contextmanager
def _ray(address: str | None) -> Iterator[None]:
    """Ray for the time of a `with` block. Ray's own ports answer on every interface: hence a token, made for
    this start and kept in no file, unless the environment says how its cluster checks."""
    if address is None and "RAY_AUTH_MODE" not in os.environ:
        os.environ["RAY_AUTH_MODE"], os.environ["RAY_AUTH_TOKEN"] = "token", secrets.token_hex(32)
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    from service.actor import NAMESPACE

    options: dict[str, Any] = {"namespace": NAMESPACE, "log_to_driver": False, "logging_level": logging.ERROR}
    options["address"] = address or "local"
    if address is None:
        cpus = max(os.cpu_count() or 1, LEAST_CPUS)
        options |= {"num_cpus": cpus, "include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
    try:
        ray.init(**options)
    except Exception as error:  # Ray has no base class of its own for what goes wrong here
        where = "started on this machine" if address is None else f"reached at {address}"
        raise ClusterLost(f"Ray cannot be {where}: {str(error).splitlines()[0]}") from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _stopped() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set; a second Ctrl-C ends at once."""
    event = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        if event.is_set():
            sys.exit(1)
        event.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
