"""The restore drill of the runbook, with its own commands: what comes back decides as the original would."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from policies import Decision, Domain, LossReport
from service.journal import Journal
from service.journal.names import allocation_id
from service.owner import Owner, Spec
from service.tokens import Vault
from tests.service import postgres

RUNBOOK = Path(__file__).resolve().parents[2] / "deploy" / "RUNBOOK.md"
NAMES = ("ct", "mr")
RUN = allocation_id("liver", "one")


def report(position: int) -> LossReport:
    losses = {"ct": 2.0 * position**-0.2, "mr": 3.0 * position**-0.3}
    return LossReport(position, dict.fromkeys(NAMES, position / 2), losses)


def begin(journal: Journal) -> Owner:
    spec = Spec(tuple(Domain(name) for name in NAMES), 4000, 100, policy="own_law")
    journal.create(RUN, spec.to_dict(), project="liver", name="one")
    owner = Owner(journal, RUN)
    owner.start()
    for position in range(50, 1050, 100):
        owner.decide(report(position))
    return owner


def check_copy(original: Journal, copy: Journal, token: str) -> None:
    """Same events, sound digests, the token still good, and the same decision for the next report."""
    assert copy.verify(RUN) == original.verify(RUN)
    assert copy.events(RUN) == original.events(RUN)
    assert [entry.name for entry in copy.entries("liver")] == ["one"]
    found = Vault(copy).check(token)
    assert found is not None
    assert found.project == "liver"

    def following(journal: Journal) -> Decision:
        return Owner(journal, RUN).decide(report(1050))

    assert following(copy) == following(original)


def commands(start: str) -> list[str]:
    """Lines of the runbook's code blocks that begin so: what is tried here is what is written there."""
    blocks = re.findall(r"^```(?:sh)?\n(.*?)^```", RUNBOOK.read_text(), re.M | re.S)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip().startswith(start)]


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    with postgres.installed() as found:
        yield found


def test_postgresql_comes_back_from_its_dump(server: postgres.Server, tmp_path: Path) -> None:
    url = server.url("isthmus")
    bin = str(postgres.binaries())
    variables = {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(server.port),
        "PGUSER": "isthmus",
        "PGPASSWORD": postgres.PASSWORD,
    }
    environment = os.environ | variables | {"PATH": f"{bin}{os.pathsep}{os.environ['PATH']}"}

    def run(command: str) -> None:
        subprocess.run(["sh", "-ec", command], check=True, cwd=tmp_path, env=environment, capture_output=True)

    with Journal(url) as journal:
        begin(journal)
        token = Vault(journal).create("liver", "report", None)[1]
        for command in commands("pg_dump") + commands("createdb") + commands("pg_restore"):
            run(command)
        with Journal(f"{url.rpartition('/')[0]}/isthmus_restored") as copy:
            check_copy(journal, copy, token)
    assert commands("pg_dump") == ["pg_dump --format=custom --file=isthmus.dump isthmus"]


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="sqlite3 is not installed here (Debian: sqlite3)")
def test_a_sqlite_store_is_copied_while_it_is_written(tmp_path: Path) -> None:
    store, copied = tmp_path / "isthmus.db", tmp_path / "isthmus-backup.db"
    [command] = commands("sqlite3 ")
    with Journal(f"sqlite:///{store}") as journal:
        owner = begin(journal)
        token = Vault(journal).create("liver", "report", None)[1]
        stop = threading.Event()

        def write() -> None:
            while not stop.is_set():
                owner.note("throughput", 950, {"samples_per_second": 1.0})

        writer = threading.Thread(target=write)
        writer.start()
        try:
            subprocess.run(["sh", "-ec", command], check=True, cwd=tmp_path, capture_output=True)
        finally:
            stop.set()
            writer.join()
        with Journal(f"sqlite:///{copied}") as copy:
            there = copy.verify(RUN)
            assert copy.events(RUN) == journal.events(RUN)[:there], "all that was committed when it was copied"
            decided = [event.body for event in copy.events(RUN, kinds=["decision"])]
            assert decided == [event.body for event in journal.events(RUN, kinds=["decision"])]
            found = Vault(copy).check(token)
            assert found is not None
