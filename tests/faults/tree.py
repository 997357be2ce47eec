"""A process with all it started, and SIGKILL for any of it; nothing else is ever touched."""

from __future__ import annotations

import contextlib
import subprocess

import psutil


class Tree:
    """`process`, and in `seen` all that was ever found below it: orphans have no parent to be found by."""

    process: subprocess.Popen[bytes]
    seen: dict[int, psutil.Process]

    def tree(self) -> list[psutil.Process]:
        """Everything below it now."""
        found: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            found = psutil.Process(self.process.pid).children(recursive=True)
        self.seen |= {process.pid: process for process in found}
        return found

    def end(self) -> None:
        """Nothing of it is left."""
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
