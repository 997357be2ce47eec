"""The wheel that travels with a job: the code that submits is the code that runs.

Ray installs a wheel of `py_modules` with pip and names it by its file name alone. So this one (1) has
no requirements, or pip would fetch torch anew for each job (the cluster's image has them); (2) carries
a digest of its content in its version, or a changed wheel would be taken for the one sent before.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from service.jobs.errors import BadJob

NAME = "isthmus"
PACKAGES = ("policies", "trainers", "service")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # one content, one digest, whenever it is packed
_NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.pyc", "results", "*.egg-info")

Files = dict[str, bytes]


def job_wheel(folder: Path) -> Path:
    """Write the wheel into `folder`; from the source tree that this runs from, or from what is installed."""
    source = Path(__file__).resolve().parents[2]
    files = _built(source, folder) if (source / "pyproject.toml").is_file() else _installed(source)
    modules = {name: content for name, content in files.items() if name.split("/")[0] in PACKAGES}
    meta = {name.split("/", 1)[1]: content for name, content in files.items() if ".dist-info/" in name}
    version = f"{_version(meta['METADATA'])}+job.{_digest(modules)}"
    return _write(folder, version, modules, meta)


def _built(source: Path, folder: Path) -> Files:
    """Built by setuptools in a copy, so that nothing is left in the source tree."""
    copy, out = folder / "source", folder / "built"
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
    """The files of the installed distribution, less what pip adds on its own."""
    found = _distribution()
    files = {str(file): file.locate() for file in found.files or () if "__pycache__" not in file.parts}
    kept = {name: Path(str(path)) for name, path in files.items() if not name.startswith("..")}
    content = {name: path.read_bytes() for name, path in kept.items() if path.is_file()}
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
    return line.removeprefix("Version: ").split("+")[0]


def _digest(modules: Files) -> str:
    found = hashlib.sha256()
    for name in sorted(modules):
        found.update(f"{name}\0{len(modules[name])}\0".encode() + modules[name])
    return found.hexdigest()[:12]


def _write(folder: Path, version: str, modules: Files, meta: Files) -> Path:
    home = f"{NAME}-{version}.dist-info"
    kept: Files = {"METADATA": _without_requirements(meta["METADATA"], version)}
    kept |= {name: meta[name] for name in ("WHEEL", "entry_points.txt") if name in meta}
    files = modules | {f"{home}/{name}": content for name, content in kept.items()}
    record = "".join(f"{name},{_hash(content)},{len(content)}\n" for name, content in sorted(files.items()))
    files[f"{home}/RECORD"] = f"{record}{home}/RECORD,,\n".encode()
    path = folder / f"{NAME}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name in sorted(files):
            wheel.writestr(zipfile.ZipInfo(name, _EPOCH), files[name])
    return path


def _without_requirements(metadata: bytes, version: str) -> bytes:
    head, _, text = metadata.decode().partition("\n\n")
    dropped = ("Requires-Dist:", "Provides-Extra:", "Version:", "License-File:")
    lines = [line for line in head.splitlines() if not line.startswith(dropped)]
    lines.insert(1, f"Version: {version}")
    return ("\n".join(lines) + f"\n\n{text}").encode()


def _hash(content: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
