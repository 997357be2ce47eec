"""Which interpreter a job runs in, and what is said where that one cannot run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.jobs import BadJob
from service.jobs.entry import LEAST_PYTHON, START, missing
from service.jobs.jobs import Cluster, cause
from service.jobs.package import pack
from service.jobs.submit import Order, brought, checked, entrypoint
from tests.service.jobs.conftest import write_run


def python_in(folder: Path) -> Path:
    """An executable that says who it is and what it was asked."""
    folder.mkdir(parents=True)
    file = folder / "python"
    file.write_text('#!/bin/sh\necho "$0 $*"\n')
    file.chmod(0o755)
    return file


def started(folder: Path, worker_command: str, **environment: str) -> str:
    """What the script runs below a process with the raylet's command line, and a shell in between as in a job."""
    (folder / "start.sh").write_text(START)
    code = (
        "import subprocess as s; print(s.run('sh start.sh c.yaml; true', shell=True, capture_output=True, text=True))"
    )
    command = [sys.executable, "-c", code, f"--python_worker_command={worker_command}"]
    found = python_in(folder / "on path")
    variables = {"PATH": f"{found.parent}:/usr/bin:/bin", **environment}
    done = subprocess.run(command, capture_output=True, text=True, env=variables, cwd=folder, check=True)
    return done.stdout


@pytest.mark.parametrize("name", ["env", "an env"])
def test_it_is_the_interpreter_that_ray_runs_in(tmp_path: Path, name: str) -> None:
    """Not the first on the PATH that `ray start` was typed with."""
    python = python_in(tmp_path / name / "bin")
    words = [str(python), "/x/ray/_private/workers/setup_worker.py", "/x/default_worker.py", "--temp-dir=/tmp/ray"]
    assert f"{python} -m service.jobs.entry c.yaml" in started(tmp_path, subprocess.list2cmdline(words))


def test_an_environment_that_ray_made_for_the_job_comes_first(tmp_path: Path) -> None:
    own = python_in(tmp_path / "runtime_resources" / "pip" / "1f" / "virtualenv" / "bin")
    found = started(tmp_path, str(python_in(tmp_path / "env")) + " x", VIRTUAL_ENV=str(own.parents[1]))
    assert f"{own} -m service.jobs.entry c.yaml" in found
    (tmp_path / "on path" / "python").unlink()
    (tmp_path / "on path").rmdir()
    mine = started(tmp_path, f"{tmp_path / 'env' / 'python'} x", VIRTUAL_ENV="/home/me/venv")
    assert f"{tmp_path / 'env' / 'python'} -m service.jobs.entry" in mine


def test_without_a_raylet_it_is_the_one_on_the_path(tmp_path: Path) -> None:
    assert f"{tmp_path / 'on path' / 'python'} -m service.jobs.entry c.yaml" in started(tmp_path, "")


def test_an_interpreter_without_the_requirements_says_so_in_one_sentence(tmp_path: Path) -> None:
    """Nothing but the standard library is needed to say it: the interpreter runs without its packages."""
    archive, _ = pack("name: x\n", tmp_path)
    job = tmp_path / "job"
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(archive), str(job)], check=True)
    command = [sys.executable, "-I", "-S", "-c", "import sys; sys.path.insert(0, '.'); import runpy\n"
               "runpy.run_module('service.jobs.entry', run_name='__main__')"]  # fmt: skip
    done = subprocess.run(command, cwd=job, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"isthmus: the Python of this job ({sys.executable}")
    for word in ("lacks ray,", "typer", "mlflow", "--requirements FILE", "--python"):
        assert word in done.stderr
    assert (job / "start.sh").read_text() == START


def test_versions_are_looked_at_too() -> None:
    assert missing(["typer>=0.12", "ray[train]>=2.57,<99", 'x>=1; extra == "dev"']) == []
    (one,) = missing(["typer>=9000"])
    assert one.startswith("typer >=9000 (it has ")
    assert missing(["no-such-package-of-ours>=1"]) == ["no-such-package-of-ours"]
    assert sys.version_info >= LEAST_PYTHON


FAILED = "Job entrypoint command failed with exit code 1, last available logs (truncated to 20,000 chars):\n"


@pytest.mark.parametrize(
    ("message", "code", "said"),
    [
        (f"{FAILED}code from x\nisthmus: budget is -5\n", 2, "budget is -5"),
        (
            f"{FAILED}Traceback (most recent call):\n  File 'x', line 1\nModuleNotFoundError: No module named 'typer'",
            1,
            "the job's Python has no module 'typer'; install isthmus on the nodes, or submit with --requirements FILE "
            "or --python PATH",
        ),
        ("x\nRunning entrypoint for job a: /no/python -m x", 127, "/no/python is not there on the node; submit with"),
        ("runtime_env setup failed: Failed to set up\nTraceback\nERROR: No matching distribution for x\nat y", None,
         "Ray could not make the job's environment: ERROR: No matching distribution for x"),
        (f"{FAILED}RuntimeError: it is so", 1, "RuntimeError: it is so"),
        ("", None, ""),
    ],
)  # fmt: skip
def test_why_a_job_ended_is_one_sentence(message: str, code: int | None, said: str) -> None:
    found = cause(message, code)
    assert found.startswith(said)
    assert "\n" not in found
    assert "Traceback" not in found


_RAISED = 'Traceback (most recent call last):\n  File "x.py", line 3, in <module>\n    import typer\n'


@pytest.mark.parametrize(
    ("message", "code", "said"),
    [
        (
            f"{_RAISED}ModuleNotFoundError: No module named 'typer'\n(pid=3) and so on\n",
            1,
            "the job's Python has no mod",
        ),
        (f"{_RAISED}KeyError: 'x'\n\x1b[0m\n", 1, "KeyError: 'x'"),
        (f"{_RAISED}KeyError: 'x'\n\nDuring handling\n\n{_RAISED}RuntimeError: a\nand b\n", 1, "RuntimeError: a"),
        ("Job entrypoint command terminated by signal 9", -9, "signal 9 ended it; most often the node had too little"),
        ("Job entrypoint command failed, last available logs (truncated):\n", 3, "it ended with exit code 3 and said"),
    ],
)
def test_what_is_said_after_the_cause_is_not_the_cause(message: str, code: int, said: str) -> None:
    assert cause(message, code).startswith(said)


def test_what_is_brought_along(tmp_path: Path) -> None:
    file = tmp_path / "req.txt"
    file.write_text("# ours\nisthmus==1  # the wheel\n\n--index-url http://x\n")
    assert brought(file) == {"pip": {"packages": ["isthmus==1", "--index-url http://x"], "pip_check": False}}
    assert brought(None) == {}
    file.write_text("# nothing\n")
    with pytest.raises(BadJob, match="names no package"):
        brought(file)
    with pytest.raises(BadJob, match="cannot be read: No such file"):
        brought(tmp_path / "none")


def test_the_command_of_a_job(tmp_path: Path) -> None:
    assert entrypoint(Order(tmp_path)) == "sh start.sh config.yaml --attempts 1"
    assert entrypoint(Order(tmp_path, python="/a b/python")).startswith(
        "'/a b/python' -m service.jobs.entry config.yaml"
    )


def test_a_password_is_not_sent_along(tmp_path: Path) -> None:
    file = write_run(tmp_path, "secret")
    for change, name in (
        ("store=postgresql+psycopg://u:s3cret@h/db", "ISTHMUS_STORE"),
        ("tracking.uri=https://u:s3cret@h", "ISTHMUS_TRACKING"),
    ):
        with pytest.raises(BadJob, match=rf"write [a-z.]+: \${name}, and set {name}") as caught:
            checked(Order(file, (change,)))
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(("version", "refused"), [("2.9.0", True), ("2.60.0", False), ("99.0", True), (None, False)])
def test_a_cluster_of_another_ray_is_refused(version: str | None, refused: bool) -> None:
    cluster = Cluster.__new__(Cluster)
    cluster.url, cluster.client = "http://h:8265", type("Client", (), {"_server_ray_version": version})()
    if refused:
        with pytest.raises(BadJob, match=rf"runs Ray {version}, and Isthmus needs .*start the cluster with such a Ray"):
            cluster.check_version()
    else:
        cluster.check_version()


def test_an_address_that_is_no_ray(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "http.server", "0", "--bind", "127.0.0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path,
                          env=os.environ | {"PYTHONUNBUFFERED": "1"}) as server:  # fmt: skip
        try:
            port = (server.stdout.readline() if server.stdout else "").split(" port ")[1].split()[0]
            with pytest.raises(RuntimeError, match=r"is no Ray dashboard; give its address, such as http://127"):
                Cluster(f"http://127.0.0.1:{port}")
        finally:
            server.kill()
