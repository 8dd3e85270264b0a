"""The nouns of one host recovery, all frozen.

Times are seconds since the epoch on one clock, the database's; engines never compare clocks of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from vmha.core.budgets import PowerOffs as PowerOffs
from vmha.core.causes import Diagnosis
from vmha.core.claimed import Reserved as Reserved
from vmha.core.claimed import ReservedStatus as ReservedStatus
from vmha.core.explain import Code, Reason
from vmha.core.phases import Outcome as Outcome
from vmha.core.phases import Phase as Phase
from vmha.core.stops import DetectorWord as DetectorWord
from vmha.core.stops import Disarm as Disarm
from vmha.core.stops import Halt as Halt
from vmha.core.stops import HumanWord as HumanWord


class RecoveryMethod(Enum):
    """The segment's recovery method, by upstream's names."""

    AUTO = "auto"
    RESERVED_HOST = "reserved_host"
    AUTO_PRIORITY = "auto_priority"
    RH_PRIORITY = "rh_priority"


class Power(Enum):
    """What a BMC says of its host. Anything but a plain on or off is a `PowerTrouble`."""

    ON = "on"
    OFF = "off"


class PowerTrouble(Enum):
    """Why power could not be read or switched."""

    NO_DEVICE = "no_device"
    SILENT = "silent"
    BAD_CREDENTIALS = "bad_credentials"
    WRONG_IDENTITY = "wrong_identity"
    ERROR = "error"


class Rung(Enum):
    """What a proof stands on. DETECTOR is none: the operator of the segment chose that its monitors' word is acted on (policy = detector)."""

    IPMI = "ipmi"
    HUMAN = "human"
    DETECTOR = "detector"


CLOCK_TOLERANCE_SECONDS = 2.0
"""How far two looks at the database's clock may disagree with the time that passed between them: less than any bound that counts."""


@dataclass(frozen=True, slots=True)
class PowerReading:
    """One answer of a BMC, with the time at which the engine stored it."""

    power: Power
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The fact that this host is off, for this recovery alone.

    `read_at` is the youngest reading, `valid_until` its end; both move on with each new OFF. Nova was `silent_seconds` without the host
    when a detector's word was taken.
    """

    uuid: str
    host: str
    recovery: str
    rung: Rung
    readings: tuple[PowerReading, ...]
    established_at: float
    read_at: float
    valid_until: float
    word: HumanWord | None = None
    silent_seconds: float = 0.0

    def holds(self, now: float) -> bool:
        """Tell whether the proof is young enough at `now`, and not read at a time to come: then the clock was set back since."""
        return self.read_at - CLOCK_TOLERANCE_SECONDS <= now < self.valid_until


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceReading:
    """Nova's view of one nova-compute service.

    `heartbeat` is Nova's `updated_at` as an opaque text: it is only ever compared with an earlier one, never with a clock.
    """

    host: str
    heartbeat: str
    is_up: bool
    forced_down: bool = False
    disabled: bool = False
    disabled_reason: str | None = None
    zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Another compute service whose heartbeat we watch, to know that Nova still hears anybody. `changed_at` is None until it changed."""

    host: str
    heartbeat: str
    changed_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What Nova's heartbeat of the host has shown since the recovery opened.

    `heartbeat` is the last value seen, `changed_at` when we first saw that value, `advances` how often it changed under our eyes.
    `says_down` is Nova's own verdict; a service that somebody forced down gives none. `peers` are a few others, watched in the same way:
    where half of them stand still too, Nova is no witness. It hears them without a break since `heard_since`; it `was_deaf` if it once
    heard none for longer than a beat: services may still be on their way back to the bus.
    """

    heartbeat: str | None = None
    changed_at: float | None = None
    read_at: float | None = None
    advances: int = 0
    says_down: bool = False
    peers: tuple[Peer, ...] = ()
    looked_at: float | None = None
    watched_since: float = 0.0
    heard_since: float | None = None
    was_deaf: bool = False
    trouble: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """The power-off orders of this recovery and what the BMC answered since.

    Of `orders` as many as `unsent` certainly never left.

    `readings` are the unbroken run of equal readings since the last order, the oldest and the youngest of it; a reading counts from
    `asked_at`, when it was asked for, since the BMC looked no earlier than that. `was_off` says that any reading was OFF, `proofs` counts how
    often the host was proven off. `known` is the last reading at all: silence does not undo it. `asked_again` says that since it was ON a
    human had the power-off ordered once more and the BMC gave no reading in all of that round, `asked_order` that a yes meant an order.
    """

    orders: int = 0
    unsent: int = 0
    rounds: int = 0
    round_orders: int = 0
    round_started_at: float | None = None
    ordered_at: float | None = None
    asked_at: float | None = None
    readings: tuple[PowerReading, ...] = ()
    trouble: PowerTrouble | None = None
    detail: str = ""
    address: str = ""
    was_off: bool = False
    known: Power | None = None
    asked_again: bool = False
    asked_order: bool = False
    proofs: int = 0
    contradictions: int = 0

    @property
    def sent(self) -> int:
        """Count the orders that left, or may have."""
        return self.orders - self.unsent

    @property
    def last(self) -> Power | None:
        """Return the youngest reading, None where the BMC gave none."""
        return self.readings[-1].power if self.readings else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePrior:
    """How the compute service stood before we forced it down, so that only our own flags are cleared later."""

    disabled: bool
    disabled_reason: str | None
    forced_down: bool


class MoveStatus(Enum):
    """Where one instance stands."""

    PENDING = "pending"
    ORDERED = "ordered"
    UNANSWERED = "unanswered"
    ACCEPTED = "accepted"
    LANDED = "landed"
    MOVED = "moved"
    FAILED = "failed"
    STALLED = "stalled"
    HELD = "held"
    SKIPPED = "skipped"
    GONE = "gone"

    @property
    def is_final(self) -> bool:
        """Tell whether nothing more will be done for the instance."""
        return self in (MoveStatus.MOVED, MoveStatus.FAILED, MoveStatus.SKIPPED, MoveStatus.GONE)

    @property
    def is_in_flight(self) -> bool:
        """Tell whether Nova may be working on an order of ours."""
        return self in (MoveStatus.ORDERED, MoveStatus.UNANSWERED, MoveStatus.ACCEPTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An instance as Nova's list of its host shows it. `local_extra`: the flavor adds an ephemeral or swap disk that lives on the host."""

    uuid: str
    name: str
    host: str
    vm_state: str
    task_state: str | None = None
    image_backed: bool = False
    local_extra: bool = False
    metadata: tuple[tuple[str, str], ...] = ()
    vcpus: int = 0
    memory_mb: int = 0
    extra_specs: tuple[tuple[str, str], ...] = ()
    image: str | None = None
    image_properties: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One migration record of Nova: `id` grows, `status` is Nova's word."""

    id: int
    instance: str
    kind: str
    source: str
    destination: str | None
    status: str
    uuid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One instance on its way.

    `target` is the destination that we name (None: the scheduler chooses), `destination` the one that Nova reports. `pinned` is the
    only host where the instance may still be ordered to run, since a guest of it may be there already (P2). `after_migration` is the
    newest migration id of the instance before the order: a newer one is the answer to it. `tried` names the hosts where it found no
    room in this round, ANYWHERE where Nova chose; `needs` is what it holds of each resource class, where that was asked. `attempts`
    counts orders, `unsent` those that never left, `in_vain` those that Nova never took, `no_room` those without room; since
    `no_room_since` no place is left, and what was halted meanwhile does not count. `priority` is by what `priority_from` names
    ("metadata", "flavor", "image", "default"). `is_tagged`: its metadata asks for recovery.
    None, and an empty `priority_from`, where an older version did not look. Since `unlisted_since` Nova's list lacks it: a cell that is
    down hides its instances too. `diagnosis` says why it could not be moved.
    """

    instance: str
    name: str
    vm_state: str
    status: MoveStatus
    task_state: str | None = None
    target: str | None = None
    destination: str | None = None
    after_migration: int = 0
    migration: int | None = None
    attempts: int = 0
    unsent: int = 0
    in_vain: int = 0
    no_room: int = 0
    no_room_since: float | None = None
    ordered_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    retry_at: float | None = None
    suspects: tuple[str, ...] = ()
    pinned: str | None = None
    tried: tuple[str, ...] = ()
    local_disk: bool = False
    needs: tuple[tuple[str, int], ...] = ()
    is_tagged: bool | None = None
    priority: int = 0
    priority_from: str = ""
    unlisted_since: float | None = None
    reason: Reason | None = None
    diagnosis: Diagnosis | None = None

    @property
    def words(self) -> str | None:
        """Say why it stands as it does, with the cause where it could not be moved."""
        said = (self.reason.sentence if self.reason else "", self.diagnosis.sentence if self.diagnosis else "")
        return "; ".join(filter(None, said)) or None

    @property
    def failed_attempts(self) -> int:
        """Count the orders that Nova took, or refused, but not those for which there was no room."""
        return self.attempts - self.unsent - self.in_vain - self.no_room


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Everything that is known and intended about one failed host; the database is its only memory.

    `outstanding` holds the keys of effects whose answers have not come, `unweighed` a confirm that waits for a fresh look at Nova,
    `checks` what must be read before the first order of a new owner ("power", "progress"). `*_due` are times of the next periodic
    reading. `verified` says that Nova's list of the host was read after the last change of a move, `doubt` why that list is not believed,
    while it is not. `was_braked` keeps a recovery that once stood at the brake from a power-off without a human's word. `nova_trouble`
    says why Nova could not be read or told, while it cannot, `shortage` what is missing while instances find no room. `told` is what
    humans were told last of why it does not go on, while it does not. `halt` is there in phase HALTED only, `cancel` in CANCELLING.
    `given_back` names reserved hosts that it took and did not need.
    Until `awaited_until` the host is kept proven off for the sake of other recoveries, whose instances were on their way to it.
    """

    uuid: str
    host: str
    host_uuid: str
    segment: str
    method: RecoveryMethod
    phase: Phase
    opened_at: float
    phase_since: float
    reason: Reason
    outcome: Outcome | None = None
    ended_at: float | None = None
    witness: Witness = Witness()
    fence: Fence = Fence()
    proof: Proof | None = None
    was_braked: bool = False
    word: HumanWord | None = None
    detector: DetectorWord | None = None
    unweighed: HumanWord | None = None
    halt: Halt | None = None
    cancel: HumanWord | None = None
    prior: ServicePrior | None = None
    surveyed: bool = False
    verified: bool = False
    doubt: Reason | None = None
    nova_trouble: Reason | None = None
    shortage: Reason | None = None
    awaited_until: float | None = None
    moves: tuple[Move, ...] = ()
    reserved: tuple[Reserved, ...] = ()
    given_back: tuple[str, ...] = ()
    outstanding: frozenset[str] = frozenset()
    checks: frozenset[str] = frozenset()
    heartbeat_due: float = 0.0
    power_due: float = 0.0
    nova_due: float = 0.0
    survey_due: float = 0.0
    room_due: float = 0.0
    alert_due: float = 0.0
    told: Code | None = None
    wake_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the database knows beside the recovery itself, read for each decision.

    `segment_failures` counts this recovery, and others of the segment that are undecided or were opened within the brake's window
    (rejected ones not); `segment_braked` says that another open one of the segment stands at the brake, or was halted there.
    `power_offs` are the slots that others hold, `host_failures` earlier failures of this host within the quarantine's window; both read
    before a proof only. `neighbours` names the other hosts of the segment, `proven_off` other hosts with a proof that is valid now,
    `disarmed` the operator's order that stops all orders for this host, where there is one.
    To an instance or a process counts `host_recovery`, the open recovery of its host; to a process `disabled_by_us`: our last order about
    the service was to disable it; to an instance `restarts`: how often we started it within the last hour.
    """

    segment_hosts: int = 0
    segment_failures: int = 0
    segment_braked: bool = False
    power_offs: PowerOffs = field(default_factory=PowerOffs)
    host_failures: int = 0
    segment_name: str = ""
    reserved_hosts: tuple[str, ...] = ()
    neighbours: tuple[str, ...] = ()
    proven_off: frozenset[str] = frozenset()
    disarmed: Disarm | None = None
    host_recovery: str | None = None
    disabled_by_us: bool = False
    restarts: int = 0
