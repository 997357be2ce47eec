"""The tournament in MLflow: one run, a child for each policy. Nothing here can fail or hold up a tournament."""

from __future__ import annotations

import hashlib
import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from policies.records import Interval
from policies.tournament import Table
from policies.tournament.figures import Figures
from policies.tournament.table import Overall
from service.tracking.series import Point
from service.tracking.settings import default_uri
from service.tracking.store import TrackingStore
from service.urls import sqlite_file, without_secrets

log = logging.getLogger(__name__)
logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)  # it tells of every new database

EXPERIMENT = "tournament"
EVERY_SECONDS = 30.0
PARENT = "mlflow.parentRunId"


class Track:
    """Writes what it is told; after a call that failed it stays silent, says so once, and tries again at the end.

    `uri` None means MLFLOW_TRACKING_URI, or the SQLite file in ./runs that pretraining uses too.
    """

    def __init__(self, uri: str | None, name: str, params: Mapping[str, str]) -> None:
        self.uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or default_uri(Path("runs").resolve())
        file = sqlite_file(self.uri)
        self._artifacts = None if file is None else str(file.parent / "mlflow-artifacts")
        self._name, self._params = name, params
        self._key = hashlib.sha256(f"{name} {time.time_ns()}".encode()).hexdigest()
        self._store: TrackingStore | None = None
        self._last = 0.0
        self._lost = False

    def progress(self, done: int, total: int) -> None:
        """How many cells are done; at most every half minute."""
        if self._lost or (self._store is not None and time.monotonic() - self._last < EVERY_SECONDS):
            return
        self._guarded(lambda: self._opened().metrics([_point("cells/done", done, done)]))
        self._last = time.monotonic()

    def finish(self, table: Table, files: tuple[Path, ...], status: str) -> None:
        """All figures, the result files, and the end of the run."""
        self._guarded(lambda: self._finish(table, files, status))

    def stop(self, status: str) -> None:
        """The run ends without results."""
        if self._store is not None:
            self._guarded(lambda: self._opened().end(status, round(time.time() * 1000)))

    def _finish(self, table: Table, files: tuple[Path, ...], status: str) -> None:
        store = self._opened()
        now = round(time.time() * 1000)
        for policy in table.policies:
            values = policy_metrics(table, policy)
            child = self._new_store()
            tags = {PARENT: store.run_id, "isthmus.policy": policy}
            child.open_run(policy, f"{self._key} {policy}", now, tags)
            child.metrics([Point(key, value, now, 0) for key, value in values.items()])
            child.end(status, round(time.time() * 1000))
        for file in files:
            store.file(file)
        store.end(status, round(time.time() * 1000))

    def _opened(self) -> TrackingStore:
        if self._store is None:
            store = self._new_store()
            note = "A tournament of policies on simulated trainings. Open results.html under Artifacts first."
            tags = {"mlflow.note.content": note, "mlflow.source.name": "isthmus tournament"}
            store.open_run(self._name, self._key, round(time.time() * 1000), tags)
            store.params(self._params)
            self._store = store
        return self._store

    def _new_store(self) -> TrackingStore:
        return TrackingStore(self.uri, EXPERIMENT, self._artifacts)

    def _guarded(self, call: Callable[[], Any]) -> None:
        try:
            call()
        except Exception as error:  # MLflow raises anything
            text = (without_secrets(str(error), self.uri).splitlines() or [""])[0][:300]
            log.warning("the tournament is not tracked: %s: %s", type(error).__name__, text)
            self._lost = True


def policy_metrics(table: Table, policy: str) -> dict[str, float]:
    """`closed/<world>`, `harm/<world>` ... and `overall/...` of one policy; what is not known is left out."""
    found: dict[str, float] = {}
    over = table.over(policy)
    if over is not None:
        found |= _overall(over)
    for world in table.worlds:
        row = table.row(policy, world)
        found |= {} if row is None else {f"{key}/{world}": value for key, value in _of(row).items()}
    for law in table.laws.get(policy, ())[:1]:
        found |= {"law/r2": law.r2, "law/error": law.error, "law/of_own_error": law.ratio}
    return {key: float(value) for key, value in found.items() if value is not None and math.isfinite(value)}


def _overall(over: Overall) -> dict[str, Any]:
    found: dict[str, Any] = {"overall/loss": over.loss, "overall/worst5": over.worst5, "overall/probing": over.probing}
    found |= {"overall/left_baseline": over.left_baseline, "overall/cpu_seconds": over.seconds}
    found |= _ends("overall/closed", over.closed) | _ends("overall/harm", over.harm)
    return found | ({} if over.advantage is None else _ends("overall/advantage", over.advantage))


def _of(row: Figures) -> dict[str, Any]:
    found: dict[str, Any] = {
        "closed": row.closed.mean,
        "harm": row.harm.mean,
        "loss": row.loss.mean,
        "regret": row.regret.mean,
    }
    found |= {"worst5": row.worst5, "cpu_seconds": row.seconds}
    if row.calibration is not None:
        found |= {"coverage": row.calibration.coverage.mean, "width_over_error": row.calibration.ratio}
    return found


def _ends(key: str, value: Interval) -> dict[str, float]:
    return {key: value.mean, f"{key}_low": value.low, f"{key}_high": value.high}


def _point(key: str, value: float, step: int) -> Point:
    return Point(key, float(value), round(time.time() * 1000), step)
