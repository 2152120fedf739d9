"""The table of strategies as it was before ``active_brokers`` and ``validator_type``."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "1"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "strategy_configurations",
        sa.Column(
            "id",
            sa.CHAR(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql"),
            primary_key=True,
        ),
        sa.Column("strategy_type", sa.Text, nullable=False),
        sa.Column(
            "parameters",
            sa.JSON().with_variant(postgresql.JSONB(), "postgresql"),
            nullable=False,
            server_default="{}",
        ),
        sa.Column(
            "instruments",
            sa.JSON().with_variant(sa.ARRAY(sa.BigInteger), "postgresql"),
            nullable=False,
        ),
        sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("zerodha_trading_enabled", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        *(
            sa.Column(
                name,
                sa.DateTime(timezone=True),
                nullable=False,
                server_default=sa.func.current_timestamp(),
            )
            for name in ("created_at", "updated_at")
        ),
    )


def downgrade() -> None:
    """Drop the table, and with it every strategy."""
    op.drop_table("strategy_configurations")


def loss(connection: sa.Connection) -> str | None:
    """What ``downgrade`` loses, in words; None where nothing is there to lose."""
    rows = connection.scalar(sa.text("SELECT count(*) FROM strategy_configurations"))
    return f"all strategies (rows: {rows})" if rows else None
