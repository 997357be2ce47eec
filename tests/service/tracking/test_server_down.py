"""A tracking server that is gone delays the tracking, and nothing else."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from policies import Domain, LossReport
from service.journal import Journal
from service.owner import Owner, Spec
from service.tracking import TrackSettings
from service.tracking.actor import TrackerActor

SECRET = "s3cr3t"
NAMES = ("ct", "mr")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(f"sqlite:///{tmp_path / 'small' / 'journal.db'}") as journal:
        journal.create("small", Spec(tuple(Domain(n) for n in NAMES), 1000, 100, policy="uniform").to_dict())
        yield journal


def report(position: int) -> LossReport:
    return LossReport(position, dict.fromkeys(NAMES, position / 2), dict.fromkeys(NAMES, 1.0 / position))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(folder: Path, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder / 'server.db'}"]
    command += ["--artifacts-destination", str(folder / "files"), "--port", str(port), "--workers", "1"]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with open(folder / "server.log", "wb") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)


@pytest.mark.filterwarnings("default")
def test_gaps_are_filled_when_the_server_is_back(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    settings = TrackSettings(
        f"http://me:{SECRET}@127.0.0.1:{port}",
        "small",
        "small",
        str(tmp_path / "small"),
        None,
        {},
        {},
        {},
        every_seconds=0.2,
    )
    monkeypatch.setattr(os, "nice", lambda step: step)
    owner = Owner(journal, "small")
    tracker = TrackerActor(journal.url, "small", settings)
    began = time.monotonic()
    for position in range(60, 500, 100):
        owner.decide(report(position))
    assert time.monotonic() - began < 5, "training waited for the tracking"
    gone = tracker.finish("FINISHED", 0.5)
    assert (gone["sent"], gone["behind"]) == (False, 11)
    assert gone["error"]
    assert SECRET not in gone["error"]

    server = serve(tmp_path, port)
    try:
        deadline = time.monotonic() + 120
        while not (back := tracker.finish("FINISHED", 1.0))["sent"] and time.monotonic() < deadline:
            time.sleep(0.5)
        assert back["sent"], back["error"]
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=settings.uri)
        history = client.get_metric_history(back["run_id"], "eval_loss/ct")
        assert [metric.step for metric in history] == [60, 160, 260, 360, 460]
        stamps = [round(event.at * 1000) for event in journal.events("small", kinds=["report"])]
        assert [metric.timestamp for metric in history] == stamps
        assert client.get_run(back["run_id"]).info.status == "FINISHED"
        assert len(client.list_artifacts(back["run_id"], "refits")) == 5
        assert not [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    finally:
        os.killpg(server.pid, 9)
        server.wait()


def test_settings_survive_the_way_to_the_actor() -> None:
    import pickle

    settings = TrackSettings("sqlite:///x", "e", "r", "d", None, {"a": "1"}, {}, {})
    assert dataclasses.asdict(pickle.loads(pickle.dumps(settings))) == dataclasses.asdict(settings)
