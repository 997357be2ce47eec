"""The journal of the first version: allocations, events, snapshots, watermarks."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "allocations",
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("head", sa.String(64), nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("allocation", sa.String(200), sa.ForeignKey("allocations.id"), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("once", sa.String(80)),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.UniqueConstraint("allocation", "attempt", "once", name="uq_events_once"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_allocation", "events", ["allocation", "id"])
    op.create_table(
        "snapshots",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("allocation", sa.String(200), sa.ForeignKey("allocations.id"), nullable=False),
        sa.Column("event", sa.Integer, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
    )
    op.create_index("ix_snapshots_allocation", "snapshots", ["allocation"])
    op.create_table(
        "watermarks",
        sa.Column("consumer", sa.String(80), primary_key=True),
        sa.Column("allocation", sa.String(200), primary_key=True),
        sa.Column("event", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
    )
