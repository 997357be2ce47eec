"""Opening a store so that what was committed stays committed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from service.journal.errors import JournalError
from service.journal.schema import metadata

BUSY_SECONDS = 60


def is_sqlite(url: str) -> bool:
    """Whether the store is a file of this machine, so that its owner has to run where it lies."""
    return make_url(url).get_backend_name() == "sqlite"


def open_engine(url: str) -> Engine:
    """An engine on `url` with all tables in place; `JournalError` if it cannot be opened."""
    try:
        engine = create_engine(url)
        if is_sqlite(url):
            _make_folder(engine)
            event.listen(engine, "connect", _durable)
            event.listen(engine, "begin", _begin)
        with engine.execution_options(write=True).begin() as connection:
            metadata.create_all(connection)
    except (ArgumentError, SQLAlchemyError, OSError, ImportError) as error:
        raise JournalError(f"store {_without_password(url)} cannot be opened: {_first_line(error)}") from error
    return engine


def _make_folder(engine: Engine) -> None:
    if engine.url.database:
        Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)


def _durable(connection: Any, _record: Any) -> None:
    """No write-ahead log (it fails on network file systems); a commit returns after the disk has it."""
    connection.isolation_level = None  # the driver would begin transactions late; `_begin` does it instead
    for pragma in (
        f"busy_timeout={BUSY_SECONDS * 1000}",
        "journal_mode=DELETE",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    """Writers queue at their first statement: two that read first and write later would deadlock."""
    write = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _without_password(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "(not a database URL)"


def _first_line(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    return (str(cause).splitlines() or [type(cause).__name__])[0]
