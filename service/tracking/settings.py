"""What the tracker is told about a run, and what of the configuration may leave the machine."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from service.config import Config
from service.config.load import whole_url
from service.urls import is_sqlite_url, link, sqlite_url

HIDDEN = "(not tracked)"
_PARAM_LENGTH = 500
_MOST_PARAMS = 1000


@dataclasses.dataclass(frozen=True)
class TrackSettings:
    """Everything a tracker needs besides the journal; picklable.

    `uri` is the MLflow tracking URI, `artifacts` the folder for a new experiment's artifacts where
    the store is a local file (None: the server decides), `run_dir` the folder of the run.
    """

    uri: str = dataclasses.field(repr=False)  # it may hold a password
    experiment: str
    run_name: str
    run_dir: str
    artifacts: str | None
    params: Mapping[str, str]
    tags: Mapping[str, str]
    config: Mapping[str, Any]
    every_seconds: float = 1.0


def describe(config: Config, run_dir: Path, **tags: str) -> TrackSettings:
    """Settings for the tracker of a run; without `tracking.uri` a SQLite file serves all runs of the folder."""
    runs = config.runs_path
    public = public_config(config)
    uri = tracking_uri(config)
    return TrackSettings(
        uri=uri,
        experiment=config.experiment,
        run_name=run_dir.name,
        run_dir=str(run_dir),
        artifacts=str(runs / "mlflow-artifacts") if is_sqlite_url(uri) else None,
        params=_flat(public),
        tags=_tags(config) | tags,
        config=public,
        every_seconds=config.tracking.every_seconds,
    )


def default_uri(runs: Path) -> str:
    return sqlite_url(runs / "mlflow.db")


def tracking_uri(config: Config) -> str:
    """Where the run is tracked, variables in place; `BadConfig` where one is not set, or a password is not known."""
    uri = config.tracking.uri
    if uri is None:
        return default_uri(config.runs_path)
    return whole_url(uri, "tracking.uri", "ISTHMUS_TRACKING", "URI of the tracking store")


def public_uri(uri: str) -> str:
    """The address without passwords (and, of a server, without a user), for people and logs."""
    return link(uri)


def public_config(config: Config) -> dict[str, Any]:
    """The configuration without what could name a person or a place: paths, subjects, patterns, addresses."""
    body = config.model_dump(mode="json")
    for key in ("runs", "store"):
        body[key] = HIDDEN
    body["data"]["root"] = body["data"]["cache"] = body["tracking"]["uri"] = body["ray"]["address"] = HIDDEN
    for domain in body["data"]["domains"].values():
        domain["path"] = domain["exclude"] = domain["subject"] = domain["dataset"] = HIDDEN
        if isinstance(domain["held_out"], list):
            domain["held_out"] = f"{len(domain['held_out'])} subjects"
    return body


def submission_id() -> str | None:
    """Ray's id of the job this driver was submitted as, if it was; there is no simple variable for it."""
    try:
        job = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}"))
    except ValueError:
        return None
    found = job.get("metadata", {}).get("job_submission_id") if isinstance(job, dict) else None
    return None if found is None else str(found)


def _tags(config: Config) -> dict[str, str]:
    tags = {
        "isthmus.policy": config.policy.name,
        "isthmus.mode": config.policy.mode,
        "isthmus.version": _version(),
        "git.sha": _git_sha(),
        "ray.submission_id": submission_id(),
    }
    return {name: value for name, value in tags.items() if value}


def _version() -> str:
    try:
        return version("isthmus")
    except PackageNotFoundError:
        return ""


def _git_sha() -> str:
    """Of the source this runs from; empty for an installed wheel."""
    command = ["git", "-C", str(Path(__file__).resolve().parent), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _flat(body: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested keys joined by dots; values as text, cut to what MLflow takes."""
    found: dict[str, str] = {}
    for key, value in body.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{name}.")
        elif value != HIDDEN:
            found[name] = (value if isinstance(value, str) else json.dumps(value))[:_PARAM_LENGTH]
    return dict(list(found.items())[:_MOST_PARAMS])
