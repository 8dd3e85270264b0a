"""What alembic runs for every command: our version table, on the connection that `migrate` holds the lock with."""

from __future__ import annotations

from alembic import context

from vmha.adapters.db import schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema.ours,
    version_table=schema.VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
