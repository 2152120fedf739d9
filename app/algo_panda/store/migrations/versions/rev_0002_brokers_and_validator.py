"""Strategies name their brokers and their validator; null in either means as before."""

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the two columns, null in every row there is."""
    op.add_column(
        "strategy_configurations",
        sa.Column(
            "active_brokers",
            sa.JSON(none_as_null=True).with_variant(sa.ARRAY(sa.Text), "postgresql"),
        ),
    )
    op.add_column("strategy_configurations", sa.Column("validator_type", sa.Text))


def downgrade() -> None:
    """Drop the two columns; every row stays."""
    op.drop_column("strategy_configurations", "validator_type")
    op.drop_column("strategy_configurations", "active_brokers")


def loss(connection: sa.Connection) -> str | None:
    """What ``downgrade`` loses, in words; None where nothing is there to lose."""
    brokers, validators = connection.execute(
        sa.text("SELECT count(active_brokers), count(validator_type) FROM strategy_configurations")
    ).one()
    if not brokers and not validators:
        return None
    return (
        f"validator_type (rows: {validators}) and active_brokers (rows: {brokers}; where orders go,"
        " also of those that were signals only, is then for zerodha_trading_enabled to say)"
    )
