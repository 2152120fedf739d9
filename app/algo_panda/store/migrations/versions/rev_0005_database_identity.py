"""The database has an id, by which a runner knows whether it is the one of the recorded state."""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "5"
down_revision = "4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and a random id in it."""
    table = op.create_table(
        "database_identity",
        sa.Column(
            "id",
            sa.CHAR(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql"),
            primary_key=True,
        ),
    )
    op.bulk_insert(table, [{"id": str(uuid4())}])


def downgrade() -> None:
    """Drop the table: the next upgrade makes another id."""
    op.drop_table("database_identity")


def loss(connection: sa.Connection) -> str | None:
    """What ``downgrade`` loses, in words; None where nothing is there to lose."""
    if not connection.scalar(sa.text("SELECT count(*) FROM strategy_configurations")):
        return None
    return (
        "the id of the database (after the next upgrade, runners refuse the new id until"
        " 'panda recover accept-database')"
    )
