"""A run on two nodes: stopped and submitted again, its driver killed; the laptop is gone all the while."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from service.journal import Journal, decision_of
from tests.service.jobs.conftest import isthmus, job_of, wait_for, write_run

pytestmark = [pytest.mark.ray, pytest.mark.slow]
# Few refits: on two busy cores the tracker, which is nicer than training, is behind for a minute after fifty.
LONG = {"budget": 6400, "interval": 256, "tracking": {"flush_seconds": 240}}


def status(cluster: str, job: str) -> str:
    return str(json.loads(isthmus("status", job, "--json", "--address", cluster))[0]["status"])


def decisions(run: Path) -> dict[int, object]:
    with Journal(f"sqlite:///{run / 'journal.db'}") as journal:
        journal.verify(run.name)
        return {e.position: decision_of(e) for e in journal.events(run.name, kinds=["decision"], active=True)}


def tracked(runs: Path, experiment: str) -> list[str]:
    code = (
        "import sys, json; from mlflow.tracking import MlflowClient; c = MlflowClient(tracking_uri=sys.argv[1])\n"
        "found = c.search_runs([c.get_experiment_by_name(sys.argv[2]).experiment_id])\n"
        "print(json.dumps([r.info.status for r in found]))"
    )
    command = [sys.executable, "-c", code, f"sqlite:///{runs / 'mlflow.db'}", experiment]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return list(json.loads(done.stdout.splitlines()[-1]))


def test_a_stopped_job_is_gone_on_with_by_submitting_again(cluster: str, tmp_path: Path) -> None:
    file, run = write_run(tmp_path, "long", **LONG), tmp_path / "runs" / "long"
    first = job_of(isthmus("submit", file, "--address", cluster))
    refused = isthmus("submit", file, "--address", cluster, code=2)
    assert f"run 'long' is being trained by job {first} already" in refused
    wait_for(lambda: "896/6,400" in isthmus("logs", first, "--address", cluster))
    assert f"job {first}: STOPPED" in isthmus("stop", "long", "--address", cluster)
    log = isthmus("logs", first, "--address", cluster)
    assert "stopped; go on with" in log
    assert "attempt 1 of" not in log
    before = decisions(run)
    assert 0 < len(before) < 26
    assert tracked(tmp_path / "runs", "long") == ["KILLED"], "the run ended in order, not by SIGKILL"

    second = job_of(isthmus("submit", file, "--address", cluster))
    followed = isthmus("logs", second, "--follow", "--address", cluster)
    assert "goes on from the checkpoint at draw" in followed
    assert "6,400/6,400 100%" in followed
    assert status(cluster, second) == "SUCCEEDED"
    after = decisions(run)
    assert len(after) == 26
    assert {position: after[position] for position in before} == before
    assert tracked(tmp_path / "runs", "long") == ["FINISHED"]
    assert not (tmp_path / "runs" / "long-2").exists()


def test_a_driver_that_dies_is_begun_again_in_its_job(cluster: str, tmp_path: Path) -> None:
    file, run = write_run(tmp_path, "killed", **LONG), tmp_path / "runs" / "killed"
    job = job_of(isthmus("submit", file, "--address", cluster, "--attempts", "2"))
    wait_for(lambda: "896/6,400" in isthmus("logs", job, "--address", cluster))
    os.kill(driver_of(run), signal.SIGKILL)
    log = isthmus("logs", job, "--follow", "--address", cluster)
    assert "attempt 1 of 2 ended by signal 9" in log
    assert "goes on from the checkpoint at draw" in log
    assert status(cluster, job) == "SUCCEEDED"
    assert len(decisions(run)) == 26
    assert tracked(tmp_path / "runs", "killed") == ["FINISHED"]


def driver_of(run: Path) -> int:
    """The process that holds the lock of the run, and is no supervisor."""
    lock = str(run / ".lock")
    for process in psutil.process_iter(["cmdline"]):
        if "service.cli" in (process.info["cmdline"] or ()) and any(f.path == lock for f in process.open_files()):
            return int(process.pid)
    raise AssertionError(f"nobody holds {lock}")
