"""Alembic's folder: how the tables came to be what ``app.store.tables`` says."""
