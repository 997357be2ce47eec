"""What the service needs: the project and name of an allocation, its archiving, and tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("allocations", sa.Column("project", sa.String(100)))
    op.add_column("allocations", sa.Column("name", sa.String(100)))
    op.add_column("allocations", sa.Column("archived_at", sa.Double))
    op.create_index("uq_allocations_name", "allocations", ["project", "name"], unique=True)
    op.create_index("ix_allocations_listed", "allocations", ["project", "created_at", "id"])
    # Finding what was answered, and the newest event of a kind, must not read an allocation's whole history.
    op.create_index("ix_events_once", "events", ["allocation", "once"])
    op.create_index("ix_events_kind", "events", ["allocation", "kind", "id"])
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("secret_hash", sa.String(64), nullable=False),
        sa.Column("project", sa.String(100), nullable=False),
        sa.Column("scope", sa.String(10), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double),
        sa.Column("revoked_at", sa.Double),
    )
