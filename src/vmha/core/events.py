"""Facts in the past tense. Those that answer an effect carry its key in `answers`."""

from __future__ import annotations

from dataclasses import dataclass

from vmha.core.aggregates import Joining
from vmha.core.causes import Findings
from vmha.core.model import Instance, Migration, Power, PowerTrouble, ServicePrior, ServiceReading
from vmha.core.room_events import ReservedKept as ReservedKept
from vmha.core.room_events import ReservedReturned as ReservedReturned
from vmha.core.room_events import RoomRead as RoomRead
from vmha.core.room_events import RoomUnreadable as RoomUnreadable


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """A monitor said that the host stopped. The first one opened the recovery, later ones joined it.

    `says_off`: with host_status NORMAL, which is that it is off.
    """

    notification: str
    says_off: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver:
    """Another engine owns the recovery now: answers to older effects will not come."""

    engine: str
    before: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """A human answered the question of the wait with yes, or says that the host `is_off`.

    `asked` is the phase in which the recovery stood when the word was put into its inbox.
    """

    by: str
    why: str
    is_off: bool = False
    asked: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A human answered the question of the wait with no."""

    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """A human wants nothing ordered until somebody resumes."""

    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """A human lets a paused recovery go on."""

    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """A human wants nothing more ordered at all."""

    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatsRead:
    """Nova listed its compute services."""

    answers: str
    services: tuple[ServiceReading, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatsUnreadable:
    """Nova did not list its compute services."""

    answers: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerRead:
    """The BMC said on or off."""

    answers: str
    power: Power
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerUnreadable:
    """The BMC gave no reading that counts."""

    answers: str
    trouble: PowerTrouble
    detail: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerOffAnswered:
    """The BMC took the order. That is no proof: only readings are."""

    answers: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerOffFailed:
    """The BMC refused the order, or gave no answer."""

    answers: str
    trouble: PowerTrouble
    detail: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForcedDown:
    """Nova holds the compute service for forced down and disabled."""

    answers: str
    prior: ServicePrior


@dataclass(frozen=True, slots=True, kw_only=True)
class ForceDownFailed:
    """Nova did not force the service down, or did not answer; the order may be repeated."""

    answers: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSurveyed:
    """Nova listed the instances and migrations of the host, Placement the consumers of its resources.

    `consumers` is None where Placement knows no provider of that name; `elsewhere` are consumers that Nova knows to be on another
    host, or not to exist. `images_trouble` says why Glance could not be asked for the properties of their images.
    """

    answers: str
    instances: tuple[Instance, ...]
    migrations: tuple[Migration, ...]
    consumers: frozenset[str] | None
    elsewhere: frozenset[str] = frozenset()
    images_trouble: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyFailed:
    """Nova or Placement did not answer."""

    answers: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvacuationAccepted:
    """Nova took the order."""

    answers: str
    instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvacuationRefused:
    """Nova answered with an error: nothing was begun."""

    answers: str
    instance: str
    status: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvacuationUnanswered:
    """No answer came (time out, lost connection, 5xx): Nova may or may not have taken the order."""

    answers: str
    instance: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNotSent:
    """The order was held back before it left (lease, proof or deadline gone): nothing was begun."""

    answers: str
    instance: str | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressRead:
    """Nova's evacuation records of the host, all of them; and, where asked for, the instances still on it (else None).

    `located` says where Nova holds instances to be that were to be located: a host, or None for one that does not exist. One of which
    Nova says neither, since its cell is down, is left out.
    """

    answers: str
    migrations: tuple[Migration, ...]
    instances: tuple[Instance, ...] | None
    located: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressUnreadable:
    """Nova did not answer."""

    answers: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservedEnabled:
    """The reserved host takes instances now; `joinings` are what came of adding it to aggregates."""

    answers: str
    host: str
    joinings: tuple[Joining, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservedFailed:
    """The reserved host could not be enabled; `is_in_doubt` where Nova did not say so itself, and may have done it.

    So it is where it was added to an aggregate: that is looked at too.
    """

    answers: str
    host: str
    detail: str
    is_in_doubt: bool = True
    joinings: tuple[Joining, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceExamined:
    """Nova and Placement said what they have of an instance that could not be moved; None: they did not, and `detail` says why."""

    answers: str
    instance: str
    findings: Findings | None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRead:
    """Nova said how an instance stands; None: it knows no such instance.

    `migrations` are all of its records, `service` is that of its host; both None where not asked for, the second one where Nova has none.
    """

    answers: str
    instance: Instance | None
    migrations: tuple[Migration, ...] | None = None
    service: ServiceReading | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceUnreadable:
    """Nova did not say how the instance stands."""

    answers: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestOrderTaken:
    """Nova took the order to stop or start a guest."""

    answers: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestOrderRefused:
    """Nova answered with an error: nothing was begun."""

    answers: str
    status: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestOrderUnanswered:
    """No answer came: Nova may have taken the order, or may do so yet."""

    answers: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessReported:
    """A monitor said again how the process is: it stopped, or it runs."""

    notification: str
    is_running: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRead:
    """Nova said how the compute service of the host stands; None: it knows none there."""

    answers: str
    service: ServiceReading | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceUnreadable:
    """Nova did not say how the compute service stands."""

    answers: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceChanged:
    """Nova disabled or enabled the compute service, which before stood as `prior` says."""

    answers: str
    prior: ServicePrior


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRefused:
    """Nova answered with an error: the service is as it was."""

    answers: str
    status: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceUnanswered:
    """No answer came: the service may have been changed, or may be yet."""

    answers: str
    detail: str


HostAnswer = (
    HeartbeatsRead
    | HeartbeatsUnreadable
    | PowerRead
    | PowerUnreadable
    | PowerOffAnswered
    | PowerOffFailed
    | ForcedDown
    | ForceDownFailed
    | HostSurveyed
    | SurveyFailed
    | RoomRead
    | RoomUnreadable
    | ReservedReturned
    | ReservedKept
    | EvacuationAccepted
    | EvacuationRefused
    | EvacuationUnanswered
    | OrderNotSent
    | ProgressRead
    | ProgressUnreadable
    | ReservedEnabled
    | ReservedFailed
    | InstanceExamined
)
ProcessAnswer = ServiceRead | ServiceUnreadable | ServiceChanged | ServiceRefused | ServiceUnanswered | OrderNotSent
InstanceAnswer = (
    InstanceRead | InstanceUnreadable | GuestOrderTaken | GuestOrderRefused | GuestOrderUnanswered | OrderNotSent
)
Answer = HostAnswer | InstanceAnswer | ProcessAnswer

HostEvent = Ticked | Notified | TakenOver | Confirmed | Rejected | Paused | Resumed | Cancelled | HostAnswer
InstanceEvent = Ticked | Notified | TakenOver | Confirmed | Rejected | InstanceAnswer
ProcessEvent = Ticked | ProcessReported | TakenOver | Confirmed | Rejected | ProcessAnswer

Event = HostEvent | InstanceEvent | ProcessEvent
