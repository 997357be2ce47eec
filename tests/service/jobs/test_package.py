"""What a job carries: every module of the wheel, the configuration, and the same for the same content."""

from __future__ import annotations

import subprocess
import venv
import zipfile
from pathlib import Path

import pytest

from service.jobs import BadJob, package
from service.jobs.package import pack

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return pack("name: run\n", tmp_path_factory.mktemp("job"))


def test_it_holds_every_module_and_the_configuration(packed: tuple[Path, str]) -> None:
    archive, version = packed
    with zipfile.ZipFile(archive) as held:
        names = set(held.namelist())
        assert held.read("config.yaml") == b"name: run\n"
    tracked = subprocess.check_output(["git", "ls-files", "policies", "trainers", "service"], cwd=ROOT, text=True)
    assert {name for name in tracked.split() if name.endswith(".py") and (ROOT / name).is_file()} <= names
    assert {name.split("/")[0] for name in names} == {
        "policies", "trainers", "service", "config.yaml", "start.sh", f"isthmus-{version.split('+')[0]}.dist-info"
    }  # fmt: skip
    assert not (ROOT / "build").exists()


def test_unpacked_elsewhere_it_is_what_python_imports_and_an_installed_copy_packs_the_same(
    packed: tuple[Path, str], tmp_path: Path
) -> None:
    """In an environment that holds nothing else, as an installation without a source tree would."""
    archive, version = packed
    home = tmp_path / "env"
    venv.create(home, with_pip=False)
    site = next(home.glob("lib/python*/site-packages"))
    with zipfile.ZipFile(archive) as held:
        held.extractall(site, [name for name in held.namelist() if name not in ("config.yaml", "start.sh")])
    # The package `service.jobs` imports Ray's client, which is not in that environment; what packs needs none of it.
    code = (
        "import sys, types, pathlib\n"
        f"jobs = types.ModuleType('service.jobs'); jobs.__path__ = [{str(site / 'service' / 'jobs')!r}]\n"
        "sys.modules['service.jobs'] = jobs\n"
        "from service.jobs.package import pack\n"
        "print(pack('name: run\\n', pathlib.Path(sys.argv[1]))[1])"
    )
    told = subprocess.check_output([home / "bin" / "python", "-c", code, str(tmp_path)], text=True, cwd=tmp_path)
    assert told.strip() == version
    assert (tmp_path / "job.zip").read_bytes() == archive.read_bytes()


def test_code_that_is_no_distribution_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "__file__", str(tmp_path / "a" / "b" / "c.py"))
    monkeypatch.setattr(package, "NAME", "isthmus-that-is-not-there")
    with pytest.raises(BadJob, match="is not installed here; install its wheel"):
        pack("", tmp_path)


def test_a_wheel_that_cannot_be_built_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    for name in ("service/jobs", "policies", "trainers"):
        (source / name).mkdir(parents=True)
    for name in ("README.md", "LICENSE"):
        (source / name).write_text("")
    (source / "pyproject.toml").write_text("[project\n")
    monkeypatch.setattr(package, "__file__", str(source / "service" / "jobs" / "package.py"))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with pytest.raises(BadJob, match=f"the wheel of {source} cannot be built"):
        pack("", scratch)
