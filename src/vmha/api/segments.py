"""Failover segments."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from oslo_utils import strutils
from sqlalchemy import false

from vmha.adapters.announcing import segment_payload
from vmha.adapters.db import disarming
from vmha.adapters.db import hosts as stored_hosts
from vmha.adapters.db import segments as stored
from vmha.adapters.db.connection import reading, transaction
from vmha.adapters.db.schema import failover_segments
from vmha.api import paging, params, times, views
from vmha.api.call import Answer
from vmha.api.faults import conflict, not_found
from vmha.api.telling import telling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection

    from vmha.adapters.db.segments import Segment
    from vmha.api.call import Call
    from vmha.core.model import Disarm


def index(call: Call) -> Answer:
    """List segments."""
    page = params.page(call.query, max_limit=call.parts.max_limit)
    conditions = params.equal_filters(call.query, failover_segments, ("recovery_method", "service_type"))
    conditions += _enabled(call.query.get("enabled"))
    with reading(call.parts.reader) as connection:
        rows = stored.listed(connection, conditions, paging.one_more(page))
    return paging.answer(call, "segments", rows, page, views.segment)


def show(call: Call) -> Answer:
    """Show a segment."""
    with reading(call.parts.reader) as connection:
        row = existing(connection, call.path["segment"])
    return Answer({"segment": views.segment(row)})


def create(call: Call) -> Answer:
    """Create a segment."""
    values = _values(call.body["segment"])
    try:
        with telling(call, "segment.create") as about, transaction(call.parts.engine) as connection:
            about.show = partial(segment_payload, {"enabled": True, "description": None, **values})
            row = existing(connection, stored.insert(connection, values, now=times.now()))
            about.show = partial(segment_payload, asdict(row))
    except stored.NameTaken:
        raise _name_taken(values) from None
    return Answer({"segment": views.segment(row)}, HTTPStatus.CREATED)


def update(call: Call) -> Answer:
    """Change a segment that no notification is being processed for."""
    values, uuid = _values(call.body["segment"]), call.path["segment"]
    try:
        with telling(call, "segment.update") as about, transaction(call.parts.engine) as connection:
            row = existing(connection, uuid)
            if stored.is_in_use(connection, uuid):
                raise conflict(f"Failover segment {uuid} can't be updated as it is in-use to process notifications.")
            about.show = partial(segment_payload, {**asdict(row), **values})
            stored.change(connection, uuid, values, now=times.now())
            row = existing(connection, uuid)
            about.show = partial(segment_payload, asdict(row))
    except stored.NameTaken:
        raise _name_taken(values) from None
    return Answer({"segment": views.segment(row)})


def delete(call: Call) -> Answer:
    """Delete a segment and its hosts, unless a notification is being processed for it, a recovery waits, or any of it is disarmed."""
    uuid = call.path["segment"]
    with telling(call, "segment.delete") as about, transaction(call.parts.engine) as connection:
        row = existing(connection, uuid)
        if stored.is_in_use(connection, uuid):
            raise conflict(f"Failover segment ({uuid}) can't be deleted as it is in-use to process notifications.")
        known = stored_hosts.open_recovery(connection, segment_uuid=uuid)
        if known is not None:
            recovery, phase = known
            raise conflict(
                f"Failover segment ({uuid}) can't be deleted as recovery {recovery} of one of its hosts is open, in phase "
                f"{phase}; confirm or reject it, and try again when it has ended."
            )
        demand_armed(disarming.standing_on(connection, segment=uuid), f"Failover segment ({uuid})")
        about.show = partial(segment_payload, asdict(row))
        stored.delete(connection, uuid, now=times.now())
    return Answer(None, HTTPStatus.NO_CONTENT)


def demand_armed(order: Disarm | None, what: str) -> None:
    """Raise `Fault` where an order to do nothing would go with what it is about: added again, that would be another one, and armed."""
    if order is not None:
        raise conflict(
            f"{what} can't be deleted as {order.scope} is disarmed until {order.until_text} by {order.by} ({order.why}), and would "
            "be armed when it is added again; end that with masakari-manage arm, and try again."
        )


def existing(connection: Connection, uuid: str) -> Segment:
    """Return the live segment with `uuid`. Raises `Fault`."""
    row = stored.find(connection, uuid)
    if row is None:
        raise not_found(f"No failover segment with id {uuid}.")
    return row


def _enabled(text: str | None) -> list[ColumnElement[bool]]:
    """Filter by a flag in any spelling that clients use; what is none of them matches nothing, as upstream."""
    if text is None:
        return []
    try:
        wanted = strutils.bool_from_string(text, strict=True)
    except ValueError:
        return [false()]
    enabled = failover_segments.c.enabled
    return [enabled.is_not(False) if wanted else enabled.is_(False)]


def _values(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Turn what was sent into what is stored."""
    values = dict(sent)
    if "enabled" in values:
        values["enabled"] = strutils.bool_from_string(values["enabled"], strict=True)
    return values


def _name_taken(values: Mapping[str, Any]) -> Exception:
    return conflict(f"Failover segment with name {values.get('name')} already exists.")
