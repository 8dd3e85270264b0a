"""The moves of instances that a host's failure caused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.adapters.db import vmoves as stored
from vmha.adapters.db.connection import reading
from vmha.adapters.db.schema import vmoves
from vmha.api import notifications, paging, params, views
from vmha.api.call import Answer
from vmha.api.faults import bad_request, not_found

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from vmha.api.call import Call


def index(call: Call) -> Answer:
    """List the moves of a notification about a host."""
    page = params.page(call.query, max_limit=call.parts.max_limit)
    conditions = params.equal_filters(call.query, vmoves, ("status", "type"))
    uuid = call.path["notification"]
    with reading(call.parts.reader) as connection:
        _demand_moves(connection, uuid)
        rows = stored.listed(connection, uuid, conditions, paging.one_more(page))
    return paging.answer(call, "vmoves", rows, page, views.vmove)


def show(call: Call) -> Answer:
    """Show a move. As upstream, it may be another notification's: joined ones share their moves."""
    with reading(call.parts.reader) as connection:
        _demand_moves(connection, call.path["notification"])
        row = stored.find(connection, call.path["vmove"])
    if row is None:
        raise not_found(f"No vm move with id {call.path['vmove']}.")
    return Answer({"vmove": views.vmove(row)})


def _demand_moves(connection: Connection, uuid: str) -> None:
    """Raise `Fault` unless the notification is there and about a host."""
    if notifications.existing(connection, uuid).type != "COMPUTE_HOST":
        raise bad_request(f"This notification {uuid} without vm moves.")
