"""Alembic's folder: how the tables came to be what ``algo_panda.store.tables`` says."""
