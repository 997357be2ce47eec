"""`isthmus pretrain` as a process tree, and SIGKILL for any part of it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
TITLES = {"worker": "ray::RayTrainWorker", "owner": "ray::OwnerActor"}


class Driver:
    """One driver with the Ray it started; only processes below it are ever touched."""

    def __init__(self, arguments: list[str], log: Path, environment: dict[str, str]) -> None:
        command = [sys.executable, "-c", "from service.cli import main; main()", "pretrain", *arguments]
        variables = os.environ | {"PYTHONPATH": str(ROOT), "RAY_worker_niceness": "0"} | environment
        with open(log, "ab") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, env=variables, cwd=log.parent)
        self.log = log
        self.seen: dict[int, psutil.Process] = {}

    def alive(self) -> bool:
        return self.process.poll() is None

    def tree(self) -> list[psutil.Process]:
        """Everything below the driver; remembered, since orphans have no parent to be found by."""
        found: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            found = psutil.Process(self.process.pid).children(recursive=True)
        self.seen |= {process.pid: process for process in found}
        return found

    def role(self, role: str) -> list[psutil.Process]:
        """Its workers, or its owner actor, by the titles that Ray gives them."""
        return sorted((p for p in self.tree() if title(p).startswith(TITLES[role])), key=lambda p: p.pid)

    def kill(self, everything: bool) -> list[int]:
        """SIGKILL for the driver, and with `everything` for all that it started; returns what was killed.

        What is known already dies at once; what was started since is looked for before the driver dies.
        """
        killed = [p.pid for p in self.seen.values() if everything and sigkill(p)]
        killed += [p.pid for p in self.tree() if everything and p.pid not in killed and sigkill(p)]
        self.process.kill()
        self.process.wait(60)
        return [self.process.pid, *killed]

    def orphans(self) -> list[psutil.Process]:
        return [process for process in self.seen.values() if running(process)]

    def clean_up(self) -> None:
        """For the end of a test, however it ends."""
        self.tree()
        self.process.kill()
        self.process.wait(60)
        for process in self.seen.values():
            sigkill(process)


def title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()) if running(process) else ""
    except psutil.Error:
        return ""


def running(process: psutil.Process) -> bool:
    """Alive, and no zombie that nobody has waited for."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def sigkill(process: psutil.Process) -> bool:
    """True if there was something to kill."""
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return False
    return True
