"""The tables as the newest revision has them (``migrations/`` says how they came to be so)."""

from datetime import UTC, datetime

from sqlalchemy import (
    ARRAY,
    CHAR,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID
from sqlalchemy.sql import expression
from sqlalchemy.types import TypeDecorator

HEAD = "5"
"""The newest revision: what this code reads and writes."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC ``datetime``; SQLite, which knows no zones, holds it without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the signature is SQLAlchemy's
        """Give the driver UTC.

        Raises:
            ValueError: ``value`` is naive.
        """
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the signature is SQLAlchemy's
        """Take what the driver gives; without a zone it is UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData()

_uuid = CHAR(36).with_variant(UUID(as_uuid=False), "postgresql")
_json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

strategy_configurations = Table(
    "strategy_configurations",
    metadata,
    Column("id", _uuid, primary_key=True),
    Column("strategy_type", Text, nullable=False),
    Column("parameters", _json, nullable=False, server_default="{}"),
    Column("instruments", JSON().with_variant(ARRAY(BigInteger), "postgresql"), nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=expression.true()),
    Column("zerodha_trading_enabled", Boolean, nullable=False, server_default=expression.false()),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("created_at", UtcDateTime, nullable=False, server_default=func.current_timestamp()),
    Column("updated_at", UtcDateTime, nullable=False, server_default=func.current_timestamp()),
    Column("active_brokers", JSON(none_as_null=True).with_variant(ARRAY(Text), "postgresql")),
    Column("validator_type", Text),
)

strategy_status = Table(
    "strategy_status",
    metadata,
    Column(
        "entry",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    # No foreign key: what was said of a strategy stays readable when its row is gone.
    Column("strategy_id", _uuid, nullable=False),
    Column("instrument_token", BigInteger),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("strategy_version", Integer, nullable=False),
    Column("worker", Text, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    CheckConstraint(
        "state IN ('registered', 'disabled', 'quarantined', 'cold', 'invalid')",
        name="strategy_status_state",
    ),
)

status_key = Index(
    "strategy_status_key",
    strategy_status.c.strategy_id,
    strategy_status.c.worker,
    func.coalesce(strategy_status.c.instrument_token, expression.literal_column("0")),
    unique=True,
)
"""One entry per strategy, worker and instrument; no token is 0, so 0 stands for null."""

database_identity = Table("database_identity", metadata, Column("id", _uuid, primary_key=True))
"""One row: the id of this database."""
