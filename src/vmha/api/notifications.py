"""Notifications: what monitors report. One transaction accepts a report and opens, or joins, the recovery of its host."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from oslo_db.exception import DBDeadlock

from vmha.adapters.announcing import notification_payload
from vmha.adapters.db import hosts as stored_hosts
from vmha.adapters.db import incidents, recovery_views
from vmha.adapters.db import notifications as stored
from vmha.adapters.db import segments as stored_segments
from vmha.adapters.db.connection import transaction
from vmha.adapters.db.schema import notifications
from vmha.api import params, progress, schemas, times, validation, views
from vmha.api.acceptance import judge
from vmha.api.call import Answer
from vmha.api.faults import bad_request, conflict, not_found
from vmha.api.microversion import HAS_WORKFLOW_DETAILS
from vmha.api.telling import telling
from vmha.errors import StoreUnavailable
from vmha.logs import log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection

    from vmha.adapters.db.hosts import Host
    from vmha.adapters.db.notifications import Notification
    from vmha.adapters.db.segments import Segment
    from vmha.api.call import Call, JsonObject
    from vmha.api.params import Query


LOG = logging.getLogger(__name__)
# A deadlock needs the one commit of a recovery that marks its host; the second attempt finds that done.
_ATTEMPTS = 3
_FIRST = datetime(1, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def create(call: Call) -> Answer:
    """Accept a report and wake the engines."""
    sent = call.body["notification"]
    validation.check(sent["payload"], schemas.PAYLOADS[sent["type"]])
    # The contract: what was just accepted is new. Its fate is read with GET.
    with telling(call, "notification.create") as about:
        about.show = partial(_as_sent, sent)
        row = _accepted(call, sent)
        shown = replace(row, status="new", message=None, updated_at=None)
        about.show = partial(notification_payload, asdict(shown))
    call.parts.doorbell.ring()
    log(
        LOG,
        "notification accepted",
        notification=row.notification_uuid,
        host=sent["hostname"],
        type=row.type,
        status=row.status,
        why=row.message,
    )
    return Answer({"notification": views.notification(shown)}, HTTPStatus.ACCEPTED)


def _as_sent(sent: Mapping[str, Any], fault: JsonObject | None) -> JsonObject:
    known = {name: sent[name] for name in ("type", "payload")}
    return notification_payload(
        {**known, "generated_time": times.parse(sent["generated_time"]), "status": "new"}, fault
    )


def index(call: Call) -> Answer:
    """List notifications."""
    page = params.page(call.query, max_limit=call.parts.max_limit)
    conditions = params.equal_filters(call.query, notifications, ("status", "source_host_uuid", "type"))
    conditions += _generated_since(call.query)
    with transaction(call.parts.engine) as connection:
        rows = stored.listed(connection, conditions, page)
    return Answer({"notifications": [views.notification(row) for row in rows]})


def show(call: Call) -> Answer:
    """Show a notification, from 1.1 on with the steps of its recovery."""
    with transaction(call.parts.engine) as connection:
        row = existing(connection, call.path["notification"])
        details = _details(connection, row) if call.version >= HAS_WORKFLOW_DETAILS else None
    return Answer({"notification": views.notification(row, details)})


def existing(connection: Connection, uuid: str) -> Notification:
    """Return the live notification with `uuid`. Raises `Fault`."""
    row = stored.find(connection, uuid)
    if row is None:
        raise not_found(f"No notification with id {uuid}.")
    return row


def _accepted(call: Call, sent: Mapping[str, Any]) -> Notification:
    """Accept in one transaction, again if it met an engine's commit half-way and the database let that one pass."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with transaction(call.parts.engine) as connection:
                return _accept(connection, sent, duplicate_seconds=call.parts.duplicate_interval_seconds)
        except StoreUnavailable as error:
            if attempt == _ATTEMPTS or not isinstance(error.__cause__, DBDeadlock):
                raise
    raise AssertionError("the last attempt returns or raises")


def _accept(connection: Connection, sent: Mapping[str, Any], *, duplicate_seconds: float) -> Notification:
    host = stored_hosts.lock_by_name(connection, sent["hostname"])
    segment = None if host is None else stored_segments.find(connection, host.failover_segment_id)
    if host is None or segment is None:
        raise bad_request(f"Host with name {sent['hostname']} could not be found.")
    generated = times.parse(sent["generated_time"])
    _refuse_unwanted(connection, sent, host, generated - _span(duplicate_seconds, generated))
    verdict = judge(sent["type"], sent["payload"], segment_enabled=segment.enabled)
    row = stored.insert(
        connection,
        type=sent["type"],
        host_uuid=host.uuid,
        segment_uuid=segment.uuid,
        generated_time=generated,
        payload=sent["payload"],
        status=verdict.status,
        message=verdict.message,
        now=times.now(),
    )
    if verdict.opens_recovery:
        _report(connection, row, host, segment)
    return row


def _span(seconds: float, before: datetime) -> timedelta:
    """Bound the interval so that it does not reach back beyond the first year that there is."""
    return min(timedelta(seconds=seconds), before - _FIRST)


def _refuse_unwanted(connection: Connection, sent: Mapping[str, Any], host: Host, since: datetime) -> None:
    if host.on_maintenance:
        raise conflict(
            f"Notification received from host {host.name} of type '{sent['type']}' is ignored as the host is already "
            "under maintenance."
        )
    if stored.has_equal(connection, type=sent["type"], host_uuid=host.uuid, payload=sent["payload"], since=since):
        raise conflict(f"Notification received from host {host.name} of type {sent['type']} is duplicate.")


def _report(connection: Connection, row: Notification, host: Host, segment: Segment) -> None:
    incidents.report_host(
        connection,
        notification_uuid=row.notification_uuid,
        host_uuid=host.uuid,
        host_name=host.name,
        segment_uuid=segment.uuid,
        method=segment.recovery_method,
    )


def _details(connection: Connection, row: Notification) -> list[JsonObject]:
    recovery = recovery_views.find_by_notification(connection, row.notification_uuid)
    if recovery is None:
        return []
    timeline = recovery_views.timeline_of(connection, recovery.uuid)
    return progress.workflow_details(recovery, timeline)


def _generated_since(query: Query) -> list[ColumnElement[bool]]:
    text = query.get("generated-since")
    if text is None:
        return []
    try:
        return [notifications.c.generated_time >= times.parse(text)]
    except ValueError:
        raise bad_request("Invalid generated-since value") from None
