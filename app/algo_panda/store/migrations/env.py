"""Runs migrations on the connection, and in the transaction, of ``algo_panda.store.migrate``."""

from alembic import context

from algo_panda.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
)
context.run_migrations()
