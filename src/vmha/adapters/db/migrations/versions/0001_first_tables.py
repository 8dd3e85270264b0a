"""Create our tables, and indexes on upstream's. Frozen: what changes later is a step of its own.

MySQL commits after each statement, so a sync that died in the middle left some of them; what is there is not made again.

Names and uuids get the collation of upstream's tables, since MySQL refuses to compare columns of two collations, and does not use
an index to compare two character sets. Sentences get utf8mb4 whatever the database's default is: they quote the names of instances.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None

_metadata = sa.MetaData()
_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_text = sa.Text().with_variant(mysql.TEXT(charset="utf8mb4"), "mysql", "mariadb")
_json = sa.Text().with_variant(mysql.LONGTEXT(charset="utf8mb4"), "mysql", "mariadb")

_ON_UPSTREAM = {
    "vmha_notifications_created_idx": ("notifications", ["created_at", "id"]),
    "vmha_notifications_host_idx": ("notifications", ["source_host_uuid", "generated_time"]),
    "vmha_notifications_status_idx": ("notifications", ["status"]),
    "vmha_vmoves_notification_idx": ("vmoves", ["notification_uuid"]),
}


def upgrade() -> None:
    """Create the tables and indexes that are missing."""
    connection = op.get_bind()
    for table in _metadata.sorted_tables:
        table.dialect_options["mysql"]["engine"] = "InnoDB"
        table.dialect_options["mariadb"]["engine"] = "InnoDB"
        for dialect, collation in _collation(connection).items():
            table.dialect_options[dialect]["collate"] = collation
        table.create(connection, checkfirst=True)
        for index in table.indexes:
            index.create(connection, checkfirst=True)
    for name, (of, columns) in _ON_UPSTREAM.items():
        if name not in {index["name"] for index in sa.inspect(connection).get_indexes(of)}:
            op.create_index(name, of, columns)


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
    "recoveries",
    _metadata,
    sa.Column("id", _id, primary_key=True, autoincrement=True),
    sa.Column("uuid", sa.String(36), nullable=False, unique=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("open_key", sa.String(64), unique=True),
    sa.Column("host_uuid", sa.String(36), nullable=False),
    sa.Column("host_name", sa.String(255), nullable=False),
    sa.Column("segment_uuid", sa.String(36), nullable=False),
    sa.Column("method", sa.String(36), nullable=False),
    sa.Column("phase", sa.String(32), nullable=False),
    sa.Column("outcome", sa.String(32)),
    sa.Column("message", _text, nullable=False),
    sa.Column("state", _json, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("opened_at", sa.Double, nullable=False),
    sa.Column("ended_at", sa.Double),
    sa.Column("wake_at", sa.Double),
    sa.Column("owner", sa.String(255)),
    sa.Column("lease_token", sa.String(36)),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("lease_until", sa.Double),
    sa.Column("claimable_at", sa.Double),
    sa.Index("recoveries_segment_opened_idx", "segment_uuid", "opened_at"),
    sa.Index("recoveries_host_opened_idx", "host_uuid", "opened_at"),
)

sa.Table(
    "recovery_notifications",
    _metadata,
    sa.Column("notification_uuid", sa.String(36), primary_key=True),
    sa.Column("recovery_uuid", sa.String(36), nullable=False, index=True),
    sa.Column("is_first", sa.Boolean, nullable=False),
)

sa.Table(
    "inbox",
    _metadata,
    sa.Column("id", _id, primary_key=True, autoincrement=True),
    sa.Column("recovery_uuid", sa.String(36), nullable=False, index=True),
    sa.Column("event", _json, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
)

sa.Table(
    "effects",
    _metadata,
    sa.Column("id", _id, primary_key=True, autoincrement=True),
    sa.Column("uuid", sa.String(36), nullable=False, unique=True),
    sa.Column("recovery_uuid", sa.String(36), nullable=False),
    sa.Column("effect_key", sa.String(300), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("payload", _json, nullable=False),
    sa.Column("proof_uuid", sa.String(36)),
    sa.Column("engine", sa.String(255), nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("intended_at", sa.Double, nullable=False),
    sa.Column("sent_at", sa.Double),
    sa.Column("answered_at", sa.Double),
    sa.CheckConstraint("kind <> 'Evacuate' OR proof_uuid IS NOT NULL", name="effects_proof_check"),
    sa.Index("effects_recovery_idx", "recovery_uuid", "id"),
)

sa.Table(
    "moves",
    _metadata,
    sa.Column("id", _id, primary_key=True, autoincrement=True),
    sa.Column("recovery_uuid", sa.String(36), nullable=False),
    sa.Column("instance_uuid", sa.String(36), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("vmove_uuid", sa.String(36), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("state", _json, nullable=False),
    sa.UniqueConstraint("recovery_uuid", "instance_uuid", name="moves_recovery_instance_key"),
)

sa.Table(
    "claims",
    _metadata,
    sa.Column("id", _id, primary_key=True, autoincrement=True),
    sa.Column("claim_key", sa.String(300), nullable=False, unique=True),
    sa.Column("recovery_uuid", sa.String(36), nullable=False, index=True),
    sa.Column("made_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double),
)

sa.Table(
    "fence_proofs",
    _metadata,
    sa.Column("id", _id, primary_key=True, autoincrement=True),
    sa.Column("uuid", sa.String(36), nullable=False, unique=True),
    sa.Column("recovery_uuid", sa.String(36), nullable=False, index=True),
    sa.Column("host_name", sa.String(255), nullable=False, index=True),
    sa.Column("rung", sa.String(16), nullable=False),
    sa.Column("evidence", _json, nullable=False),
    sa.Column("established_at", sa.Double, nullable=False),
    sa.Column("read_at", sa.Double, nullable=False),
    sa.Column("valid_until", sa.Double, nullable=False),
    sa.Column("revoked_at", sa.Double),
    sa.Column("revoked_because", _text),
)

sa.Table(
    "timeline",
    _metadata,
    sa.Column("id", _id, primary_key=True, autoincrement=True),
    sa.Column("recovery_uuid", sa.String(36), nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("engine", sa.String(255), nullable=False),
    sa.Column("code", sa.String(64), nullable=False),
    sa.Column("facts", _json, nullable=False),
    sa.Column("sentence", _text, nullable=False),
    sa.Index("timeline_recovery_idx", "recovery_uuid", "id"),
)

sa.Table(
    "engines",
    _metadata,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("seen_at", sa.Double, nullable=False),
)
