"""The only file that imports MLflow. Every call may fail or hang for a few seconds; the caller tries again."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from service.tracking.series import Point
from service.urls import sqlite_file

# Set before MLflow is imported: with its defaults one call to a server that is gone blocks four minutes.
_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
}
_METRICS_AT_ONCE, _PARAMS_AT_ONCE = 1000, 100
KEY_TAG, RUN_TAG = "isthmus.journal", "isthmus.run"


class TrackingStore:
    """One MLflow run, found again by the digest of the journal's first event."""

    def __init__(self, uri: str, experiment: str, artifacts: str | None) -> None:
        os.environ.update(_ENVIRONMENT)
        from mlflow.tracking import MlflowClient

        self.uri = uri
        with _alone(uri):  # a fresh database is migrated once, by one process
            self._client = MlflowClient(tracking_uri=uri)
            self.experiment_id = self._experiment(experiment, artifacts)
        self.run_id = ""

    def open_run(self, name: str, key: str, start_ms: int, tags: Mapping[str, str]) -> str:
        """The run with this key, set to running; made if there is none."""
        found = self._client.search_runs([self.experiment_id], f"tags.`{KEY_TAG}` = '{key}'", max_results=1)
        if found:
            self.run_id = str(found[0].info.run_id)
            self._client.update_run(self.run_id, status="RUNNING")
        else:
            run = self._client.create_run(
                self.experiment_id, start_time=start_ms, run_name=name, tags={KEY_TAG: key, RUN_TAG: name, **tags}
            )
            self.run_id = str(run.info.run_id)
        return self.run_id

    def metrics(self, points: Iterable[Point]) -> None:
        from mlflow.entities import Metric

        found = [Metric(point.key, point.value, point.at_ms, point.step) for point in points]
        for first in range(0, len(found), _METRICS_AT_ONCE):
            self._client.log_batch(self.run_id, metrics=found[first : first + _METRICS_AT_ONCE])

    def params(self, params: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        found = [Param(key, value) for key, value in params.items()]
        for first in range(0, len(found), _PARAMS_AT_ONCE):
            self._client.log_batch(self.run_id, params=found[first : first + _PARAMS_AT_ONCE])

    def tags(self, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        self._client.log_batch(self.run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def text(self, text: str, file: str) -> None:
        self._client.log_text(self.run_id, text, file)

    def json(self, body: Any, file: str) -> None:
        self.text(json.dumps(body, indent=1, sort_keys=True), file)

    def file(self, path: Path) -> None:
        self._client.log_artifact(self.run_id, str(path))

    def datasets(self, manifest: Mapping[str, Any]) -> None:
        """One input per domain, without a path: name, digest, volumes and distinct crops."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = []
        for name, domain in manifest["domains"].items():
            profile = {"volumes": len(domain["train"]), "crops": domain["pool"], "held_out": len(domain["held_out"])}
            dataset = Dataset(
                name=name,
                digest=str(domain["digest"])[:36],
                source_type="isthmus",
                source=json.dumps({"manifest": "manifest.json", "domain": name}),
                profile=json.dumps(profile),
            )
            inputs.append(
                DatasetInput(dataset, [InputTag("domain", name), InputTag("mlflow.data.context", "training")])
            )
        self._client.log_inputs(self.run_id, inputs)

    def end(self, status: str, end_ms: int) -> None:
        self._client.set_terminated(self.run_id, status=status, end_time=end_ms)

    def running(self) -> list[tuple[str, str]]:
        """Runs of the experiment that claim to be running: (run id, name of the run's folder)."""
        found = self._client.search_runs([self.experiment_id], "attributes.status = 'RUNNING'", max_results=1000)
        return [(str(run.info.run_id), run.data.tags[RUN_TAG]) for run in found if RUN_TAG in run.data.tags]

    def end_other(self, run_id: str, status: str) -> None:
        self._client.set_terminated(run_id, status=status)

    def _experiment(self, name: str, artifacts: str | None) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None and found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        if found is not None:
            return str(found.experiment_id)
        # A name is no path: `a/b` is one folder, and `..` none of those above.
        folder = quote(name, safe=" ").replace(".", "%2E") if name.startswith(".") else quote(name, safe=" ")
        location = None if artifacts is None else Path(artifacts, folder).absolute().as_uri()
        return str(self._client.create_experiment(name, artifact_location=location))


@contextmanager
def _alone(uri: str) -> Iterator[None]:
    """For a SQLite file: one process at a time; others wait until the tables are there."""
    database = sqlite_file(uri)
    if database is None:
        yield
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with open(database.with_name(f".{database.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
