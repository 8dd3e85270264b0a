"""Every table. The first four are upstream Masakari's, column for column; the others are ours and carry no key into upstream's.

Our times are seconds since the epoch (double precision) on the database's own clock; upstream's are naive UTC, as upstream has them.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import mysql

UPSTREAM_REVISION = "13adff5efb9a"
"""Head of upstream's own migrations; kept in `masakari_alembic_version` so that upstream can be put back."""

UPSTREAM_VERSION_TABLE = "masakari_alembic_version"
VERSION_TABLE = "vmha_alembic_version"

RECOVERY_METHODS = ("auto", "reserved_host", "auto_priority", "rh_priority")
NOTIFICATION_STATUSES = ("new", "running", "error", "failed", "ignored", "finished")

# Upstream's tables get indexes of ours, and nothing else; those are named vmha_… and harm nobody when upstream is put back.
upstream = MetaData()
ours = MetaData()


def _common() -> list[Column]:  # type: ignore[type-arg]
    """Return the columns that all of upstream's tables share; `deleted` is 0 or the row's own id."""
    return [
        Column("created_at", DateTime),
        Column("updated_at", DateTime),
        Column("deleted_at", DateTime),
        Column("deleted", Integer),
        Column("id", Integer, primary_key=True, autoincrement=True, nullable=False),
    ]


_moment = DateTime().with_variant(mysql.DATETIME(), "mysql", "mariadb")

failover_segments = Table(
    "failover_segments",
    upstream,
    *_common(),
    Column("uuid", String(36), nullable=False),
    Column("name", String(255), nullable=False),
    Column("service_type", String(255), nullable=False),
    Column("description", Text),
    Column("recovery_method", Enum(*RECOVERY_METHODS, name="recovery_methods"), nullable=False),
    Column("enabled", Boolean),
    UniqueConstraint("name", "deleted", name="uniq_segment0name0deleted"),
    UniqueConstraint("uuid", name="uniq_segments0uuid"),
    Index("segments_service_type_idx", "service_type"),
    Index("vmha_segments_created_idx", "deleted", "created_at", "id"),
)

hosts = Table(
    "hosts",
    upstream,
    *_common(),
    Column("uuid", String(36), nullable=False),
    Column("name", String(255), nullable=False),
    Column("reserved", Boolean),
    Column("type", String(255), nullable=False),
    Column("control_attributes", Text, nullable=False),
    Column("failover_segment_id", String(36), ForeignKey("failover_segments.uuid"), nullable=False),
    Column("on_maintenance", Boolean),
    UniqueConstraint("name", "deleted", name="uniq_host0name0deleted"),
    UniqueConstraint("uuid", name="uniq_host0uuid"),
    Index("hosts_type_idx", "type"),
    Index("vmha_hosts_segment_created_idx", "failover_segment_id", "deleted", "created_at", "id"),
)

notifications = Table(
    "notifications",
    upstream,
    *_common(),
    Column("notification_uuid", String(36), nullable=False),
    Column("generated_time", _moment, nullable=False),
    Column("source_host_uuid", String(36), nullable=False),
    Column("type", String(36), nullable=False),
    Column("payload", Text),
    Column("status", Enum(*NOTIFICATION_STATUSES, name="notification_status"), nullable=False),
    Column("failover_segment_uuid", String(36)),
    Column("message", Text),
    UniqueConstraint("notification_uuid", name="uniq_notification0uuid"),
    Index("vmha_notifications_created_idx", "created_at", "id"),
    Index("vmha_notifications_host_idx", "source_host_uuid", "generated_time"),
    Index("vmha_notifications_status_idx", "status"),
    Index("vmha_notifications_status_created_idx", "status", "created_at", "id"),
    Index("vmha_notifications_type_created_idx", "type", "created_at", "id"),
    Index("vmha_notifications_host_created_idx", "source_host_uuid", "created_at", "id"),
    Index("vmha_notifications_generated_idx", "generated_time", "created_at", "id"),
)

vmoves = Table(
    "vmoves",
    upstream,
    *_common(),
    Column("uuid", String(36), nullable=False),
    Column("notification_uuid", String(36), nullable=False),
    Column("instance_uuid", String(36), nullable=False),
    Column("instance_name", String(255), nullable=False),
    Column("source_host", String(255)),
    Column("dest_host", String(255)),
    Column("start_time", _moment),
    Column("end_time", _moment),
    Column("type", String(36)),
    Column("status", String(255)),
    Column("message", Text),
    UniqueConstraint("uuid", name="uniq_vmove0uuid"),
    Index("vmha_vmoves_notification_idx", "notification_uuid"),
    Index("vmha_vmoves_notification_created_idx", "notification_uuid", "created_at", "id"),
)

_id = BigInteger().with_variant(Integer, "sqlite")
_json = Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")  # MySQL's TEXT ends at 64 KiB

recoveries = Table(
    "recoveries",
    ours,
    Column("id", _id, primary_key=True, autoincrement=True),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    # "host:<uuid>", "instance:<uuid>" or "process:<host's uuid>:<name>" while open, NULL when final: one open recovery per incident
    Column("open_key", String(64), unique=True),
    Column("host_uuid", String(36), nullable=False),
    Column("host_name", String(255), nullable=False),
    # Empty but for hosts: a version that knows no other kinds counts a segment's failures by it, and would brake for a crashed instance.
    Column("segment_uuid", String(36), nullable=False),
    Column("method", String(36), nullable=False),
    Column("phase", String(32), nullable=False),
    Column("outcome", String(32)),
    Column("message", Text, nullable=False),
    Column("state", _json, nullable=False),
    Column("version", Integer, nullable=False),
    Column("opened_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("wake_at", Double),
    Column("owner", String(255)),
    Column("lease_token", String(36)),
    Column("epoch", Integer, nullable=False),
    Column("lease_until", Double),
    Column("claimable_at", Double),  # a successor may claim from here on; NULL: at once
    Column("subject", String(255)),  # the instance's uuid, or the process's name; NULL where the host itself failed
    Index("recoveries_subject_opened_idx", "subject", "opened_at"),
    Index("recoveries_segment_opened_idx", "segment_uuid", "opened_at"),
    Index("recoveries_host_opened_idx", "host_uuid", "opened_at"),
)

recovery_notifications = Table(
    "recovery_notifications",
    ours,
    Column("notification_uuid", String(36), primary_key=True),
    Column("recovery_uuid", String(36), nullable=False, index=True),
    Column("is_first", Boolean, nullable=False),  # the one whose vmoves are written
)

inbox = Table(
    "inbox",
    ours,
    Column("id", _id, primary_key=True, autoincrement=True),
    Column("recovery_uuid", String(36), nullable=False, index=True),
    Column("event", _json, nullable=False),
    Column("created_at", Double, nullable=False),
)

effects = Table(
    "effects",
    ours,
    Column("id", _id, primary_key=True, autoincrement=True),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("recovery_uuid", String(36), nullable=False),
    Column("effect_key", String(300), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("payload", _json, nullable=False),
    Column("proof_uuid", String(36)),
    Column("engine", String(255), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("intended_at", Double, nullable=False),
    Column("sent_at", Double),
    Column("answered_at", Double),
    CheckConstraint("kind <> 'Evacuate' OR proof_uuid IS NOT NULL", name="effects_proof_check"),
    Index("effects_recovery_idx", "recovery_uuid", "id"),
)

moves = Table(
    "moves",
    ours,
    Column("id", _id, primary_key=True, autoincrement=True),
    Column("recovery_uuid", String(36), nullable=False),
    Column("instance_uuid", String(36), nullable=False),
    Column("position", Integer, nullable=False),
    Column("vmove_uuid", String(36), nullable=False),
    Column("status", String(16), nullable=False),
    Column("state", _json, nullable=False),
    UniqueConstraint("recovery_uuid", "instance_uuid", name="moves_recovery_instance_key"),
)

claims = Table(
    "claims",
    ours,
    Column("id", _id, primary_key=True, autoincrement=True),
    Column("claim_key", String(300), nullable=False, unique=True),
    Column("recovery_uuid", String(36), nullable=False, index=True),
    Column("made_at", Double, nullable=False),
    Column("expires_at", Double),  # NULL: until the recovery ends
    Column("held_by", String(255)),  # who, where the uuid is no recovery's: that of a host's return
)

fence_proofs = Table(
    "fence_proofs",
    ours,
    Column("id", _id, primary_key=True, autoincrement=True),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("recovery_uuid", String(36), nullable=False, index=True),
    Column("host_name", String(255), nullable=False, index=True),
    Column("rung", String(16), nullable=False),
    Column("evidence", _json, nullable=False),
    Column("established_at", Double, nullable=False),
    Column("read_at", Double, nullable=False),
    Column("valid_until", Double, nullable=False),
    Column("revoked_at", Double),
    Column("revoked_because", Text),
)

timeline = Table(
    "timeline",
    ours,
    Column("id", _id, primary_key=True, autoincrement=True),
    Column("recovery_uuid", String(36), nullable=False),
    Column("at", Double, nullable=False),
    Column("engine", String(255), nullable=False),
    Column("code", String(64), nullable=False),
    Column("facts", _json, nullable=False),
    Column("sentence", Text, nullable=False),
    Index("timeline_recovery_idx", "recovery_uuid", "id"),
)

engines = Table(
    "engines",
    ours,
    Column("name", String(255), primary_key=True),
    Column("started_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
)

alerts = Table(
    "alerts",
    ours,
    Column("id", _id, primary_key=True, autoincrement=True),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("recovery_uuid", String(36)),  # NULL: it speaks of no recovery
    Column("number", Integer, nullable=False),  # grows by one within its recovery
    Column("kind", String(16), nullable=False),
    Column("host_name", String(255)),
    Column("segment_uuid", String(36)),
    Column("code", String(64), nullable=False),
    Column("document", _json, nullable=False),  # what is sent, to the byte
    Column("made_at", Double, nullable=False),
    Column("spread_at", Double),  # NULL: no engine has addressed it to its webhooks yet
    Index("alerts_recovery_idx", "recovery_uuid", "number"),
    Index("alerts_spread_idx", "spread_at", "id"),
)

alert_deliveries = Table(
    "alert_deliveries",
    ours,
    Column("id", _id, primary_key=True, autoincrement=True),
    Column("alert_uuid", String(36), nullable=False),
    Column("webhook", String(32), nullable=False),  # a digest of its URL, which may hold a secret
    Column("name", String(255), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Double),  # when it may be taken next; NULL: it is over
    Column("claimed_by", String(255)),
    Column("delivered_at", Double),
    Column("gave_up_at", Double),
    Column("last_error", Text),
    UniqueConstraint("alert_uuid", "webhook", name="alert_deliveries_alert_webhook_key"),
    Index("alert_deliveries_due_idx", "next_at", "webhook"),
)

disarms = Table(
    "disarms",
    ours,
    Column("id", _id, primary_key=True, autoincrement=True),
    Column(
        "open_key", String(64), unique=True
    ),  # "all", "segment:<uuid>" or "host:<uuid>" while it stands, NULL when it has ended
    Column("scope", Text, nullable=False),
    Column("by_whom", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("made_at", Double, nullable=False),
    Column("until", Double, nullable=False),
    Column("ended_at", Double),
    Column("ended_because", Text),
)
