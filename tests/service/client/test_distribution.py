"""The client installs beside anybody's trainer: Python 3.10, httpx, and nothing else of ours."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.service.client.serving import serving

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "service" / "client").rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_is_python_3_10_with_httpx_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 10))
    allowed = set(sys.stdlib_module_names) | {"service", "httpx", "torch"}
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.split(".")[0] in allowed, f"{path} imports {name}"
            assert not name.startswith("service") or name.startswith("service.client"), f"{path} imports {name}"
    # What came after 3.10 is in the standard library of the Python that runs this, so no import would fail here.
    newer = {"Self", "StrEnum", "UTC", "batched", "TaskGroup", "ExceptionGroup", "tomllib", "assert_never", "override"}
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    used |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert not used & newer


def test_torch_is_imported_by_none_of_them_at_the_start() -> None:
    code = "import sys, service.client; print([m for m in ('torch', 'numpy', 'ray', 'policies') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    # A copy, so that building leaves nothing in the checkout.
    shutil.copytree(ROOT / "deploy" / "client", source / "deploy" / "client", symlinks=True)
    shutil.copytree(ROOT / "service" / "client", source / "service" / "client")
    for name in ("LICENSE", "service/__init__.py"):
        shutil.copy(ROOT / name, source / name)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    subprocess.run([*build, str(source / "deploy" / "client")], check=True, capture_output=True)
    return next(out.glob("isthmus_client-*.whl"))


def test_the_wheel_holds_the_client_and_nothing_else(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == {str(path.relative_to(ROOT)) for path in FILES} | {"service/__init__.py"}
    assert (ROOT / "service" / "__init__.py").read_text() == ""
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    theirs = tomllib.loads((ROOT / "deploy" / "client" / "pyproject.toml").read_text())["project"]
    assert theirs["version"] == ours["version"]


def closure(name: str) -> Iterator[importlib.metadata.Distribution]:
    """A distribution and all it needs, as installed here."""
    found = importlib.metadata.distribution(name)
    yield found
    for text in found.requires or ():
        need = Requirement(text)
        if need.marker is None or need.marker.evaluate({"extra": ""}):
            yield from closure(need.name)


DRIVE = """
import importlib.util as u, sys
assert not [name for name in ("torch", "ray", "numpy", "policies", "trainers", "fastapi") if u.find_spec(name)]
from service.client import AllocationClient, MixtureCallback
with MixtureCallback("alone", ["a", "b"], 1_000, 100, queue="alone.jsonl", strict=True, lag=0) as mixture:
    for _ in range(100):
        mixture.count(mixture.choose(), 10)
        if mixture.due:
            mixture.report({"a": 1 + 1 / mixture.position, "b": 2.0})
with AllocationClient(queue="alone.jsonl") as client:
    client.create("alone", ["a", "b"], 1_000, 100, seed=0)
    print(client.queued, client.status()["position"], len(list(client.decisions())))
"""


def test_it_steers_a_run_from_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "env"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    site = Path(
        subprocess.check_output(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
        ).strip()
    )
    install = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([*install, str(wheel)], check=True)
    for found in closure("httpx"):
        for file in found.files or ():
            if ".." not in file.parts and file.suffix == ".py":
                (site / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(file.locate()), site / file)
    with serving(tmp_path) as service:
        keep = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
        given = {"ISTHMUS_URL": service.url, "ISTHMUS_TOKEN": service.token()}
        done = subprocess.run(
            [python, "-W", "error", "-c", DRIVE],
            cwd=tmp_path,
            env=keep | given,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0", "1000", "11"]
