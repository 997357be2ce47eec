"""A private PostgreSQL on a loopback port, for tests: its folder and its processes end with them."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

USER = "isthmus"
PASSWORD = "not-a-secret"  # of a server that lives for the time of a test


def binaries() -> Path | None:
    """The folder of the newest installed server; None where there is none (Debian: `postgresql`)."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    there = shutil.which("initdb")
    return None if there is None else Path(there).parent


class Server:
    """One cluster of databases in `folder`; may be stopped, killed and started again."""

    def __init__(self, folder: Path, bin: Path) -> None:
        self.folder, self._bin, self.port = folder, bin, _free_port()
        self._data = folder / "data"
        shutil.chown(folder, "postgres") if os.geteuid() == 0 else None
        password = folder / "password"
        password.write_text(PASSWORD)
        os.chmod(password, 0o644)
        self._run(
            "initdb", "-D", str(self._data), "-U", USER, "--auth=scram-sha-256", f"--pwfile={password}", "-E", "UTF8"
        )

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        self._run("pg_ctl", "-D", str(self._data), "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """mode `immediate` ends it without a shutdown: the next start recovers from its log, as after a crash."""
        self._run("pg_ctl", "-D", str(self._data), "-w", "-m", mode, "stop")

    @property
    def pid(self) -> int:
        """The postmaster, for tests that kill it."""
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def kill(self) -> list[int]:
        """SIGKILL for the postmaster and for all it started, as when the machine's memory runs out."""
        found = psutil.Process(self.pid)
        killed = [found, *found.children(recursive=True)]
        for process in killed:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(killed, timeout=30)
        return [process.pid for process in killed]

    def url(self, database: str) -> str:
        """The URL of a new, empty database."""
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, database)
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def _run(self, program: str, *arguments: str) -> None:
        """As the user postgres where we are root, since the server refuses to run as root."""
        command = [str(self._bin / program), *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--", *command]
        environment = {**os.environ, "PGPASSWORD": PASSWORD, "LC_ALL": "C.UTF-8", "HOME": str(self.folder)}
        done = subprocess.run(
            command, env=environment, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed: {done.stdout[-2000:]}")


@contextmanager
def server() -> Iterator[Server]:
    """A started server, gone at the end. `binaries()` must have found one."""
    bin = binaries()
    assert bin is not None
    folder = Path(tempfile.mkdtemp(prefix="isthmus-pg-"))
    try:
        found = Server(folder, bin)
        found.start()
        try:
            yield found
        finally:
            found.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def installed() -> Iterator[Server]:
    """The same for a fixture: skips where no server is installed."""
    if binaries() is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    with server() as found:
        yield found
