"""What an engine announces, and what lets hosts back: that a notification is processed, and what was changed of hosts."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from vmha.adapters.announcing import API, ENGINE, fault, host_payload, notification_payload
from vmha.adapters.db import hosts, notifications, records, recovery_views, schema, segments
from vmha.adapters.db.connection import transaction
from vmha.core.kinds import has_ended, kind_of
from vmha.core.model import Outcome
from vmha.errors import StoreUnavailable
from vmha.logs import log
from vmha.ports import Announcement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, Engine

    from vmha.adapters.announcing import Json
    from vmha.adapters.db.hosts import Host
    from vmha.core.incidents import Incident
    from vmha.ports import Announcer, Change

LOGGER = logging.getLogger(__name__)
OPENED_AT_VERSION = 1
"""A recovery has it until the first commit of an engine."""


MODULES = {"host": "recovery", "instance": "instance_recovery", "process": "process_recovery"}
"""Where incidents of each kind are decided."""


class EngineAnnouncements:
    """Called after each commit. Only one engine commits a step, so that each is announced once, or never where an engine is killed."""

    def __init__(self, database: Engine, announcer: Announcer) -> None:
        self._database = database
        self._announcer = announcer

    def committed(self, version: int, change: Change[Any]) -> None:
        """Announce what this change began, ended or did to hosts. Never raises: the step is stored, and a recovery goes on."""
        begins, ends = version == OPENED_AT_VERSION, has_ended(change.after)
        changed = _changed_hosts(change)
        if not (begins or ends or changed):
            return
        told: list[Announcement] = []
        with _logged(recovery=change.after.uuid), transaction(self._database) as connection:
            told = [*_processing(connection, change.after, begins=begins, ends=ends), *_hosts(connection, changed)]
        for announcement in told:
            self._announcer.announce(announcement)


class HostAnnouncements:
    """Called after the way back of a host changed its row, which is announced as a person's own change of it is."""

    def __init__(self, database: Engine, announcer: Announcer) -> None:
        self._database = database
        self._announcer = announcer

    def changed(self, host: Host, action: str) -> None:
        """Announce the host as it is stored now, or as it was when it was deleted. Never raises, as what is told of is done."""
        told: list[Announcement] = []
        with _logged(host=host.name), transaction(self._database) as connection:
            told = [*_of_host(connection, host, action)]
        for announcement in told:
            self._announcer.announce(announcement)


@contextmanager
def _logged(**of: str) -> Iterator[None]:
    """Log what cannot be announced. A defect in telling must not stop what is told of; it is logged with its traceback."""
    try:
        yield
    except StoreUnavailable as error:
        log(LOGGER, "announcement lost", level=logging.WARNING, error=str(error), **of)
    except Exception:
        LOGGER.exception("announcement lost", extra={"fields": of})


def _processing(connection: Connection, after: Incident, *, begins: bool, ends: bool) -> Iterator[Announcement]:
    """Yield a start for the notification that opened the recovery, at the end one for those that joined it, and an end for each."""
    links = schema.recovery_notifications
    joined = connection.execute(
        select(links.c.notification_uuid, links.c.is_first).where(links.c.recovery_uuid == after.uuid)
    ).all()
    for uuid, is_first in joined:
        row = notifications.find(connection, uuid)
        if row is None:
            continue
        if (begins and is_first) or (ends and not is_first):
            payload = notification_payload(asdict(replace(row, status="new")))
            yield Announcement(binary=ENGINE, event_type="notification.process.start", payload=payload)
        if ends:
            failed = after.outcome is Outcome.FAILED
            yield Announcement(
                binary=ENGINE,
                event_type=f"notification.process.{'error' if failed else 'end'}",
                payload=notification_payload(asdict(row), _why(connection, after) if failed else None),
                is_error=failed,
            )


def _why(connection: Connection, after: Incident) -> Json:
    """Show why a recovery failed, and its timeline as the traceback."""
    lines = recovery_views.timeline_of(connection, after.uuid)
    return fault(
        module=f"vmha.core.{MODULES[kind_of(after).name]}",
        function="decide",
        exception=after.reason.code.name,
        message=after.reason.sentence,
        trace="\n".join(f"{records.moment(line.at):%Y-%m-%dT%H:%M:%SZ} {line.sentence}" for line in lines),
    )


def _changed_hosts(change: Change[Any]) -> tuple[str, ...]:
    """Name the hosts whose flags this change set."""
    before, after = change.before, change.after
    own = (after.host,) if records.is_on_maintenance(after) and not records.is_on_maintenance(before) else ()
    spent = set(records.spent_reserves(after)) - set(records.spent_reserves(before))
    return (*own, *sorted(spent))


def _hosts(connection: Connection, names: tuple[str, ...]) -> Iterator[Announcement]:
    for name in names:
        row = hosts.find_by_name(connection, name)
        if row is not None:
            yield from _of_host(connection, row, "update")


def _of_host(connection: Connection, row: Host, action: str) -> Iterator[Announcement]:
    """Yield start and end, with upstream's publisher, which is the API."""
    segment = segments.find(connection, row.failover_segment_id)
    if segment is None:
        return
    payload = host_payload(asdict(row), asdict(segment))
    for phase in ("start", "end"):
        yield Announcement(binary=API, event_type=f"host.{action}.{phase}", payload=payload)
