"""`isthmus submit`, top to bottom: check here, pack, send. Nothing of it has to stay up afterwards."""

from __future__ import annotations

import dataclasses
import os
import secrets
import shlex
import tempfile
from pathlib import Path
from typing import Any

from service.config import Config, load_config, save_config
from service.jobs.entry import SCRIPT
from service.jobs.errors import BadJob
from service.jobs.jobs import PROJECT, RUN, VERSION, Cluster
from service.jobs.package import CONFIG, pack
from service.jobs.registering import registered
from service.pretrain import compare as comparison
from service.urls import has_secret, hidden

STOP_SECONDS = 90  # Ray's default of 3 would kill a run before its tracker has sent what it holds

# What a job is given besides the environment of the cluster's nodes. Secrets are none of it: Ray shows
# these to whoever may list jobs. Store, token and hash key belong into the environment of the nodes.
VARIABLES = {
    "OMP_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS),
}


@dataclasses.dataclass(frozen=True)
class Order:
    """What was asked for on the command line.

    `root` is the folder, as the cluster sees it, that relative paths of the configuration start at;
    `attempts` how often the run is begun anew inside its job; `service` the address of an `isthmus serve`
    on the run's store; `python` an interpreter of the nodes, by default the one that Ray runs in there;
    `requirements` a file of packages that Ray is to install for the job.
    """

    config: Path
    overrides: tuple[str, ...] = ()
    address: str | None = None
    name: str | None = None
    project: str | None = None
    root: Path | None = None
    attempts: int = 1
    compare: str | None = None
    service: str | None = None
    python: str | None = None
    requirements: Path | None = None


@dataclasses.dataclass(frozen=True)
class Sent:
    """A job that the cluster has taken."""

    job: str
    run: str
    url: str
    config: Config
    seen: str | None = None  # where the service will show it


def submit(order: Order) -> Sent:
    """Send the run to the cluster and return as soon as it has taken the job.

    Raises
    ------
    BadConfig, BadJob
        Before anything was sent: the input is wrong, or the run is at work already.
    JobsUnreachable
        Where the cluster does not answer.
    """
    config = checked(order)
    seen = None if order.service is None else registered(order.service, config)
    brought(order.requirements)
    cluster = Cluster(order.address)
    cluster.check_version()
    busy = cluster.active(config.name, config.project or "")
    if busy is not None:
        raise BadJob(
            f"run '{config.name}' is being trained by job {busy.id} already; "
            f"wait for it, stop it by: isthmus stop {busy.id}, or give another --name"
        )
    job = f"{config.name}-{secrets.token_hex(4)}"
    with tempfile.TemporaryDirectory(prefix="isthmus-job-") as scratch:
        environment, version = packed(config, Path(scratch))
        environment |= brought(order.requirements)
        metadata = {RUN: config.name, PROJECT: config.project or "", VERSION: version}
        cluster.send(entrypoint(order), environment, metadata, job)
    return Sent(job, config.name, cluster.url, config, seen)


def checked(order: Order) -> Config:
    """The whole configuration, with absolute paths, as the job will read it."""
    if order.attempts < 1:
        raise BadJob(f"--attempts is {order.attempts}; give 1 or more")
    given = {"name": order.name, "project": order.project}
    settings = [f"{key}={value}" for key, value in given.items() if value is not None]
    config = load_config(order.config, [*order.overrides, *settings], root=order.root)
    _check_secrets(config)
    config.check_model()
    if order.compare is not None:
        comparison.check_policy_name(order.compare, config)
    return config


def _check_secrets(config: Config) -> None:
    """A job's files lie in Ray's store, where whoever may list jobs can read them."""
    for key, url, variable in (
        ("store", config.store, "ISTHMUS_STORE"),
        ("tracking.uri", config.tracking.uri, "ISTHMUS_TRACKING"),
    ):
        if url is not None and has_secret(url):
            raise BadJob(
                f"{key} is '{hidden(url)}' with its password, which a job's files would show to others; "
                f"write {key}: ${variable}, and set {variable} in the environment of the cluster's nodes"
            )


def packed(config: Config, scratch: Path) -> tuple[dict[str, Any], str]:
    """The job's runtime environment, made of files under `scratch`, and the version of the code in it."""
    written = scratch / "written.yaml"
    save_config(config, written)
    archive, version = pack(written.read_text(), scratch)
    variables = VARIABLES | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    return {"working_dir": str(archive), "env_vars": variables}, version


def brought(requirements: Path | None) -> dict[str, Any]:
    """The packages that Ray installs for the job, in an environment of its own over that of the nodes."""
    if requirements is None:
        return {}
    try:
        lines = [line.split(" #")[0].strip() for line in requirements.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise BadJob(f"--requirements {requirements} cannot be read: {why}; give a file of lines for pip") from None
    packages = [line for line in lines if line and not line.startswith("#")]
    if not packages:
        raise BadJob(f"--requirements {requirements} names no package; give a file of lines for pip, or leave it out")
    return {"pip": {"packages": packages, "pip_check": False}}


def entrypoint(order: Order) -> str:
    """The shell line of the job; its code is on PYTHONPATH, a console script of it would not be on PATH."""
    start = ["sh", SCRIPT] if order.python is None else [order.python, "-m", "service.jobs.entry"]
    words = [*start, CONFIG, "--attempts", str(order.attempts)]
    words += [] if order.compare is None else ["--compare", order.compare]
    return shlex.join(words)
