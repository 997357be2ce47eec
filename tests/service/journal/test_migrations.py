"""A store of any age is brought to the tables of this version, once, whoever opens it first."""

from __future__ import annotations

import json
import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from service.journal import Journal, JournalError
from service.journal.engine import settled
from service.journal.event import chain
from service.journal.migrations import HEAD, upgrade
from service.journal.schema import metadata

FIRST_TABLES = """
CREATE TABLE allocations (id VARCHAR(200) NOT NULL, spec TEXT NOT NULL, created_at {double} NOT NULL,
    attempt INTEGER NOT NULL, epoch INTEGER NOT NULL, head VARCHAR(64) NOT NULL, PRIMARY KEY (id));
CREATE TABLE events (id {serial}, allocation VARCHAR(200) NOT NULL, attempt INTEGER NOT NULL, active BOOLEAN NOT NULL,
    kind VARCHAR(40) NOT NULL, position BIGINT NOT NULL, once VARCHAR(80), body TEXT NOT NULL, at {double} NOT NULL,
    digest VARCHAR(64) NOT NULL, CONSTRAINT uq_events_once UNIQUE (allocation, attempt, once),
    FOREIGN KEY(allocation) REFERENCES allocations (id));
CREATE INDEX ix_events_allocation ON events (allocation, id);
CREATE TABLE snapshots (id {serial}, allocation VARCHAR(200) NOT NULL, event INTEGER NOT NULL,
    position BIGINT NOT NULL, state TEXT NOT NULL, FOREIGN KEY(allocation) REFERENCES allocations (id));
CREATE INDEX ix_snapshots_allocation ON snapshots (allocation);
CREATE TABLE watermarks (consumer VARCHAR(80) NOT NULL, allocation VARCHAR(200) NOT NULL, event INTEGER NOT NULL,
    state TEXT NOT NULL, PRIMARY KEY (consumer, allocation))
"""
SPEC = {"budget": 100, "interval": 10}


def make_first_store(url: str) -> None:
    """A store as the version before revisions made it, with one run of two events in it."""
    lite = url.startswith("sqlite")
    kinds = {"double": "DOUBLE" if lite else "DOUBLE PRECISION"}
    kinds["serial"] = "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT" if lite else "SERIAL PRIMARY KEY"
    first = chain("", "allocation", 0, 0, json.dumps(SPEC, separators=(",", ":")), 1.5)
    second = chain(first, "note", 0, 7, '{"x":1}', 2.5)
    engine = create_engine(settled(url))
    with engine.begin() as connection:
        for statement in FIRST_TABLES.format(**kinds).split(";"):
            connection.exec_driver_sql(statement)
        connection.execute(
            text("INSERT INTO allocations VALUES ('run', :spec, 1.5, 0, 3, :head)"),
            {"spec": json.dumps(SPEC), "head": second},
        )
        insert = text("INSERT INTO events (allocation, attempt, active, kind, position, once, body, at, digest) "
                      "VALUES ('run', 0, true, :kind, :position, null, :body, :at, :digest)")  # fmt: skip
        rows = [
            ("allocation", 0, json.dumps(SPEC, separators=(",", ":")), 1.5, first),
            ("note", 7, '{"x":1}', 2.5, second),
        ]
        for row in rows:
            connection.execute(insert, dict(zip(("kind", "position", "body", "at", "digest"), row, strict=True)))
    engine.dispose()


def revision(url: str) -> str:
    engine = create_engine(settled(url))
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all()
    engine.dispose()
    assert len(found) == 1
    return str(found[0])


def test_a_store_from_before_revisions_goes_on(store_url: str) -> None:
    make_first_store(store_url)
    with Journal(store_url) as journal:
        assert journal.verify("run") == 2
        entry = journal.entry("run")
        assert (entry.project, entry.name, entry.archived_at, entry.spec) == (None, None, None, SPEC)
        epoch = journal.open("run")
        assert epoch == 4
        journal.append("run", "note", {"y": 2}, epoch=epoch, position=8)
        assert journal.verify("run") == 3
    assert revision(store_url) == HEAD
    with Journal(store_url) as journal:
        assert journal.verify("run") == 3


def test_revisions_end_at_the_tables_that_the_code_works_with(store_url: str) -> None:
    with Journal(store_url):
        pass
    engine = create_engine(settled(store_url))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()
    with open(upgrade.__globals__["__file__"]) as file:
        folder = str(file.name).rsplit("/", 1)[0]
    assert ScriptDirectory(folder).get_heads() == [HEAD]


def test_a_store_of_a_newer_version_is_left_alone(store_url: str) -> None:
    with Journal(store_url):
        pass
    engine = create_engine(settled(store_url))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(JournalError, match="revision 9999, which this version of Isthmus") as caught:
        Journal(store_url)
    assert "not-a-secret" not in str(caught.value)
    assert revision(store_url) == "9999"


def test_many_may_open_a_fresh_store_at_once(store_url: str) -> None:
    failures: list[BaseException] = []
    ready = threading.Barrier(6)

    def open_it() -> None:
        try:
            ready.wait()
            Journal(store_url, shared=True).close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert revision(store_url) == HEAD
