"""The tables, the same on SQLite and PostgreSQL."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

# `epoch` counts owners: the newest one wins, and an older one finds its number stale at its next
# write. `head` is the digest of the last event, so that appending reads one row, not the table.
allocations = Table(
    "allocations",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("spec", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("head", String(64), nullable=False),
)

# `once` names what may happen only once in an attempt (one report and one decision per position);
# both databases let many rows share a null there.
events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("allocation", String(200), ForeignKey("allocations.id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("once", String(80)),
    Column("body", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("digest", String(64), nullable=False),
    UniqueConstraint("allocation", "attempt", "once", name="uq_events_once"),
    Index("ix_events_allocation", "allocation", "id"),
    sqlite_autoincrement=True,
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("allocation", String(200), ForeignKey("allocations.id"), nullable=False, index=True),
    Column("event", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
)

watermarks = Table(
    "watermarks",
    metadata,
    Column("consumer", String(80), primary_key=True),
    Column("allocation", String(200), primary_key=True),
    Column("event", Integer, nullable=False),
    Column("state", Text, nullable=False),
)
