"""The supervisor in a job: again after a death, never after wrong input, not after a stop."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from service.config import load_config
from service.jobs.inside import on_this_cluster, pretrain_command, supervise
from service.pretrain.console import Console
from tests.service.jobs.conftest import write_run

ROOT = Path(__file__).resolve().parents[3]
COUNT = "import os, sys, pathlib; p = pathlib.Path(sys.argv[1]); n = len(p.read_text()) if p.exists() else 0; "
COUNT += "p.write_text('x' * (n + 1)); "


def attempts_of(tmp_path: Path, ending: str, attempts: int) -> tuple[int, int, str]:
    """Exit code, how often it was begun, and what was said."""
    counted, out = tmp_path / "count", io.StringIO()
    command = [sys.executable, "-c", COUNT + ending, str(counted)]
    code = supervise(lambda: command, attempts, Console(out), pause=0.0)
    return code, len(counted.read_text()), out.getvalue()


@pytest.mark.parametrize(
    ("ending", "attempts", "expected"),
    [
        ("sys.exit(0)", 3, (0, 1)),
        ("sys.exit(2)", 3, (2, 1)),
        ("sys.exit(1)", 3, (1, 3)),
        ("sys.exit(1 if n < 1 else 0)", 3, (0, 2)),
        ("os.kill(os.getpid(), 9) if n < 2 else sys.exit(0)", 3, (0, 3)),
        ("os.kill(os.getpid(), 9)", 2, (1, 2)),
        ("sys.exit(1)", 1, (1, 1)),
    ],
)
def test_begun_again_where_that_can_help(tmp_path: Path, ending: str, attempts: int, expected: tuple[int, int]) -> None:
    code, begun, _ = attempts_of(tmp_path, ending, attempts)
    assert (code, begun) == expected


def test_it_says_how_an_attempt_ended(tmp_path: Path) -> None:
    _, _, said = attempts_of(tmp_path, "os.kill(os.getpid(), 9) if n < 1 else sys.exit(1)", 2)
    assert said.splitlines() == ["attempt 1 of 2 ended by signal 9", "attempt 2 of 2 ended with exit code 1"]


def test_a_stop_is_not_a_death(tmp_path: Path) -> None:
    """Ray sends SIGTERM to all processes of a job: the child ends with 1, and is not begun again."""
    code = (
        "import sys; from service.jobs.inside import supervise; from service.pretrain.console import Console\n"
        "child = [sys.executable, '-c', \"print('up', flush=True); import time; time.sleep(60)\"]\n"
        "sys.exit(supervise(lambda: child, 5, Console(), 0.0))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    os.killpg(process.pid, signal.SIGTERM)
    begun = time.monotonic()
    assert process.wait(30) == 1
    assert process.stdout.read() == ""
    process.stdout.close()
    assert time.monotonic() - begun < 20


def test_the_code_of_a_running_job_does_not_change(tmp_path: Path) -> None:
    """Ray removes and unpacks a job's folder again while the job runs in it: nothing of it may be missed."""
    shutil.copytree(ROOT / "service", tmp_path / "sent" / "service")
    shutil.copytree(ROOT / "trainers", tmp_path / "sent" / "trainers")
    shutil.copytree(ROOT / "policies", tmp_path / "sent" / "policies")
    (tmp_path / "own").mkdir()
    code = (
        "import pathlib, shutil, subprocess, sys\n"
        "from service.jobs.inside import own_code\n"
        "own_code(pathlib.Path(sys.argv[1]))\n"
        "shutil.rmtree(sys.argv[2])\n"
        "child = 'import os, service.config; print(os.getcwd(), service.config.__file__)'\n"
        "subprocess.run([sys.executable, '-c', child], check=True)"
    )
    own, sent = tmp_path / "own", tmp_path / "sent"
    command = [sys.executable, "-c", code, str(own), str(sent)]
    told = subprocess.check_output(command, cwd=sent, env=os.environ | {"PYTHONPATH": str(sent)}, text=True)
    assert told.split() == [str(own), str(own / "code" / "service" / "config" / "__init__.py")]


def test_the_job_trains_on_the_cluster_it_runs_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config(write_run(tmp_path, "r", ray={"workers": 2, "address": "ray://elsewhere:10001"}))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    found = on_this_cluster(config).ray
    assert (found.address, found.auth, found.workers) == ("auto", "token", 2)


def test_a_run_that_was_begun_is_resumed_by_its_folder(tmp_path: Path) -> None:
    config = load_config(write_run(tmp_path, "r"))

    def words() -> Sequence[str]:
        return pretrain_command(tmp_path / "settled.yaml", config, "uniform")[3:]

    assert words() == ["pretrain", str(tmp_path / "settled.yaml"), "--compare", "uniform"]
    run = tmp_path / "runs" / "r"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text("")
    assert words() == ["pretrain", str(tmp_path / "settled.yaml"), "--resume", str(run), "--compare", "uniform"]
