"""Create the table of operators' orders to disarm. Frozen: what changes later is a step of its own.

What is there is not made again. Keys get the collation of upstream's tables, as those of the first step did: they are compared.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0005"
down_revision = "0004"

_metadata = sa.MetaData()
_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_text = sa.Text().with_variant(mysql.TEXT(charset="utf8mb4"), "mysql", "mariadb")


def upgrade() -> None:
    """Create the table if it is missing."""
    connection = op.get_bind()
    for table in _metadata.sorted_tables:
        table.dialect_options["mysql"]["engine"] = "InnoDB"
        table.dialect_options["mariadb"]["engine"] = "InnoDB"
        for dialect, collation in _collation(connection).items():
            table.dialect_options[dialect]["collate"] = collation
        table.create(connection, checkfirst=True)


def _collation(connection: sa.Connection) -> dict[str, Any]:
    """Return the collation of upstream's tables by dialect; nothing for other databases than MySQL's kin."""
    name = connection.dialect.name
    if name not in ("mysql", "mariadb"):
        return {}
    collation = connection.execute(
        sa.text(
            "SELECT table_collation FROM information_schema.tables "
            "WHERE table_schema = DATABASE() AND table_name = 'notifications'"
        )
    ).scalar()
    return {name: collation} if collation else {}


sa.Table(
    "disarms",
    _metadata,
    sa.Column("id", _id, primary_key=True, autoincrement=True),
    sa.Column("open_key", sa.String(64), unique=True),
    sa.Column("scope", _text, nullable=False),
    sa.Column("by_whom", _text, nullable=False),
    sa.Column("why", _text, nullable=False),
    sa.Column("made_at", sa.Double, nullable=False),
    sa.Column("until", sa.Double, nullable=False),
    sa.Column("ended_at", sa.Double),
    sa.Column("ended_because", _text),
)
