"""Large bodies are stored packed: see `service.journal.packing`. Rows from before stay text."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("events", sa.Column("packed", sa.LargeBinary))
    op.add_column("snapshots", sa.Column("packed", sa.LargeBinary))
