"""Orders in the imperative. Each but those about a guest may be sent twice without harm; `key` names it within its recovery.

`is_order` marks what changes the world: it passes the database's door (lease, and a proof where a guest would run) just before it
leaves. The others only read.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from vmha.core.aggregates import Membership
from vmha.core.explain import Reason


@dataclass(frozen=True, slots=True)
class ReadHeartbeats:
    """Ask Nova for all compute services."""

    is_order: ClassVar[bool] = False
    key: ClassVar[str] = "heartbeats"


@dataclass(frozen=True, slots=True)
class ReadPower:
    """Ask the host's BMC for its power state and identity."""

    host: str
    is_order: ClassVar[bool] = False
    key: ClassVar[str] = "power"


@dataclass(frozen=True, slots=True)
class PowerOff:
    """Tell the host's BMC to cut the power, at once and not gracefully."""

    host: str
    number: int
    is_order: ClassVar[bool] = True

    @property
    def key(self) -> str:
        """Name the order by its number."""
        return f"power-off:{self.number}"


@dataclass(frozen=True, slots=True)
class ForceDown:
    """Tell Nova that the compute service is down, and disable it, in one PUT."""

    host: str
    is_order: ClassVar[bool] = True
    key: ClassVar[str] = "force-down"


@dataclass(frozen=True, slots=True)
class SurveyHost:
    """Ask Nova for the instances and all migrations of the host, Placement for its consumers, and `with_images` Glance for theirs."""

    host: str
    with_images: bool = False
    is_order: ClassVar[bool] = False
    key: ClassVar[str] = "survey"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evacuate:
    """Tell Nova to evacuate one instance, to `target` or wherever its scheduler says. Makes a guest run: needs `proof`.

    Nova evacuates an instance from wherever it is, so from the second attempt on it is looked up just before: an earlier order that
    took effect late may have put it on a host of which nothing is proven.
    """

    instance: str
    source: str
    target: str | None
    proof: str
    attempt: int
    is_order: ClassVar[bool] = True

    @property
    def key(self) -> str:
        """Name the order by its instance and attempt."""
        return f"evacuate:{self.instance}:{self.attempt}"


@dataclass(frozen=True, slots=True)
class ReadProgress:
    """Ask Nova for the evacuation records of the host, and with `with_instances` for the instances still on it.

    `locate` names instances that the last list lacked: Nova is asked for each of them.
    """

    host: str
    with_instances: bool
    locate: tuple[str, ...] = ()
    is_order: ClassVar[bool] = False
    key: ClassVar[str] = "progress"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamineInstance:
    """Ask Nova and Placement why an instance could not be moved from `source`, to `target` where one was named.

    `status` is how its move stands: one that stalled, and failed after all, is asked about anew.
    """

    instance: str
    source: str
    target: str | None
    status: str
    is_order: ClassVar[bool] = False
    prefix: ClassVar[str] = "examine:"

    @property
    def key(self) -> str:
        """Name the question by its instance and how it stands."""
        return f"{self.prefix}{self.instance}:{self.status}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRoom:
    """Ask Placement what the instances of `host` need, and what the hosts have that may take them.

    `enabled` are those that Nova's scheduler may use as they are, `reserves` those that the recovery would have to enable.
    """

    host: str
    enabled: tuple[str, ...]
    reserves: tuple[str, ...]
    is_order: ClassVar[bool] = False
    key: ClassVar[str] = "room"


@dataclass(frozen=True, slots=True)
class EnableReserved:
    """Tell Nova to add a reserved host to the aggregates that it `joins`, and to enable its compute service."""

    host: str
    joins: tuple[Membership, ...] = ()
    is_order: ClassVar[bool] = True

    @property
    def key(self) -> str:
        """Name the order by its host."""
        return f"enable-reserved:{self.host}"


@dataclass(frozen=True, slots=True)
class ReturnReserved:
    """Tell Nova to disable a reserved host again that was not needed, where nothing is on it, and to take it out of what it `leaves`."""

    host: str
    number: int
    leaves: tuple[Membership, ...] = ()
    is_order: ClassVar[bool] = True

    @property
    def key(self) -> str:
        """Name the order by its host and number."""
        return f"return-reserved:{self.host}:{self.number}"


class AlertKind(Enum):
    """Why humans are told. The list is closed: docs/operate/alerts.md and the schema beside it have each of them."""

    OPENED = "opened"
    WAITS = "waits"
    HINDERED = "hindered"
    REMINDER = "reminder"
    RESUMED = "resumed"
    REFUSED = "refused"
    STOPPED = "stopped"
    ENDED = "ended"
    ARMED = "armed"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class ReadInstance:
    """Ask Nova how an instance stands, and `closely` also for its migrations and for the compute service of its host."""

    instance: str
    closely: bool
    is_order: ClassVar[bool] = False
    key: ClassVar[str] = "instance"


@dataclass(frozen=True, slots=True)
class StopInstance:
    """Tell Nova to stop the guest of an instance on `host`. Given once; without an answer it is looked up before another one is given."""

    instance: str
    host: str
    number: int
    is_order: ClassVar[bool] = True

    @property
    def key(self) -> str:
        """Name the order by its number."""
        return f"stop:{self.number}"


@dataclass(frozen=True, slots=True)
class StartInstance:
    """Tell Nova to start the guest of an instance where it is, on `host`. Makes a guest run; given once, as a stop is."""

    instance: str
    host: str
    number: int
    is_order: ClassVar[bool] = True

    @property
    def key(self) -> str:
        """Name the order by its number."""
        return f"start:{self.number}"


@dataclass(frozen=True, slots=True)
class ReadService:
    """Ask Nova for the compute service of one host."""

    host: str
    is_order: ClassVar[bool] = False
    key: ClassVar[str] = "service"


@dataclass(frozen=True, slots=True)
class DisableService:
    """Tell Nova to disable the compute service of a host whose nova-compute stopped; one that is disabled keeps its reason."""

    host: str
    reason: str
    number: int
    is_order: ClassVar[bool] = True

    @property
    def key(self) -> str:
        """Name the order by its number."""
        return f"disable:{self.number}"


@dataclass(frozen=True, slots=True)
class EnableService:
    """Tell Nova to enable the compute service of a host again, if it still stands disabled with this reason, which is ours."""

    host: str
    reason: str
    number: int
    is_order: ClassVar[bool] = True

    @property
    def key(self) -> str:
        """Name the order by its number."""
        return f"enable:{self.number}"


@dataclass(frozen=True, slots=True)
class Alert:
    """Tell the humans. Has no answer; it is stored with the change that decided it, and delivered from there."""

    host: str
    reason: Reason
    kind: AlertKind = AlertKind.WAITS
    is_order: ClassVar[bool] = False
    key: ClassVar[str] = "alert"


HostEffect = (
    ReadHeartbeats
    | ReadPower
    | PowerOff
    | ForceDown
    | SurveyHost
    | Evacuate
    | ReadProgress
    | ExamineInstance
    | ReadRoom
    | EnableReserved
    | ReturnReserved
    | Alert
)
InstanceEffect = ReadInstance | StopInstance | StartInstance | Alert
ProcessEffect = ReadService | DisableService | EnableService | Alert
Effect = HostEffect | InstanceEffect | ProcessEffect
