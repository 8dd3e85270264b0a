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
from vmha.adapters.db import incidents, outbox, recovery_views
from vmha.adapters.db import notifications as stored
from vmha.adapters.db import segments as stored_segments
from vmha.adapters.db.connection import reading, transaction
from vmha.adapters.db.reports import Place, report_of
from vmha.adapters.db.schema import notifications
from vmha.api import naming, paging, params, progress, schemas, times, validation, views
from vmha.api.call import Answer
from vmha.api.faults import Fault, bad_request, conflict, not_found, unavailable
from vmha.api.microversion import HAS_WORKFLOW_DETAILS
from vmha.api.telling import tell_processed, telling
from vmha.core.acceptance import DISABLED, ON_MAINTENANCE, RECOVER, judge
from vmha.core.explain import Code, because
from vmha.errors import NovaRefused, NovaUnavailable, StoreUnavailable
from vmha.logs import log

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection

    from vmha.adapters.db.hosts import Host
    from vmha.adapters.db.notifications import Earlier, Notification
    from vmha.adapters.db.recovery_views import TimelineLine
    from vmha.adapters.db.segments import Segment
    from vmha.api.call import Call, JsonObject
    from vmha.api.params import Query
    from vmha.core.acceptance import Verdict


LOG = logging.getLogger(__name__)
# A deadlock needs the one commit of a recovery that marks its host; the second attempt finds that done.
_ATTEMPTS = 3
# MariaDB and MySQL keep whole seconds of upstream's times, cut or rounded. Nothing crashes twice in one.
_RESOLUTION = timedelta(seconds=1)
_FIRST = datetime(1, 1, 1, tzinfo=UTC).replace(tzinfo=None)
_LAST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC).replace(tzinfo=None)


class UnknownHost(Fault):
    """No live host has the name, and no single one a name like it."""

    def __init__(self, name: str, hint: str = "") -> None:
        super().__init__(HTTPStatus.BAD_REQUEST, f"Host with name {name} could not be found.{hint}")


def create(call: Call) -> Answer:
    """Accept a report and wake the engines."""
    sent = call.body["notification"]
    validation.check(sent["payload"], schemas.PAYLOADS[sent["type"]])
    # The contract: what was just accepted is new. Its fate is read with GET.
    with telling(call, "notification.create") as about:
        about.show = partial(_as_sent, sent)
        try:
            row = _accepted(call, sent)
        except UnknownHost:
            # Nova is asked between transactions: none stays open while another service takes its time.
            row = _accepted(call, {**sent, "hostname": _host_of_hypervisor(call, sent["hostname"])})
        shown = replace(row, status="new", message=None, updated_at=None)
        about.show = partial(notification_payload, asdict(shown))
    if row.status != RECOVER.status and row.message != DISABLED.message:
        tell_processed(call, notification_payload(asdict(shown)), notification_payload(asdict(row)))
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
    with reading(call.parts.reader) as connection:
        rows = stored.listed(connection, conditions, paging.one_more(page))
    return paging.answer(call, "notifications", rows, page, views.notification)


def show(call: Call) -> Answer:
    """Show a notification, from 1.1 on with the steps of its recovery."""
    uuid, with_details = call.path["notification"], call.version >= HAS_WORKFLOW_DETAILS
    with reading(call.parts.reader) as connection:
        row = existing(connection, uuid)
        recovery = recovery_views.find_by_notification(connection, row.notification_uuid) if with_details else None
        timeline = [] if recovery is None else recovery_views.timeline_of(connection, recovery.uuid)
    details = None
    if with_details:
        # After the transaction: upstream may have kept its task flows in another database.
        details = _upstreams_part(call, row) if recovery is None or _was_left(row, timeline) else []
        details += [] if recovery is None else progress.workflow_details(recovery, timeline)
    return Answer({"notification": views.notification(row, details)})


def _upstreams_part(call: Call, row: Notification) -> list[JsonObject]:
    return [progress.upstream_task(task) for task in call.parts.task_flows(row.notification_uuid)]


def _was_left(row: Notification, timeline: Sequence[TimelineLine]) -> bool:
    """Tell whether upstream's engine had begun with it."""
    left = Code.LEFT_BEHIND.name
    return any(line.code == left and line.facts["notification"] == row.notification_uuid for line in timeline)


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
                accepted = _accept(connection, sent, duplicate_seconds=call.parts.duplicate_interval_seconds)
        except StoreUnavailable as error:
            if attempt == _ATTEMPTS or not isinstance(error.__cause__, DBDeadlock):
                raise
        else:
            if isinstance(accepted, Fault):
                raise accepted
            return accepted
    raise AssertionError("the last attempt returns or raises")


def _accept(connection: Connection, sent: Mapping[str, Any], *, duplicate_seconds: float) -> Notification | Fault:
    """Store a notification, or say why it is refused; what a refusal stored stays when it is raised after the transaction."""
    host = _reported(connection, sent["hostname"])
    segment = stored_segments.find(connection, host.failover_segment_id)
    if segment is None:
        raise UnknownHost(host.name)
    generated = times.parse(sent["generated_time"])
    span = _span(duplicate_seconds, generated)
    earlier = stored.equal_ones(
        connection, type=sent["type"], host_uuid=host.uuid, payload=sent["payload"], since=generated - span
    )
    if host.on_maintenance:
        # One that a clock ahead of ours stamped for some later day is no other report of the same failure.
        if not any(each.generated_time - generated <= span for each in earlier):
            _keep_in_sight(connection, sent, host)
        return conflict(
            f"Notification received from host {host.name} of type '{sent['type']}' is ignored as the host is already "
            "under maintenance."
        )
    verdict = judge(sent["type"], sent["payload"], segment_enabled=segment.enabled)
    if _is_repeated(connection, sent, host, earlier, opens=verdict.opens is not None, span=span):
        return conflict(f"Notification received from host {host.name} of type {sent['type']} is duplicate.")
    row = _stored(connection, sent, host, verdict)
    if verdict.opens is not None:
        _report(connection, row, host, segment, verdict.opens)
    return row


def _reported(connection: Connection, name: str) -> Host:
    """Find the host that a monitor means and lock it. Raises `Fault`."""
    host = stored_hosts.lock_by_name(connection, name)
    if host is not None:
        return host
    known = stored_hosts.names(connection)
    meant = naming.resolve(name, known)
    host = None if meant is None else stored_hosts.lock_by_name(connection, meant)
    if host is None:
        raise UnknownHost(name, naming.similar(name, known))
    return host


def _host_of_hypervisor(call: Call, name: str) -> str:
    """Return the host whose hypervisor is called `name`, else `name` itself. Raises `Fault` where Nova does not answer."""
    short = name.partition(".")[0]
    try:
        known = call.parts.hypervisors(short) if short else {}
    except NovaRefused as error:
        log(LOG, "hypervisors not read", level=logging.WARNING, host=name, error=str(error))
        return name
    except NovaUnavailable as error:
        raise unavailable(
            f"Host with name {name} could not be found, and Nova cannot be asked whether it is a hypervisor's: {error}. "
            "Nothing was stored; try again."
        ) from error
    meant = naming.resolve(name, known)
    return name if meant is None else known[meant]


def _span(seconds: float, before: datetime) -> timedelta:
    """Bound the interval so that it does not reach back beyond the first year that there is."""
    return min(timedelta(seconds=seconds), before - _FIRST)


def _keep_in_sight(connection: Connection, sent: Mapping[str, Any], host: Host) -> None:
    """Store a failure that nobody will act on, and tell humans: the client that is refused is a monitor, which nobody watches."""
    open_already = stored_hosts.open_recovery(
        connection, segment_uuid=host.failover_segment_id, uuid=host.uuid, kind="host"
    )
    if sent["type"] != "COMPUTE_HOST" or sent["payload"]["event"] != "STOPPED" or open_already is not None:
        return
    row, segment = _stored(connection, sent, host, ON_MAINTENANCE), host.failover_segment_id
    reason = because(Code.HOST_ON_MAINTENANCE, host=host.name, segment=segment, host_uuid=host.uuid)
    outbox.store_refusal(connection, reason, host=host.name, segment=segment)
    log(
        LOG,
        "host failure refused, the host is on maintenance",
        level=logging.WARNING,
        notification=row.notification_uuid,
        host=host.name,
        segment=segment,
        generated_time=sent["generated_time"],
        what_to_do=reason.sentence,
    )


def _stored(connection: Connection, sent: Mapping[str, Any], host: Host, verdict: Verdict) -> Notification:
    return stored.insert(
        connection,
        type=sent["type"],
        host_uuid=host.uuid,
        segment_uuid=host.failover_segment_id,
        generated_time=times.parse(sent["generated_time"]),
        payload=sent["payload"],
        status=verdict.status,
        message=verdict.message,
        now=times.now(),
    )


def _is_repeated(
    connection: Connection,
    sent: Mapping[str, Any],
    host: Host,
    earlier: Sequence[Earlier],
    *,
    opens: bool,
    span: timedelta,
) -> bool:
    """Tell whether equal notifications make this one a duplicate.

    One does that is being dealt with, or was generated at the same time, so that both tell of one event. After its end a failure is
    another one: an instance may crash right after it was restarted, and a host may die after a false alarm, or after its segment was
    enabled again. What was refused while its host was on maintenance was not dealt with, and what was reported before the host or the
    process was reported the other way says nothing of now.

    The monitors of all other hosts report one failure, within a minute or so. What was only reported, or rejected by a human, is not
    begun anew by those that come late, and reports that open nothing are told once in the interval.
    """
    generated = times.parse(sent["generated_time"])
    counted = [
        each
        for each in earlier
        if each.message != ON_MAINTENANCE.message and (each.overtaken_at is None or generated < each.overtaken_at)
    ]
    if any(not each.is_final or abs(each.generated_time - generated) < _RESOLUTION for each in counted):
        return True
    if sent["type"] != "COMPUTE_HOST" or not counted:
        return False
    until = generated + min(span, _LAST - generated)
    return not opens or stored.was_left(connection, host_uuid=host.uuid, since=generated - span, until=until)


def _report(connection: Connection, row: Notification, host: Host, segment: Segment, kind: str) -> None:
    place = Place(
        notification_uuid=row.notification_uuid,
        host_uuid=host.uuid,
        host_name=host.name,
        segment_uuid=segment.uuid,
    )
    incidents.open_or_join(connection, report_of(kind, place, row.payload, method=segment.recovery_method))


def _generated_since(query: Query) -> list[ColumnElement[bool]]:
    text = query.get("generated-since")
    if text is None:
        return []
    try:
        return [notifications.c.generated_time >= times.parse(text)]
    except ValueError:
        raise bad_request("Invalid generated-since value") from None
