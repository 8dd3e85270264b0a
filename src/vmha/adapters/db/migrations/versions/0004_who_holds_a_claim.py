"""Say whose a claim is that no recovery holds: the right to let a host back. Frozen: what changes later is a step of its own.

An engine of before neither writes nor reads the column.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column where it is missing."""
    known = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("claims")}
    if "held_by" not in known:
        op.add_column("claims", sa.Column("held_by", sa.String(255)))
