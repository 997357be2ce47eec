"""SIGKILL for the MLflow server while the service works and one of its allocations is tracked: the service does not
notice, and MLflow has everything once when the server is back."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from service.journal import Journal
from service.tracking import TrackSettings
from service.tracking.actor import TrackerActor
from tests.faults.service.compare import account
from tests.faults.service.courses import COURSES, INTERVAL
from tests.faults.service.load import Load
from tests.faults.service.monkey import plan, strike_all
from tests.faults.service.peace import in_peace
from tests.service.serving import served
from tests.service.serving_ray import free_port, new_token

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600), pytest.mark.filterwarnings("default")]

TRACKED = "waits-odm"


class MLflow:
    """A tracking server on a SQLite file, in a group of processes of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.port = folder, free_port()
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--port", str(self.port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{self._folder / 'mlflow.db'}"]
        command += ["--artifacts-destination", str(self._folder / "files")]
        more = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with (self._folder / "mlflow.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env=os.environ | more, stdout=log, stderr=log, start_new_session=True
            )

    def wait_until_up(self) -> None:
        """MLflow's own first migration does not survive a kill: it has to end once."""
        until = time.monotonic() + 300
        while time.monotonic() < until:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"http://127.0.0.1:{self.port}/health", timeout=5).status_code == 200:
                    return
            assert self.process.poll() is None, "the tracking server does not start"
            time.sleep(0.3)
        raise TimeoutError("the tracking server does not start")

    def kill(self) -> list[int]:
        found = psutil.Process(self.process.pid)
        killed = [found, *found.children(recursive=True)]
        for process in killed:
            process.kill()
        self.process.wait(60)
        psutil.wait_procs(killed, timeout=60)
        return [process.pid for process in killed]


@pytest.fixture
def mlflow(tmp_path: Path) -> Iterator[MLflow]:
    server = MLflow(tmp_path)
    try:
        server.wait_until_up()
        yield server
    finally:
        server.kill()


def test_the_tracking_server(tmp_path: Path, mlflow: MLflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "nice", lambda step: step)  # the tracker shares this process
    store = f"sqlite:///{tmp_path / 'store.db'}"
    with served(store) as service, in_peace(tmp_path) as peace:
        load = Load(service.url, new_token(store, "report"), tmp_path, COURSES)
        load.start()
        tracker, journal, allocation = _tracked(tmp_path, store, mlflow.port, load)
        sent: list[int] = []

        def kill(_kind: str) -> list[int]:
            """Wherever it is: starting, taking points, or idle; then it is started again."""
            killed = mlflow.kill()
            mlflow.start()
            sent.append(tracker._writer.behind())
            return killed

        longest, over = _longest_gap(load)
        try:
            strikes = plan(["mlflow"] * 20, 26)
            for strike in strikes:
                strike.after *= 4  # long enough for some servers to have started
            strike_all(strikes, load, kill)
        except BaseException:
            load.end(0)
            raise
        finally:
            over.set()
        load.end()
        load.check()
        found = account(journal, load.clients, peace)
        back = tracker.finish("FINISHED", 300.0)
        _check(store, mlflow.port, journal, allocation, back)
        journal.close()
    print(
        f"\nMLflow: 20 strikes, {sum(len(s.pids) for s in strikes)} processes killed; events behind at the strikes: "
        f"{sent}; reports: {found.sent} sent, {found.acknowledged} acknowledged, {found.stored} stored; "
        f"longest time between two acknowledged reports {longest[0]:.1f} s; clients lived with: {dict(found.troubles)}"
    )
    assert not found.wrong, "\n".join(found.wrong[:10])
    assert found.sent == found.acknowledged == found.stored == found.decided


def _tracked(folder: Path, store: str, port: int, load: Load) -> tuple[TrackerActor, Journal, str]:
    """The tracker that a run of our trainer has, on an allocation of the service."""
    journal = Journal(store)
    until = time.monotonic() + 120
    while not (ids := [id for id in journal.allocations() if journal.entry(id).name == TRACKED]):
        load.check()
        assert time.monotonic() < until, "the load does not begin"
        time.sleep(0.1)
    settings = TrackSettings(
        f"http://127.0.0.1:{port}", "kills", TRACKED, str(folder / "run"), None, {}, {}, {}, every_seconds=0.2
    )
    return TrackerActor(store, ids[0], settings), journal, ids[0]


def _longest_gap(load: Load) -> tuple[list[float], threading.Event]:
    """Watches the load; the first item is the longest time without an acknowledged report."""
    longest, over = [0.0], threading.Event()

    def watch() -> None:
        count, since = load.acknowledged(), time.monotonic()
        while not over.wait(0.02):
            if (now := load.acknowledged()) > count:
                longest[0] = max(longest[0], time.monotonic() - since)
                count, since = now, time.monotonic()

    threading.Thread(target=watch, daemon=True).start()
    return longest, over


def _check(store: str, port: int, journal: Journal, allocation: str, back: dict[str, object]) -> None:
    """Every report is there once, at its position and its time."""
    assert back["sent"], back["error"]
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"http://127.0.0.1:{port}")
    reports = journal.events(allocation, kinds=["report"])
    for series in ("eval_loss/hub", "draws/hub"):
        history = client.get_metric_history(str(back["run_id"]), series)
        assert [point.step for point in history] == [event.position for event in reports]
        assert [point.timestamp for point in history] == [round(event.at * 1000) for event in reports]
    run = client.get_run(str(back["run_id"]))
    assert run.info.status == "FINISHED"
    assert len(client.search_runs([run.info.experiment_id])) == 1
    assert reports[-1].position >= 20 * INTERVAL
