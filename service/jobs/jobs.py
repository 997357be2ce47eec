"""Jobs of ours on a cluster: which run each trains, how it stands. Ray keeps the list; nothing is kept here."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from datetime import datetime
from importlib import metadata
from typing import Any

from service.jobs.errors import BadJob
from service.jobs.server import answering, connect

RUN, PROJECT, VERSION = "isthmus_run", "isthmus_project", "isthmus_version"  # keys of a job's metadata
LONGEST = 500  # characters of a cause
NOT_STARTED = {126: "cannot be run", 127: "is not there"}  # exit codes of a shell
ACTIVE = ("PENDING", "RUNNING")
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# Of a traceback: its frames, which are indented, and the line after them; whatever was printed later is not the cause.
_RAISED = re.compile(r"^Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)*(\S.*)", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Job:
    """One submitted run. `started` and `ended` are local times, None where it has not."""

    id: str
    run: str
    project: str
    status: str
    started: datetime | None
    ended: datetime | None
    message: str
    exit_code: int | None

    @property
    def why(self) -> str:
        """Why it ended badly or waits, in one sentence; empty where it does neither."""
        if self.status == "PENDING":
            return " ".join(self.message.split())[:LONGEST]
        return "" if self.active or self.status in ("SUCCEEDED", "STOPPED") else cause(self.message, self.exit_code)

    @property
    def active(self) -> bool:
        return self.status in ACTIVE


class Cluster:
    """The jobs at one address; see `connect` for what is raised."""

    def __init__(self, address: str | None = None) -> None:
        self.client = connect(address)
        self.url: str = self.client.get_address()

    def jobs(self) -> list[Job]:
        """Newest first; jobs of other programs are left out."""
        with answering(self.url):
            listed = self.client.list_jobs()
        mine = [_job(details) for details in listed if (details.metadata or {}).get(RUN)]
        return sorted(mine, key=_age)

    def find(self, name: str) -> Job:
        """By its id, or the newest of a run's; `BadJob` names what there is."""
        jobs = self.jobs()
        for job in jobs:
            if name in (job.id, job.run):
                return job
        known = ", ".join(dict.fromkeys(job.run for job in jobs)) or "none"
        raise BadJob(f"no job and no submitted run is called '{name}' at {self.url}; runs there: {known}")

    def active(self, run: str, project: str) -> Job | None:
        """The job that is at work on a run, if there is one."""
        return next((job for job in self.jobs() if job.active and (job.run, job.project) == (run, project)), None)

    def check_version(self) -> None:
        """Raise `BadJob` where the cluster's Ray is one that Isthmus does not run on."""
        from packaging.specifiers import SpecifierSet  # which Ray brings along

        there = str(getattr(self.client, "_server_ray_version", None) or "")
        wanted = next((line for line in _requires() if re.match(r"ray\b", line)), "")
        specifier = re.sub(r"^ray(\[[^\]]*\])?\s*", "", wanted.partition(";")[0].strip())
        if there and specifier and not SpecifierSet(specifier).contains(there, prereleases=True):
            raise BadJob(
                f"the cluster at {self.url} runs Ray {there}, and Isthmus needs {specifier}; "
                "start the cluster with such a Ray"
            )

    def send(self, entrypoint: str, runtime_env: Mapping[str, Any], metadata: Mapping[str, str], job_id: str) -> None:
        with answering(self.url):
            self.client.submit_job(
                entrypoint=entrypoint, runtime_env=dict(runtime_env), metadata=dict(metadata), submission_id=job_id
            )

    def logs(self, job: Job) -> str:
        with answering(self.url):
            return str(self.client.get_job_logs(job.id))

    def stop(self, job: Job) -> bool:
        """True if it was at work; the job ends its run in order before it goes."""
        with answering(self.url):
            return bool(self.client.stop_job(job.id))


def _requires() -> list[str]:
    try:
        return metadata.requires("isthmus") or []
    except metadata.PackageNotFoundError:
        return []


def _job(details: Any) -> Job:
    metadata = details.metadata or {}
    return Job(
        id=str(details.submission_id),
        run=metadata[RUN],
        project=metadata.get(PROJECT, ""),
        status=str(getattr(details.status, "value", details.status)),
        started=_time(details.start_time),
        ended=_time(details.end_time),
        message=(details.message or "").strip(),
        exit_code=details.driver_exit_code,
    )


def cause(message: str, exit_code: int | None = None) -> str:
    """The line of a job's last words that names the cause: ours if there is one, else the last of a traceback."""
    message = _COLOURS.sub("", message.replace("\r", "\n"))
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if exit_code in NOT_STARTED:
        begun = next((line.partition(": ")[2] for line in lines if line.startswith("Running entrypoint")), "")
        what = begun.split(" ")[0] or "what the job runs"
        return f"{what} {NOT_STARTED[exit_code]} on the node; submit with --python and the path of its Python there"
    ours = [line for line in lines if line.startswith("isthmus: ")]
    if ours:
        return ours[-1].removeprefix("isthmus: ")[:LONGEST]
    raised = _RAISED.findall(message)
    last = raised[-1].strip() if raised else lines[-1] if lines else ""
    if exit_code is not None and exit_code < 0 and not raised:
        why = "; most often the node had too little memory" if exit_code == -9 else ""
        return f"signal {-exit_code} ended it{why}"
    if last.endswith(":") and "last available logs" in last:
        return f"it ended with exit code {exit_code} and said nothing"
    lacking = re.search(r"No module named '([^']+)'", last)
    if lacking:
        return (
            f"the job's Python has no module '{lacking[1]}'; install isthmus on the nodes, or submit with "
            "--requirements FILE or --python PATH"
        )
    if "runtime_env" in message.partition("\n")[0].lower() or "runtime environment" in message.lower():
        failed = [line for line in lines if line.startswith("ERROR:")] or [last]
        return f"Ray could not make the job's environment: {failed[-1]}"[:LONGEST]
    return last[:LONGEST]


def _age(job: Job) -> float:
    return -job.started.timestamp() if job.started else -math.inf


def _time(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000).astimezone() if milliseconds else None
