"""Runs migrations on the connection, and in the transaction, of ``app.store.migrate``."""

from alembic import context

from app.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
)
context.run_migrations()
