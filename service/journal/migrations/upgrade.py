"""Which revision a store has, and the way to the newest one.

Opening a store is frequent (every command, every actor), changing its tables is rare: so the
revision is read with plain SQL, and Alembic is loaded only where something is to be done.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

HEAD = "0004"
FIRST = "0001"  # the tables as they were before revisions were counted
_LOCK = 0x69737468  # one number for all processes that share a PostgreSQL database


class NewerStore(RuntimeError):
    """The store was changed by a newer version of Isthmus: use that one."""


def upgrade(connection: Connection) -> None:
    """Bring the tables to revision `HEAD`, within the transaction of `connection`.

    Raises `NewerStore` for a revision that this version does not know; nothing is changed then.
    """
    if revision(connection) == HEAD:
        return
    _lock(connection)  # SQLite's writers queue at the start of their transaction
    found = revision(connection)
    if found == HEAD:
        return
    _bring(connection, found)


def revision(connection: Connection) -> str | None:
    """The store's revision; `FIRST` for tables from before revisions were counted, None for none at all."""
    tables = inspect(connection)
    if tables.has_table("alembic_version"):
        row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
        if row is not None:
            return str(row[0])
    return FIRST if tables.has_table("events") else None


def _lock(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _bring(connection: Connection, found: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise NewerStore(
            f"its tables have revision {found}, which this version of Isthmus (up to {HEAD}) does not know; "
            "use the version that wrote it, or a newer one"
        )
    if found == FIRST and not inspect(connection).has_table("alembic_version"):
        command.stamp(config, FIRST)
    command.upgrade(config, "head")
