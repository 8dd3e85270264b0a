"""Hosts of a failover segment."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from oslo_utils import strutils, uuidutils

from vmha.adapters.announcing import host_payload
from vmha.adapters.db import disarming
from vmha.adapters.db import hosts as stored
from vmha.adapters.db import segments as stored_segments
from vmha.adapters.db.connection import reading, transaction
from vmha.adapters.db.schema import hosts
from vmha.api import naming, paging, params, segments, times, views
from vmha.api.call import Answer
from vmha.api.faults import Fault, bad_request, conflict, not_found, unavailable
from vmha.api.telling import telling
from vmha.errors import NovaRefused, NovaUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection

    from vmha.adapters.db.hosts import Host
    from vmha.adapters.db.segments import Segment
    from vmha.api.call import Call


def index(call: Call) -> Answer:
    """List the hosts of a segment."""
    page = params.page(call.query, max_limit=call.parts.max_limit)
    with reading(call.parts.reader) as connection:
        segment = segments.existing(connection, call.path["segment"])
        conditions = [
            hosts.c.failover_segment_id == segment.uuid,
            *params.equal_filters(call.query, hosts, ("type",)),
            *params.flag_filter(call.query, hosts.c.on_maintenance),
            *params.flag_filter(call.query, hosts.c.reserved),
        ]
        rows = stored.listed(connection, conditions, paging.one_more(page))
    return paging.answer(call, "hosts", rows, page, lambda row: views.host(row, segment))


def show(call: Call) -> Answer:
    """Show a host."""
    uuid = call.path["host"]
    if not uuidutils.is_uuid_like(uuid):
        raise not_found(f"No host with id {uuid}.")
    with reading(call.parts.reader) as connection:
        row, segment = existing(connection, uuid, call.path["segment"])
    return Answer({"host": views.host(row, segment)})


def create(call: Call) -> Answer:
    """Add a host that has a compute service to a segment."""
    values, segment_uuid = _values(call.body["host"]), call.path["segment"]
    with transaction(call.parts.engine) as connection:
        segments.existing(connection, segment_uuid)
    # Nova is asked between transactions: none stays open while another service takes its time.
    _demand_compute_service(call, values["name"])
    try:
        with telling(call, "host.create") as about, transaction(call.parts.engine) as connection:
            segment = segments.existing(connection, segment_uuid)
            flags = {"reserved": False, "on_maintenance": False}
            about.show = partial(host_payload, {**flags, **values}, asdict(segment))
            # MariaDB and MySQL find a uuid in capitals too, and others compare it as it is stored.
            uuid = stored.insert(connection, values, segment_uuid=segment.uuid, now=times.now())
            row, segment = existing(connection, uuid, segment_uuid)
            about.show = partial(host_payload, asdict(row), asdict(segment))
    except stored_segments.NameTaken:
        raise _name_taken(values) from None
    return Answer({"host": views.host(row, segment)}, HTTPStatus.CREATED)


def update(call: Call) -> Answer:
    """Change a host in a segment that no notification is being processed for."""
    values, uuid, segment_uuid = _values(call.body["host"]), call.path["host"], call.path["segment"]
    if "name" in values:
        with transaction(call.parts.engine) as connection:
            _changeable(connection, uuid, segment_uuid, "updated")
        _demand_compute_service(call, values["name"])
    try:
        with telling(call, "host.update") as about, transaction(call.parts.engine) as connection:
            row, segment = _changeable(connection, uuid, segment_uuid, "updated")
            if values.get("name", row.name) != row.name:
                _demand_no_recovery(connection, uuid, segment_uuid, "renamed")
            about.show = partial(host_payload, {**asdict(row), **values}, asdict(segment))
            stored.change(connection, uuid, values, now=times.now())
            row, segment = existing(connection, uuid, segment_uuid)
            about.show = partial(host_payload, asdict(row), asdict(segment))
    except stored_segments.NameTaken:
        raise _name_taken(values) from None
    return Answer({"host": views.host(row, segment)})


def delete(call: Call) -> Answer:
    """Take a host out of its segment, unless a notification is being processed for it, its recovery waits, or it is disarmed."""
    uuid, segment_uuid = call.path["host"], call.path["segment"]
    with telling(call, "host.delete") as about, transaction(call.parts.engine) as connection:
        row, segment = _changeable(connection, uuid, segment_uuid, "deleted")
        _demand_no_recovery(connection, uuid, segment_uuid, "deleted")
        segments.demand_armed(disarming.standing_on(connection, host=uuid), f"Host {uuid}")
        about.show = partial(host_payload, asdict(row), asdict(segment))
        stored.delete(connection, uuid, now=times.now())
    return Answer(None, HTTPStatus.NO_CONTENT)


def existing(connection: Connection, uuid: str, segment_uuid: str) -> tuple[Host, Segment]:
    """Return a live host and its segment. Raises `Fault`."""
    segment = stored_segments.find(connection, segment_uuid)
    row = stored.find(connection, uuid, segment_uuid=segment_uuid) if segment else None
    if segment is None or row is None:
        raise not_found(f"Host '{uuid}' under failover_segment '{segment_uuid}' could not be found.")
    return row, segment


def _changeable(connection: Connection, uuid: str, segment_uuid: str, change: str) -> tuple[Host, Segment]:
    """Return the host and its segment. Raises `Fault` unless it exists and its segment is not in use."""
    row, segment = existing(connection, uuid, segment_uuid)
    if stored_segments.is_in_use(connection, segment_uuid):
        raise conflict(f"Host {uuid} can't be {change} as it is in-use to process notifications.")
    return row, segment


def _demand_no_recovery(connection: Connection, uuid: str, segment_uuid: str, change: str) -> None:
    """Raise `Fault` while a recovery of the host is open, also one that waits: a new host of that name would get a second one."""
    known = stored.open_recovery(connection, segment_uuid=segment_uuid, uuid=uuid)
    if known is not None:
        recovery, phase = known
        raise conflict(
            f"Host {uuid} can't be {change} as its recovery {recovery} is open, in phase {phase}; confirm or reject it, "
            "and try again when it has ended."
        )


def _demand_compute_service(call: Call, name: str) -> None:
    try:
        known = call.parts.compute_hosts()
    except (NovaUnavailable, NovaRefused) as error:
        raise _unchecked(name, error) from error
    if name not in known:
        raise bad_request(f"Compute service with name {name} could not be found.{naming.similar(name, known)}")


def _unchecked(name: str, error: NovaUnavailable | NovaRefused) -> Fault:
    """Say that Nova did not tell; as with upstream, what Nova forbids is forbidden."""
    what = f"Cannot check that {name} has a compute service: {error}. Nothing was changed;"
    if isinstance(error, NovaRefused) and error.status == HTTPStatus.FORBIDDEN:
        return Fault(HTTPStatus.FORBIDDEN, f"{what} this service's user needs the right to list Nova's services.")
    return unavailable(
        f"{what} try again, and if this goes on check Nova, Keystone and this service's credentials for them."
    )


def _values(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Turn what was sent into what is stored."""
    values = dict(sent)
    for flag in ("reserved", "on_maintenance"):
        if flag in values:
            values[flag] = strutils.bool_from_string(values[flag], strict=True)
    return values


def _name_taken(values: Mapping[str, Any]) -> Exception:
    return conflict(f"Host with name {values.get('name')} already exists.")
