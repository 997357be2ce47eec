"""`isthmus pretrain` on phantoms with two workers: stopped in the middle, resumed, tracked, reported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.journal import Journal, decision_of
from tests.trainers.volumes.broken import half, head, nifti
from trainers.examples.phantoms import hub_island, write_phantoms

pytestmark = pytest.mark.ray
ROOT = Path(__file__).resolve().parents[3]
BUDGET = 3840
REPORTS = [*range(BUDGET // 20, BUDGET * 9 // 10, BUDGET // 10), BUDGET]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    manifest = write_phantoms(tmp_path / "volumes", domains=hub_island(1), volumes=3, size=24)
    nifti(tmp_path / "volumes" / "hub" / "mask.nii.gz", head() > 60)
    nifti(tmp_path / "volumes" / "island" / "padded.nii.gz", half(head(), -1024))
    body: dict[str, Any] = {
        "name": "small",
        "budget": BUDGET,  # so long that it is not at its end by the time that it has stopped
        "interval": BUDGET // 10,
        "data": {
            "root": "volumes",
            "cache": "cache",
            "crop": 16,
            "max_missing": 0.3,
            "domains": {name: {"path": name, "kind": "mr"} for name in manifest.domains},
        },
        "model": {"preset": "nano"},
        "train": {"global_batch": 16, "eval_fraction": 0.2, "trace": True},
        "policy": {"name": "own_law"},
    }
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(body))
    return path


def start(*arguments: str | Path, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from service.cli import main; main()", "pretrain", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with open(log, "wb") as out:
        return subprocess.Popen(command, stdout=out, stderr=out, env=environment, cwd=log.parent)


def wait_for(text: str, log: Path, process: subprocess.Popen[bytes], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while text not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


def test_stopped_run_goes_on_where_it_was(file: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    process = start(file, log=first)
    wait_for(f"{REPORTS[0]:,}/{BUDGET:,}", first, process)
    volumes = tmp_path / "volumes"
    assert f"domain 'hub': {volumes / 'hub' / 'mask.nii.gz'} quarantined: a mask" in first.read_text()
    assert f"domain 'island': {volumes / 'island' / 'padded.nii.gz'} warning: a padding" in first.read_text()
    process.send_signal(signal.SIGTERM)
    assert process.wait(180) == 1, first.read_text()
    folder = tmp_path / "runs" / "small"
    assert f"isthmus pretrain --resume {folder}" in first.read_text()
    assert "Traceback" not in first.read_text()
    with Journal(f"sqlite:///{folder / 'journal.db'}") as journal:
        before = {e.position: decision_of(e) for e in journal.events("small", kinds=["decision"], active=True)}
    assert max(before) < BUDGET, "it ended before it could be stopped"

    process = start("--resume", folder, log=second)
    assert process.wait(400) == 0, second.read_text()
    told = second.read_text()
    assert f"{BUDGET:,}/{BUDGET:,} 100%" in told
    assert "2 workers go on from the checkpoint here" in told
    assert "mlflow ui --backend-store-uri sqlite:///" in told
    assert "the law of this policy knows no transfer" in told
    assert f"small: finished at {BUDGET:,} of {BUDGET:,} draws" in told
    with Journal(f"sqlite:///{folder / 'journal.db'}") as journal:
        after = {e.position: decision_of(e) for e in journal.events("small", kinds=["decision"], active=True)}
        assert sorted(after) == [0, *REPORTS]
        assert {position: after[position] for position in before} == before
        assert journal.verify("small") > 20
        assert [e.body["workers"] for e in journal.events("small", kinds=["resumed"])] == [2]
    check_tracked(tmp_path / "runs")
    assert "<svg" in (folder / "report.html").read_text() or "plotly" in (folder / "report.html").read_text()


def check_tracked(runs: Path) -> None:
    code = (
        "import sys, json; from mlflow.tracking import MlflowClient; c = MlflowClient(tracking_uri=sys.argv[1])\n"
        "[r] = c.search_runs([c.get_experiment_by_name('small').experiment_id])\n"
        "steps = [m.step for m in c.get_metric_history(r.info.run_id, 'eval_loss/hub')]\n"
        "files = [f.path for f in c.list_artifacts(r.info.run_id, 'refits')]\n"
        "print(json.dumps([r.info.status, steps, len(files), r.info.run_name]))"
    )
    uri = f"sqlite:///{runs / 'mlflow.db'}"
    done = subprocess.run([sys.executable, "-c", code, uri], capture_output=True, text=True, timeout=120, check=True)
    assert yaml.safe_load(done.stdout.splitlines()[-1]) == [
        "FINISHED",
        REPORTS,
        10,
        "small",
    ]
