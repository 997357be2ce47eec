"""The tables, the same on SQLite and PostgreSQL; `migrations/` brings a store to them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

# `epoch` counts owners: the newest one wins, and an older one finds its number stale at its next
# write. `head` is the digest of the last event, so that appending reads one row, not the table.
# Those of the service belong to a project and have a name in it; a run of `isthmus pretrain` has neither.
allocations = Table(
    "allocations",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("spec", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("head", String(64), nullable=False),
    Column("project", String(100)),
    Column("name", String(100)),
    Column("archived_at", Double),
    Index("uq_allocations_name", "project", "name", unique=True),
    Index("ix_allocations_listed", "project", "created_at", "id"),
)

# A large `body` is empty and stands in `packed`, as does a large `state` (see `packing`).
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
    Column("packed", LargeBinary),
    UniqueConstraint("allocation", "attempt", "once", name="uq_events_once"),
    Index("ix_events_allocation", "allocation", "id"),
    Index("ix_events_once", "allocation", "once"),
    Index("ix_events_kind", "allocation", "kind", "id"),
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
    Column("packed", LargeBinary),
)

watermarks = Table(
    "watermarks",
    metadata,
    Column("consumer", String(80), primary_key=True),
    Column("allocation", String(200), primary_key=True),
    Column("event", Integer, nullable=False),
    Column("state", Text, nullable=False),
)

# Who may use the service. The secret itself is nowhere: only its SHA-256.
tokens = Table(
    "tokens",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("secret_hash", String(64), nullable=False),
    Column("project", String(100), nullable=False),
    Column("scope", String(10), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("revoked_at", Double),
)

# People who signed in with a token. What their browser holds is nowhere: only its SHA-256.
sessions = Table(
    "sessions",
    metadata,
    Column("id_hash", String(64), primary_key=True),
    Column("token", String(16), nullable=False, index=True),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
)
