"""What the running workers say about the strategies."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "3"
down_revision = "2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "strategy_status",
        sa.Column(
            "entry",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column(
            "strategy_id",
            sa.CHAR(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql"),
            nullable=False,
        ),
        sa.Column("instrument_token", sa.BigInteger),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("strategy_version", sa.Integer, nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('registered', 'disabled', 'quarantined', 'invalid')",
            name="strategy_status_state",
        ),
    )
    op.create_index(
        "strategy_status_key",
        "strategy_status",
        ["strategy_id", "worker", sa.text("coalesce(instrument_token, 0)")],
        unique=True,
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("strategy_status")


def loss(connection: sa.Connection) -> str | None:
    """What ``downgrade`` loses, in words; None where nothing is there to lose."""
    rows = connection.scalar(sa.text("SELECT count(*) FROM strategy_status"))
    if not rows:
        return None
    return f"what workers said of strategies (rows: {rows})"
