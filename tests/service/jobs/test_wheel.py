"""The wheel of a job: everything in it, no requirements, named by its content."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from service.jobs import BadJob, wheel
from service.jobs.wheel import job_wheel

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return job_wheel(tmp_path_factory.mktemp("wheel"))


def test_it_holds_every_module_and_asks_for_nothing(built: Path) -> None:
    with zipfile.ZipFile(built) as held:
        names = set(held.namelist())
        metadata = held.read(next(name for name in names if name.endswith("METADATA"))).decode()
    tracked = subprocess.check_output(["git", "ls-files", "policies", "trainers", "service"], cwd=ROOT, text=True)
    assert {name for name in tracked.split() if name.endswith(".py")} <= names
    assert "Requires-Dist" not in metadata
    assert f"Version: {built.name.split('-')[1]}\n" in metadata


def test_same_content_same_name(built: Path, tmp_path: Path) -> None:
    again = job_wheel(tmp_path)
    assert again.name == built.name
    assert again.read_bytes() == built.read_bytes()
    assert "+job." in again.name


def test_pip_installs_it_where_ray_would_and_an_installed_copy_packs_the_same(built: Path, tmp_path: Path) -> None:
    """From an environment that has nothing but the wheel of before: its own files make the same wheel again."""
    home = tmp_path / "env"
    venv.create(home, with_pip=False)
    site = next(home.glob("lib/python*/site-packages"))
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--no-index", "--target", str(site), str(built)]
    subprocess.run(pip, check=True, capture_output=True)
    assert not (ROOT / "build").exists()
    code = "import sys; from pathlib import Path; from service.jobs.wheel import job_wheel\n"
    code += "print(job_wheel(Path(sys.argv[1])).name)"
    out = tmp_path / "out"
    out.mkdir()
    python = home / "bin" / "python"
    # Only what packs is imported; the rest of the dependencies are not in that environment.
    stub = f"import sys, types; m = types.ModuleType('service.jobs'); m.__path__ = [{str(site / 'service' / 'jobs')!r}]"
    stub += "; sys.modules['service.jobs'] = m\n" + code
    told = subprocess.check_output([python, "-c", stub, str(out)], text=True, cwd=tmp_path)
    assert told.strip() == built.name


def test_code_that_is_no_distribution_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "__file__", str(tmp_path / "a" / "b" / "c.py"))
    monkeypatch.setattr(wheel, "NAME", "isthmus-that-is-not-there")
    with pytest.raises(BadJob, match="is not installed here; install its wheel"):
        job_wheel(tmp_path)
