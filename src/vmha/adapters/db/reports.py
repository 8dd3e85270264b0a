"""Accepted notifications, by the kind of the incident that each opens or joins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from vmha.core.events import Notified, ProcessReported
from vmha.core.instance_recovery import open_instance
from vmha.core.model import RecoveryMethod
from vmha.core.process_recovery import open_process
from vmha.core.recovery import open_recovery
from vmha.core.stops import DetectorWord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmha.core.draft import Decision
    from vmha.core.events import Event
    from vmha.core.incidents import Incident


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The notification, and the host and segment that it is about."""

    notification_uuid: str
    host_uuid: str
    host_name: str
    segment_uuid: str

    def new(self, uuid: str, now: float) -> dict[str, Any]:
        """Return what every new incident is opened with."""
        return {
            "uuid": uuid,
            "host": self.host_name,
            "host_uuid": self.host_uuid,
            "segment": self.segment_uuid,
            "now": now,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReport:
    """A host stopped; `says_off` with host_status NORMAL, which is that it is off."""

    place: Place
    method: str
    says_off: bool

    @property
    def open_key(self) -> str:
        """Return the key that no two open incidents may share."""
        return f"host:{self.place.host_uuid}"

    @property
    def again(self) -> Event:
        """Return what an incident that is open already hears of it."""
        return Notified(notification=self.place.notification_uuid, says_off=self.says_off)

    def opened(self, uuid: str, now: float) -> tuple[Incident, Decision[Any]]:
        """Build a new incident, at the database's time."""
        word = DetectorWord(self.place.notification_uuid, now) if self.says_off else None
        return open_recovery(method=RecoveryMethod(self.method), detector=word, **self.place.new(uuid, now))


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceReport:
    """The guest of an instance failed on the host; `is_leftover` where upstream's engine was told, and may have acted on it."""

    place: Place
    instance: str
    event: str
    is_leftover: bool = False

    @property
    def open_key(self) -> str:
        """Return the key that no two open incidents may share, whichever host reported them."""
        return f"instance:{self.instance}"

    @property
    def again(self) -> Event:
        """Return what an incident that is open already hears of it."""
        return Notified(notification=self.place.notification_uuid)

    def opened(self, uuid: str, now: float) -> tuple[Incident, Decision[Any]]:
        """Build a new incident, at the database's time."""
        place = self.place.new(uuid, now)
        return open_instance(instance=self.instance, event=self.event, is_leftover=self.is_leftover, **place)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessReport:
    """A process of the host stopped, or runs again."""

    place: Place
    process: str
    is_running: bool

    @property
    def open_key(self) -> str:
        """Return the key that no two open incidents may share."""
        return f"process:{self.place.host_uuid}:{self.process}"

    @property
    def again(self) -> Event:
        """Return what an incident that is open already hears of it."""
        return ProcessReported(notification=self.place.notification_uuid, is_running=self.is_running)

    def opened(self, uuid: str, now: float) -> tuple[Incident, Decision[Any]]:
        """Build a new incident, at the database's time."""
        return open_process(process=self.process, is_running=self.is_running, **self.place.new(uuid, now))


Report = HostReport | InstanceReport | ProcessReport


def report_of(kind: str, place: Place, payload: Mapping[str, str], *, method: str, is_leftover: bool = False) -> Report:
    """Read the payload of a notification that was judged to open an incident of `kind`."""
    if kind == "instance":
        event = f"{payload['event']} {payload['vir_domain_event']}"
        uuid = str(UUID(payload["instance_uuid"]))
        return InstanceReport(place=place, instance=uuid, event=event, is_leftover=is_leftover)
    if kind == "process":
        return ProcessReport(place=place, process=payload["process_name"], is_running=payload["event"] == "STARTED")
    # What a monitor said up to an hour ago takes nobody's power for off now.
    says_off = payload.get("host_status") == "NORMAL" and not is_leftover
    return HostReport(place=place, method=method, says_off=says_off)
