"""Connecting to Ray: a cluster of this machine that ends with the run, or one that is there."""

from __future__ import annotations

import logging
import math
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from service.config import BadConfig, ClusterConfig

OBJECT_STORE_BYTES = 128 * 2**20  # training moves no data through it
# Ray runs workers at niceness 15 by default: on a shared machine training would starve.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "DO_NOT_TRACK": "true",
}


class ClusterLost(RuntimeError):
    """Ray cannot be reached: see to the cluster, then resume."""


@contextmanager
def connected(config: ClusterConfig) -> Iterator[None]:
    """Ray for the time of a `with` block. Its token check is set explicitly, never left to a file lying about."""
    os.environ["RAY_AUTH_MODE"] = config.auth
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    from service.actor import NAMESPACE

    options: dict[str, Any] = {"namespace": NAMESPACE, "log_to_driver": False, "logging_level": logging.ERROR}
    options |= _local(config) if config.address is None else {"address": config.address}
    try:
        ray.init(**options)
    except Exception as error:  # Ray raises a bare one where a start takes it too long
        where = "on this machine" if config.address is None else f"at {config.address}"
        raise ClusterLost(f"Ray cannot be started or reached {where}: {_said(error)}") from error
    try:
        _check_gpus(config, ray.cluster_resources().get("GPU", 0))
        with terminated_like_interrupted():
            yield
    finally:
        ray.shutdown()


def _said(error: BaseException) -> str:
    """The first line; all of them where versions differ, which Ray tells in a list."""
    lines = str(error).splitlines() or [type(error).__name__]
    if "ersion mismatch" in lines[0]:
        return f"{' '.join(' '.join(lines).split())}; use the Python and the Ray that the cluster was started with"
    return lines[0]


def _local(config: ClusterConfig) -> dict[str, Any]:
    """As many CPUs as the workers ask for, even on a machine with fewer: they share them, slowly."""
    workers = config.most_workers
    options: dict[str, Any] = {
        "address": "local",  # or Ray would join whatever cluster was started on this machine last
        "num_cpus": max(os.cpu_count() or 1, math.ceil(workers * config.cpus_per_worker)),
        "include_dashboard": False,
        "object_store_memory": OBJECT_STORE_BYTES,
    }
    if config.resources:
        options["resources"] = {name: amount * workers for name, amount in config.resources.items()}
    return options


def _check_gpus(config: ClusterConfig, there: float) -> None:
    needed = config.most_workers if isinstance(config.workers, int) else config.workers[0]
    if config.use_gpu and there < needed:
        raise BadConfig(
            f"ray.use_gpu asks for {needed} GPUs and Ray sees {there:.0f}; "
            "lower ray.workers or set ray.use_gpu to false"
        )


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does: Ray Train's own handler for the latter stops the workers in order.

    Also where the shell lets its background commands ignore SIGINT, as `nohup isthmus ... &` in a script does.
    """

    def pass_on(_signal: int, _frame: FrameType | None) -> None:
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, pass_on)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)
