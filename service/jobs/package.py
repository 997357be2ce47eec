"""What travels with a job: the wheel of the code that submits, and the configuration beside it, in one archive.

It goes as the job's working folder, which Ray unpacks under a name of its content. Not as a wheel in
`py_modules`: Ray has pip install that with all requirements, so torch anew for each job; takes two wheels
of one version for the same; and where two nodes share a machine the second one's installation fails and
deletes the first one's under the running job (Ray 2.60).
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from service.jobs.entry import SCRIPT, START
from service.jobs.errors import BadJob

NAME = "isthmus"
PACKAGES = ("policies", "trainers", "service")
CONFIG = "config.yaml"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # one content, one archive, whenever it is packed
_NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.pyc", "results", "*.egg-info")

Files = dict[str, bytes]


def pack(config: str, folder: Path) -> tuple[Path, str]:
    """Write the archive into `folder`; returns it, and the version of the code with a digest of it."""
    files = wheel_files(folder)
    modules = {name: content for name, content in files.items() if name.split("/")[0] in PACKAGES}
    metadata = next(content for name, content in files.items() if name.endswith(".dist-info/METADATA"))
    archive = folder / "job.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in sorted({**files, CONFIG: config.encode(), SCRIPT: START.encode()}.items()):
            out.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return archive, f"{_version(metadata)}+{_digest(modules)}"


def wheel_files(scratch: Path) -> Files:
    """The files of the wheel: built from the source tree that this runs from, or those of what is installed."""
    home = Path(__file__).resolve().parents[2]
    return _built(home, scratch) if (home / "pyproject.toml").is_file() else _installed(home)


def _built(source: Path, scratch: Path) -> Files:
    """Built by setuptools in a copy, so that nothing is left in the source tree."""
    copy, out = scratch / "source", scratch / "built"
    for name in PACKAGES:
        shutil.copytree(source / name, copy / name, ignore=_NOT_COPIED)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(source / name, copy / name)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*command, "-w", str(out), str(copy)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise BadJob(f"the wheel of {source} cannot be built: {why}; it needs setuptools >= 77 and pip")
    with zipfile.ZipFile(next(out.glob("*.whl"))) as wheel:
        return {name: wheel.read(name) for name in wheel.namelist()}


def _installed(home: Path) -> Files:
    """The files of the installed distribution, less what pip adds beside them."""
    listed = [file for file in _distribution().files or () if "__pycache__" not in file.parts]
    places = {str(file): Path(str(file.locate())) for file in listed if ".." not in file.parts}
    content = {name: path.read_bytes() for name, path in places.items() if path.is_file()}
    if not any(name.startswith("service/") for name in content):
        raise BadJob(f"the code in {home} is not an installed wheel of {NAME}; install it with pip, then submit again")
    return content


def _distribution() -> Distribution:
    try:
        return distribution(NAME)
    except PackageNotFoundError:
        raise BadJob(f"{NAME} is not installed here; install its wheel with pip, then submit again") from None


def _version(metadata: bytes) -> str:
    line = next(line for line in metadata.decode().splitlines() if line.startswith("Version: "))
    return line.removeprefix("Version: ")


def _digest(modules: Files) -> str:
    found = hashlib.sha256()
    for name in sorted(modules):
        found.update(f"{name}\0{len(modules[name])}\0".encode() + modules[name])
    return found.hexdigest()[:12]
