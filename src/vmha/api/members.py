"""Names of segments, hosts, notifications and moves in a path: their uuid, or the integer that their bodies have as `id`.

openstacksdk names an object by the `id` of its body, in `get_segment(segment)`, `delete_host(host, segment)` or
`wait_for_status(notification, "finished")`. Upstream knows none of them by that, and answers 404.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from vmha.adapters.db import listing
from vmha.adapters.db.connection import transaction
from vmha.adapters.db.schema import failover_segments, hosts, notifications, vmoves

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Engine

# Name in a route -> the column with the uuids.
_UUIDS = {
    "segment": failover_segments.c.uuid,
    "host": hosts.c.uuid,
    "notification": notifications.c.notification_uuid,
    "vmove": vmoves.c.uuid,
}


def by_uuid(engine: Engine, path: Mapping[str, str]) -> Mapping[str, str]:
    """Replace each id of a live row by its uuid; what is no row's id stays as it is, for the handler to refuse."""
    ids = {name: number for name in path.keys() & _UUIDS.keys() if (number := listing.row_id(path[name])) is not None}
    if not ids:
        return path
    found = dict(path)
    with transaction(engine) as connection:
        for name, number in ids.items():
            column = _UUIDS[name]
            row = (column.table.c.id == number, column.table.c.deleted == 0)
            found[name] = connection.scalar(select(column).where(*row)) or path[name]
    return found
