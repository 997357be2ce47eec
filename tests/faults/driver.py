"""`isthmus pretrain` as a process tree, and SIGKILL for any part of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil

from tests.faults.tree import Tree, running, sigkill, title

ROOT = Path(__file__).resolve().parents[2]
TITLES = {"worker": "ray::RayTrainWorker", "owner": "ray::OwnerActor"}


class Driver(Tree):
    """One driver with the Ray it started."""

    def __init__(self, arguments: list[str], log: Path, environment: dict[str, str]) -> None:
        command = [sys.executable, "-c", "from service.cli import main; main()", "pretrain", *arguments]
        variables = os.environ | {"PYTHONPATH": str(ROOT), "RAY_worker_niceness": "0"} | environment
        with open(log, "ab") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, env=variables, cwd=log.parent)
        self.log = log
        self.seen = {}

    def alive(self) -> bool:
        return self.process.poll() is None

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
        self.end()
