"""The nouns of the two small incidents, all frozen: an instance that failed, and a process of a host that stopped or started.

A host's is `model.Recovery`. What all three have in common is what the engine's loop and the stores need: `uuid`, `host`, `phase`,
`reason`, `outcome`, `wake_at` and so on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from vmha.core.explain import Code, Reason
from vmha.core.model import HumanWord, Instance, Migration, Outcome, Phase, Recovery, ServicePrior, ServiceReading


class InstancePhase(Enum):
    """Where the incident of an instance stands."""

    READING = "reading"
    STOPPING = "stopping"
    STARTING = "starting"
    AWAITING = "awaiting"
    ASKING = "asking"
    HALTED = "halted"
    STOPPED = "stopped"
    ENDED = "ended"

    @property
    def is_wait(self) -> bool:
        """Tell whether it stands until something else than Nova's next answer ends it."""
        return self.takes_confirm or self in (InstancePhase.AWAITING, InstancePhase.HALTED, InstancePhase.STOPPED)

    @property
    def takes_confirm(self) -> bool:
        """Tell whether a human's confirm is asked for."""
        return self is InstancePhase.ASKING

    @property
    def is_aside(self) -> bool:
        """Tell whether it stands until that is over which keeps the instance from being judged; no answer that comes late leads out."""
        return self in (InstancePhase.AWAITING, InstancePhase.ASKING, InstancePhase.HALTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRecovery:
    """What is known and intended about one instance whose guest failed.

    `host` is the one that reported it, `event` what was reported. `seen` is what Nova said of the instance at `read_at`; `records` and
    `service` are what it said of its migrations and of its host's compute service then, None after a look that was not close.
    `is_look_old`: the look that is out was asked for before the newest report; `has_failed_again`: one came since the last order.
    `number` counts orders, `stops` and `starts` those that left; `has_stopped` says that Nova took a stop, or may have. `order_key` is the
    last order's, given at `ordered_at` for the host `ordered_on`; one that got no answer may yet be taken until `unsettled_until`. `detail` is
    why one was refused. `awaited` names the recovery of the host that was waited for. `is_leftover`: it was reported to upstream's engine,
    up to an hour ago. `word` is a human's confirm, where one is wanted before anything is ordered. `told` is what humans were told last of
    why it does not go on, while it does not.
    """

    uuid: str
    host: str
    host_uuid: str
    segment: str
    instance: str
    event: str
    phase: InstancePhase
    opened_at: float
    phase_since: float
    reason: Reason
    name: str = ""
    outcome: Outcome | None = None
    ended_at: float | None = None
    seen: Instance | None = None
    records: tuple[Migration, ...] | None = None
    service: ServiceReading | None = None
    read_at: float | None = None
    is_look_old: bool = False
    has_failed_again: bool = False
    number: int = 0
    stops: int = 0
    starts: int = 0
    has_stopped: bool = False
    ordered_at: float | None = None
    ordered_on: str = ""
    order_key: str = ""
    unsettled_until: float | None = None
    detail: str = ""
    awaited: str | None = None
    is_leftover: bool = False
    word: HumanWord | None = None
    nova_trouble: Reason | None = None
    outstanding: frozenset[str] = frozenset()
    due: float = 0.0
    alert_due: float = 0.0
    told: Code | None = None
    wake_at: float | None = None


class ProcessPhase(Enum):
    """Where the incident of a process stands."""

    READING = "reading"
    CHANGING = "changing"
    ASKING = "asking"
    HALTED = "halted"
    STOPPED = "stopped"
    ENDED = "ended"

    @property
    def is_wait(self) -> bool:
        """Tell whether it stands until a human ends it, or lets it go on."""
        return self.takes_confirm or self in (ProcessPhase.HALTED, ProcessPhase.STOPPED)

    @property
    def takes_confirm(self) -> bool:
        """Tell whether a human's confirm is asked for."""
        return self is ProcessPhase.ASKING


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """An order, by its number, that got no answer: until then Nova may take it. `to_enable` says which it was."""

    number: int
    to_enable: bool
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRecovery:
    """What is known and intended about the nova-compute process of one host, and with it about the host's compute service.

    `is_running` is what was reported last. `service` is what Nova said of the service at `read_at`, None where it has none. `prior` is how
    it stood before our first order. `ordered_at` is when the last order was given, `to_enable` says which it was; `unsettled` is one that
    got no answer, and that Nova may yet take. `number` counts orders, `attempts` those since the last report that said something new,
    `detail` why one came to nothing. `word` is a human's confirm, where one is wanted before anything is ordered. `outstanding` holds the
    keys of effects whose answers have not come; `told` what humans were told last of why it does not go on.
    """

    uuid: str
    host: str
    host_uuid: str
    segment: str
    process: str
    is_running: bool
    phase: ProcessPhase
    opened_at: float
    phase_since: float
    reason: Reason
    outcome: Outcome | None = None
    ended_at: float | None = None
    service: ServiceReading | None = None
    read_at: float | None = None
    prior: ServicePrior | None = None
    to_enable: bool = False
    number: int = 0
    attempts: int = 0
    detail: str = ""
    ordered_at: float | None = None
    unsettled: Unsettled | None = None
    word: HumanWord | None = None
    nova_trouble: Reason | None = None
    outstanding: frozenset[str] = frozenset()
    due: float = 0.0
    alert_due: float = 0.0
    told: Code | None = None
    wake_at: float | None = None


Incident = Recovery | InstanceRecovery | ProcessRecovery
AnyPhase = Phase | InstancePhase | ProcessPhase
State = TypeVar("State", bound=Incident)
