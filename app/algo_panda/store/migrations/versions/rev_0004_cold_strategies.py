"""Workers may say of a strategy that it is cold: rebuilt from fewer ticks than it needs."""

import sqlalchemy as sa
from alembic import op

revision = "4"
down_revision = "3"
branch_labels = None
depends_on = None

_BEFORE = "state IN ('registered', 'disabled', 'quarantined', 'invalid')"
_SINCE = "state IN ('registered', 'disabled', 'quarantined', 'cold', 'invalid')"


def upgrade() -> None:
    """Allow the state."""
    _allow(_SINCE)


def downgrade() -> None:
    """Allow it no more; what was said of cold strategies is deleted."""
    op.execute("DELETE FROM strategy_status WHERE state = 'cold'")
    _allow(_BEFORE)


def loss(connection: sa.Connection) -> str | None:
    """What ``downgrade`` loses, in words; None where nothing is there to lose."""
    rows = connection.scalar(sa.text("SELECT count(*) FROM strategy_status WHERE state = 'cold'"))
    return f"what workers said of cold strategies (rows: {rows})" if rows else None


def _allow(condition: str) -> None:
    # SQLite has the table copied, and an index over an expression would not come along.
    op.drop_index("strategy_status_key", "strategy_status")
    with op.batch_alter_table("strategy_status") as table:
        table.drop_constraint("strategy_status_state", type_="check")
        table.create_check_constraint("strategy_status_state", sa.text(condition))
    op.create_index(
        "strategy_status_key",
        "strategy_status",
        ["strategy_id", "worker", sa.text("coalesce(instrument_token, 0)")],
        unique=True,
    )
