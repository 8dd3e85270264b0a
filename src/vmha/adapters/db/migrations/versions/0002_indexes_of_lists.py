"""Give every list of the API, with each of its filters, an index in its own order. Frozen: what changes later is a step of its own.

A list is read newest first, so each index ends in created_at and id: a page costs what it shows, however many rows there are. The
tables of upstream's task flow, where they are in this database, get what finds the flows of one notification.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_NEWEST = ["created_at", "id"]
_INDEXES = {
    "vmha_notifications_status_created_idx": ("notifications", ["status", *_NEWEST]),
    "vmha_notifications_type_created_idx": ("notifications", ["type", *_NEWEST]),
    "vmha_notifications_host_created_idx": ("notifications", ["source_host_uuid", *_NEWEST]),
    "vmha_notifications_generated_idx": ("notifications", ["generated_time", *_NEWEST]),
    "vmha_vmoves_notification_created_idx": ("vmoves", ["notification_uuid", *_NEWEST]),
    "vmha_hosts_segment_created_idx": ("hosts", ["failover_segment_id", "deleted", *_NEWEST]),
    "vmha_segments_created_idx": ("failover_segments", ["deleted", *_NEWEST]),
    "vmha_flowdetails_parent_idx": ("flowdetails", ["parent_uuid"]),
    "vmha_atomdetails_parent_idx": ("atomdetails", ["parent_uuid"]),
}


def upgrade() -> None:
    """Create the indexes that are missing."""
    look = sa.inspect(op.get_bind())
    tables = set(look.get_table_names())
    for name, (of, columns) in _INDEXES.items():
        if of in tables and name not in {index["name"] for index in look.get_indexes(of)}:
            op.create_index(name, of, columns)
