"""Fetching one package into a folder with the ordinary client of its registry: pip, apt-get or npm.

Where the registry is, and how to reach it, is the client's own configuration; nothing here names a host.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path

from .catalogue import Package
from .errors import PackageUnavailable

TIMEOUT_SECONDS = 600
_apt_lists = threading.Lock()  # apt-get update locks its lists: one at a time


def download(package: Package, folder: Path) -> Path:
    """The package's archive, fetched into the empty `folder`. Raises PackageUnavailable with the client's reason."""
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
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--retries", "2"]
    command += ["--timeout", "30", "--no-input", "--disable-pip-version-check", "--dest", str(folder), "-r", str(pin)]
    if package.client == "pip-wheel":
        _run(package, [*command, "--only-binary", ":all:", *_target(package)], folder)
        return
    # A source archive makes pip ask its build script for metadata. Our own environment has what most scripts need;
    # where that fails, pip builds a clean one.
    command += ["--no-binary", ":all:"]
    try:
        _run(package, [*command, "--no-build-isolation"], folder)
    except PackageUnavailable:
        _run(package, command, folder)


def _target(package: Package) -> list[str]:
    return [part for key, value in package.target.items() for part in (f"--{key}", value)]


def _apt(package: Package, folder: Path) -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise PackageUnavailable(f"{package.name}: apt-get and dpkg-deb are not on this machine")
    fetch = ["apt-get", "-qq", "-o", "APT::Sandbox::User=", "download", package.name]
    try:
        _run(package, fetch, folder)
    except PackageUnavailable:
        with _apt_lists:
            _run(package, ["apt-get", "-qq", "update"], folder)
        _run(package, fetch, folder)


def _npm(package: Package, folder: Path) -> None:
    if not shutil.which("npm"):
        raise PackageUnavailable(f"{package.name}: npm is not on this machine")
    _run(package, ["npm", "pack", "--silent", f"{package.name}@{package.version}"], folder)


def _run(package: Package, command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired as late:
        raise PackageUnavailable(f"{package.name}: no answer within {TIMEOUT_SECONDS} s") from late
    if done.returncode != 0:
        raise PackageUnavailable(f"{package.name} {package.version}: {_reason(done.stderr, command[0])}")


def _reason(stderr: str, command: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "e:", "npm err"))]
    return (errors or lines or [f"{Path(command).name} failed without a word"])[-1]
