"""Commands about jobs of a Ray cluster."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rich.table import Table

from service.cli.screen import screen
from service.jobs.errors import JobEnded
from service.jobs.inside import BEGUN
from service.jobs.jobs import Cluster, Job
from service.jobs.submit import Order, submit
from service.pretrain.ending import how_to_look
from service.pretrain.lines import duration

LOG_SECONDS = 1.0  # between two looks at a job's log
STOP_WAIT_SECONDS = 120.0
START_SECONDS = 15.0  # for which `submit` looks whether the job begins; it takes Ray about five
LOOK_SECONDS = 0.5


def send(order: Order) -> None:
    """Submit, and say where to look from now on."""
    sent = submit(order)
    at = "" if order.address is None else f" {shlex.join(['--address', order.address])}"
    print(f"job {sent.job} trains run '{sent.run}' at {sent.url}; it goes on without this machine")
    print(f"isthmus logs {sent.job} --follow{at}")
    print(f"isthmus stop {sent.job}{at}          # submitting again goes on where it was")
    if sent.seen is not None:
        print(sent.seen)
    if sent.config.tracking.uri is not None:
        for line in how_to_look(sent.config):
            print(line)
    watch_start(Cluster(sent.url), sent.job)


def watch_start(cluster: Cluster, job: str, seconds: float = START_SECONDS) -> None:
    """Return once the job is at work, or after `seconds`; raise `JobEnded` where it fails before that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = cluster.find(job)
        if not found.active and found.why:
            raise JobEnded(f"job {job} ended at once: {found.why}")
        if not found.active or (found.status == "RUNNING" and BEGUN in cluster.logs(found)):
            return
        time.sleep(LOOK_SECONDS)


def status(name: str | None, address: str | None, as_json: bool) -> None:
    """All jobs, or one of them in full."""
    cluster = Cluster(address)
    jobs = cluster.jobs() if name is None else [cluster.find(name)]
    if as_json:
        print(json.dumps([_plain(job) for job in jobs], indent=1))
    elif name is None:
        screen().print(table(jobs) if jobs else f"no run was submitted at {cluster.url} yet")
    else:
        for line in told(jobs[0], cluster.logs(jobs[0])):
            print(line)


def logs(name: str, address: str | None, follow: bool) -> None:
    """What the job has printed; with `follow` until it ends."""
    cluster = Cluster(address)
    job = cluster.find(name)
    pieces = _followed(cluster, job) if follow else iter([cluster.logs(job)])
    for piece in pieces:
        print(piece, end="", flush=True)


def stop(name: str, address: str | None) -> None:
    """Stop a job and wait for it: its run ends in order, and is gone on with by submitting again."""
    cluster = Cluster(address)
    job = cluster.find(name)
    if not job.active:
        print(f"job {job.id} is not at work ({job.status})")
        return
    cluster.stop(job)
    deadline = time.monotonic() + STOP_WAIT_SECONDS
    while cluster.find(job.id).active and time.monotonic() < deadline:
        time.sleep(LOG_SECONDS)
    print(f"job {job.id}: {cluster.find(job.id).status}; submit the same configuration to go on")


def table(jobs: list[Job]) -> Table:
    """One row a job, newest first."""
    shown = Table("job", "run", "project", "status", "for", "why")
    for job in jobs:
        shown.add_row(job.id, job.run, job.project, job.status, _lasted(job), job.why)
    return shown


def told(job: Job, log: str) -> list[str]:
    """One job in lines."""
    lines = [line for line in log.splitlines() if line.strip()]
    code = "" if job.exit_code is None else f", exit code {job.exit_code}"
    found = [f"job {job.id}", f"run {job.run}, project {job.project}", f"{job.status}{code}, for {_lasted(job)}"]
    return [*found, *([job.why] if job.why else []), *([f"last line: {lines[-1]}"] if lines else [])]


def _followed(cluster: Cluster, job: Job) -> Iterator[str]:
    """The log as it grows. Asked for again and again: a stream would end with the laptop's first lost packet."""
    shown = 0
    while True:
        active = cluster.find(job.id).active
        text = cluster.logs(job)
        yield text[shown:]
        shown = len(text)
        if not active:
            return
        time.sleep(LOG_SECONDS)


def _lasted(job: Job) -> str:
    if job.started is None:
        return ""
    end = job.ended or datetime.now().astimezone()
    return duration((end - job.started).total_seconds())


def _plain(job: Job) -> dict[str, Any]:
    times = {"started": job.started, "ended": job.ended}
    known = {"id": job.id, "run": job.run, "project": job.project, "status": job.status, "exit_code": job.exit_code}
    known |= {"message": " ".join(job.message.split()), "why": job.why}
    return known | {name: value and value.isoformat() for name, value in times.items()}
