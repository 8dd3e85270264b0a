"""Create the outbox of alerts. Frozen: what changes later is a step of its own.

MySQL commits after each statement, so a sync that died in the middle left one of them; what is there is not made again. Names and uuids
get the collation of upstream's tables, as those of the first step did.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"

_metadata = sa.MetaData()
_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_text = sa.Text().with_variant(mysql.TEXT(charset="utf8mb4"), "mysql", "mariadb")
_json = sa.Text().with_variant(mysql.LONGTEXT(charset="utf8mb4"), "mysql", "mariadb")


def upgrade() -> None:
    """Create the tables that are missing."""
    connection = op.get_bind()
    for table in _metadata.sorted_tables:
        table.dialect_options["mysql"]["engine"] = "InnoDB"
        table.dialect_options["mariadb"]["engine"] = "InnoDB"
        for dialect, collation in _collation(connection).items():
            table.dialect_options[dialect]["collate"] = collation
        table.create(connection, checkfirst=True)
        for index in table.indexes:
            index.create(connection, checkfirst=True)


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
    "alerts",
    _metadata,
    sa.Column("id", _id, primary_key=True, autoincrement=True),
    sa.Column("uuid", sa.String(36), nullable=False, unique=True),
    sa.Column("recovery_uuid", sa.String(36)),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("host_name", sa.String(255)),
    sa.Column("segment_uuid", sa.String(36)),
    sa.Column("code", sa.String(64), nullable=False),
    sa.Column("document", _json, nullable=False),
    sa.Column("made_at", sa.Double, nullable=False),
    sa.Column("spread_at", sa.Double),
    sa.Index("alerts_recovery_idx", "recovery_uuid", "number"),
    sa.Index("alerts_spread_idx", "spread_at", "id"),
)

sa.Table(
    "alert_deliveries",
    _metadata,
    sa.Column("id", _id, primary_key=True, autoincrement=True),
    sa.Column("alert_uuid", sa.String(36), nullable=False),
    sa.Column("webhook", sa.String(32), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", sa.Double),
    sa.Column("claimed_by", sa.String(255)),
    sa.Column("delivered_at", sa.Double),
    sa.Column("gave_up_at", sa.Double),
    sa.Column("last_error", _text),
    sa.UniqueConstraint("alert_uuid", "webhook", name="alert_deliveries_alert_webhook_key"),
    sa.Index("alert_deliveries_due_idx", "next_at", "webhook"),
)
