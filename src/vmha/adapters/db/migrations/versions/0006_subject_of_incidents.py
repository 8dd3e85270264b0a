"""Give an incident room for what failed beside the host: an instance, or a process. Frozen: what changes later is a step of its own.

A version that knows hosts only neither reads nor writes the column. The index finds the earlier incidents of one instance.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_INDEX = "recoveries_subject_opened_idx"


def upgrade() -> None:
    """Add column and index where they are missing."""
    look = sa.inspect(op.get_bind())
    if "subject" not in {column["name"] for column in look.get_columns("recoveries")}:
        op.add_column("recoveries", sa.Column("subject", sa.String(255)))
    if _INDEX not in {index["name"] for index in look.get_indexes("recoveries")}:
        op.create_index(_INDEX, "recoveries", ["subject", "opened_at"])
