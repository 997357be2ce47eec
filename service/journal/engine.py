"""Opening a store so that what was committed stays committed."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from service.journal.errors import JournalDamaged, JournalError, StoreLost, is_damage, said
from service.journal.migrations import NewerStore, upgrade
from service.urls import BadUrl, hidden, sqlite_file, without_secrets

BUSY_SECONDS = 60
POOL = 5  # connections to a server that a process keeps open; as many again for a moment
CONNECT_SECONDS = 10


def is_sqlite(url: str) -> bool:
    """Whether the store is a file of this machine, so that its owner has to run where it lies."""
    return make_url(url).get_backend_name() == "sqlite"


def open_engine(url: str, *, shared: bool = False) -> Engine:
    """An engine on `url` with all tables in place; `JournalError` if it cannot be opened.

    `shared` is for a service, which reads while it writes: a SQLite file then gets a write-ahead
    log (kept by the file from then on), so that neither waits for the other. A commit returns after
    the disk has it, either way.
    """
    engine = None
    try:
        url = settled(url)
        engine = create_engine(url, **({} if is_sqlite(url) else _server_options()))
        if is_sqlite(url):
            _make_folder(url)
            event.listen(engine, "connect", _shared if shared else _durable)
            event.listen(engine, "begin", _begin)
        with engine.execution_options(write=True).begin() as connection:
            upgrade(connection)
    except (ArgumentError, SQLAlchemyError, OSError, ImportError, NewerStore, BadUrl, TypeError) as error:
        if engine is not None:
            engine.dispose()
        kind = StoreLost if isinstance(error, OperationalError | OSError) else JournalError
        said_so = without_secrets(said(error), url)
        kind, cure = (JournalDamaged, "; restore the store from a backup") if is_damage(error) else (kind, "")
        raise kind(f"store {without_password(url)} cannot be opened: {said_so}{cure}") from error
    return engine


def settled(url: str) -> str:
    """The URL with its driver: what hosts and tools hand out as `postgres://` is the driver we ship."""
    for short in ("postgres://", "postgresql://"):
        if url.startswith(short):
            return f"postgresql+psycopg://{url.removeprefix(short)}"
    return url


def _server_options() -> dict[str, Any]:
    """A connection that the server has dropped is noticed before it is used, not by the first statement."""
    return {
        "pool_pre_ping": True,
        "pool_size": POOL,
        "max_overflow": POOL,
        "connect_args": {"connect_timeout": CONNECT_SECONDS},
    }


def _make_folder(url: str) -> None:
    file = sqlite_file(url)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)


def _durable(connection: Any, _record: Any) -> None:
    """A commit returns after the disk has it; no write-ahead log (it fails on network file systems)."""
    connection.isolation_level = None  # the driver would begin transactions late; `_begin` does it instead
    for pragma in (f"busy_timeout={BUSY_SECONDS * 1000}", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _shared(connection: Any, record: Any) -> None:
    """The same with a write-ahead log; where the file system has none, SQLite stays without."""
    _durable(connection, record)
    until = time.monotonic() + BUSY_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:  # SQLite does not wait for others here, whatever its time-out
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def single_reads(url: str) -> dict[str, Any]:
    """Options of an engine whose reads stand alone, without the words to begin and end a transaction."""
    # SQLAlchemy's own AUTOCOMMIT would make the SQLite driver begin transactions by itself afterwards.
    return {"single": True} if is_sqlite(url) else {"isolation_level": "AUTOCOMMIT"}


def _begin(connection: Connection) -> None:
    """Writers queue at their first statement: two that read first and write later would deadlock."""
    options = connection.get_execution_options()
    if not options.get("single", False):
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("write", False) else "BEGIN")


def without_password(url: str) -> str:
    """The URL for people: a password never reaches a log or an error text."""
    return hidden(url) if "://" in url else "(not a database URL)"
