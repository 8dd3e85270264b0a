"""The edges of the engine as contracts. Each has a real adapter and a simulated one that pass the same contract tests.

Every call blocks its thread for at most the time stated here. Foreign exceptions never cross: adapters translate them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol

from vmha.aggregate_ports import Aggregates
from vmha.core.incidents import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vmha.core.alerting import RetryTerms, Verdict
    from vmha.core.budgets import Budget
    from vmha.core.capacity import Room
    from vmha.core.causes import Findings
    from vmha.core.effects import Effect
    from vmha.core.events import Event
    from vmha.core.explain import Reason
    from vmha.core.flags import ServiceFlags
    from vmha.core.incidents import Incident
    from vmha.core.model import (
        Instance,
        Migration,
        Power,
        PowerTrouble,
        Proof,
        ServicePrior,
        ServiceReading,
        Surroundings,
    )


class Clock(Protocol):
    """Local time for bounds of one process; never stored, never compared with another machine's."""

    def monotonic(self) -> float:
        """Return seconds that only grow, also while the process is stopped."""

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """A point on the local monotonic clock after which an order must not leave and a call must have ended."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSurvey:
    """Everything that Nova and Placement hold for one host.

    `migrations` are all records with this host as source or destination, whatever their status, oldest first: where the guest of an
    instance that is listed here may be is said by all of its records together. Those without this host are older than its coming here.
    `consumers` are the uuids that hold allocations of the host's provider, None where Placement knows no such provider. `elsewhere` are
    those among them that neither list explains and that Nova, asked one by one, knows to be on another host or not to exist.
    """

    instances: tuple[Instance, ...]
    migrations: tuple[Migration, ...]
    consumers: frozenset[str] | None
    elsewhere: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceLook:
    """What Nova says of one instance. After a close look also all its migration records, oldest first, and its host's service."""

    instance: Instance
    migrations: tuple[Migration, ...] | None = None
    service: ServiceReading | None = None


class Nova(Aggregates, Protocol):
    """The cloud's compute service, as its administrator. No call is repeated inside; reads may be repeated by the caller.

    Errors of every method: `NovaUnavailable` (no answer in time, connection lost, 5xx, 401 after a new token, 408, 413, 429),
    `NovaRefused` (other 4xx). A write raises `OrderExpired` when `deadline` has passed before it leaves.
    """

    def services(self, *, deadline: Deadline) -> tuple[ServiceReading, ...]:
        """List all nova-compute services."""

    def hypervisors(self, part: str, *, deadline: Deadline) -> Mapping[str, str]:
        """Return the service's host of each hypervisor whose name contains `part`, by the hypervisor's name."""

    def force_down(self, host: str, *, reason: str, deadline: Deadline) -> ServicePrior:
        """Set forced_down and disable the compute service in one PUT; return how it stood before. Idempotent; 404 where there is none."""

    def survey(self, host: str, *, deadline: Deadline) -> HostSurvey:
        """List instances (all projects, all pages), migrations and Placement consumers of `host`."""

    def instances_on(self, host: str, *, deadline: Deadline) -> tuple[Instance, ...]:
        """List the instances whose OS-EXT-SRV-ATTR:host is `host`, all projects, all pages."""

    def room(self, host: str, *, deadline: Deadline) -> Room | None:
        """Return what `host` has in Placement and who holds how much of it, None where Placement knows no such provider."""

    def evacuations_from(self, host: str, *, deadline: Deadline) -> tuple[Migration, ...]:
        """List all evacuation records with source `host`, all pages."""

    def host_of(self, instance: str, *, deadline: Deadline) -> str | None:
        """Return the OS-EXT-SRV-ATTR:host of `instance`, None where Nova knows no such instance."""

    def look_at(self, instance: str, *, closely: bool, deadline: Deadline) -> InstanceLook | None:
        """Return how `instance` stands, None where Nova knows none; `closely` with its migrations and the service of its host."""

    def examine(self, instance: str, *, source: str, target: str | None, deadline: Deadline) -> Findings | None:
        """Return why `instance` may have stayed, None: unknown. Room: on `target`, else on all but `source`. At most ten requests."""

    def stop(self, instance: str, *, deadline: Deadline) -> None:
        """Stop the guest of `instance`. Not idempotent: `NovaRefused` with 409 where its state does not allow it."""

    def start(self, instance: str, *, deadline: Deadline) -> None:
        """Start the guest of `instance` where it is. Not idempotent: `NovaRefused` with 409 where its state does not allow it."""

    def evacuate(self, instance: str, *, target: str | None, deadline: Deadline) -> None:
        """Evacuate at microversion 2.94. Not idempotent: after `NovaUnavailable` look for a newer migration record."""

    def service(self, host: str, *, deadline: Deadline) -> ServiceReading | None:
        """Return the compute service of `host`, None where Nova has none there."""

    def enable(self, host: str, *, reason: str | None = None, deadline: Deadline) -> ServicePrior:
        """Enable the compute service of `host`; return how it stood before. Idempotent.

        With a `reason`, only if it is disabled with that one and not forced down; else `NovaRefused` with status 409.
        """

    def disable(self, host: str, *, reason: str, deadline: Deadline) -> ServicePrior:
        """Disable the compute service of `host`; return how it stood before. One that is disabled keeps its reason. Idempotent."""

    def set_flags(self, host: str, flags: ServiceFlags, *, seen: ServiceFlags, deadline: Deadline) -> None:
        """Give the compute service of `host` these flags in one PUT; nothing is sent where it has them.

        `NovaRefused`: 409 where it has neither these nor those `seen`, 400 while evacuations from the host await its clean-up.
        """

    def release_room(self, host: str, consumer: str, *, deadline: Deadline) -> None:
        """Take from a consumer what it holds of `host` in Placement; what it holds elsewhere stays. Idempotent."""

    def delete_service(self, host: str, *, deadline: Deadline) -> None:
        """Delete the compute service of `host`, and its provider where nobody holds room; `NovaRefused`: 409 with instances, 404 without."""


class PowerDevices(Protocol):
    """The BMCs of the inventory. At most one call at a time for one BMC; calls for different ones run side by side.

    Each call ends at the deadline, also when the BMC hangs. Nothing is repeated inside. Errors: `PowerError`.
    """

    def read(self, host: str, *, deadline: Deadline) -> tuple[Power, str]:
        """Return the power state and the BMC's address ("10.0.0.7:623"), after checking the BMC's identity where one is given."""

    def off(self, host: str, *, deadline: Deadline) -> str:
        """Order a hard power-off after checking identity; return the BMC's address. A taken order proves nothing."""

    def protects(self, host: str) -> bool:
        """Tell whether the inventory has a device for `host`."""


class PowerError(Exception):
    """A BMC call that gave no reading or took no order: what, where, and why in words."""

    def __init__(self, trouble: PowerTrouble, detail: str, address: str) -> None:
        super().__init__(detail)
        self.trouble = trouble
        self.detail = detail
        self.address = address


class Alerts(Protocol):
    """Tells humans. Never raises and never blocks for longer than a second."""

    def send(self, *, recovery: str, host: str, reason: Reason) -> None:
        """Say `reason` about `host`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to write one recovery: `epoch` grows with each owner, `token` is random."""

    recovery: str
    engine: str
    epoch: int
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTerms:
    """`claim_after_seconds` is what a successor waits beyond the end of a lease: longest order + margin."""

    lease_seconds: float
    claim_after_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """An incident that this engine owns from now on. `before` names the engine that lost it (None: nobody, or this process)."""

    recovery: Incident
    version: int
    lease: Lease
    before: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An effect as the journal stored it."""

    id: str
    recovery: str
    effect: Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One line of what happened and why."""

    at: float
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Generic[State]):
    """All that one commit stores: the recovery before and after, the new orders, what was handled, and the lines of the timeline.

    `revoked` names proofs that died in this step, with the reasons. `answered` are ids of orders whose answers were absorbed.
    `power_off_slots` bounds the hosts of the segment that may hold a slot for a power-off at a time, for `slot_seconds` each; None
    where a human's word stands in for a slot. `budgets` are those of which a round of fencing that begins takes a slot each.
    """

    now: float
    before: State
    after: State
    orders: tuple[Order, ...]
    answered: tuple[str, ...]
    handled: tuple[int, ...]
    timeline: tuple[TimelineEntry, ...]
    revoked: tuple[tuple[Proof, str], ...]
    power_off_slots: int | None = None
    slot_seconds: float = 0.0
    budgets: tuple[Budget, ...] = ()


class Store(Protocol):
    """The durable memory of the engines. Every method is one transaction; `StoreUnavailable` means that it may not have happened."""

    def now(self) -> float:
        """Return the database's time in seconds since the epoch."""

    def sign_on(self, engine: str) -> None:
        """Record that `engine` lives."""

    def claim(self, engine: str, terms: LeaseTerms, *, limit: int, others: int = 0) -> tuple[Claimed, ...]:
        """Take up to `limit` open recoveries of hosts that have no owner, or whose owner's lease ended long enough ago; oldest first.

        Then up to `others` incidents of instances and processes, by the same rule.
        A lease that reaches further into the future than twice a takeover was taken before the database's clock was set back: it is cut
        to a whole new one, for whoever holds it. A recovery that cannot be read, since a newer version wrote it, is told once at level
        CRITICAL and left to an engine that can read it.
        """

    def renew(self, leases: Iterable[Lease], terms: LeaseTerms) -> frozenset[str]:
        """Extend those leases that still hold; return the uuids of their recoveries."""

    def release(self, lease: Lease) -> None:
        """Give the recovery back at once. Nothing happens if the lease is gone."""

    def inbox(self, recoveries: Iterable[str]) -> dict[str, tuple[tuple[int, Event], ...]]:
        """Return notifications and human words not yet handled, oldest first, by recovery.

        What cannot be read, since a newer version wrote it, is told once at level CRITICAL and stays.
        """

    def surroundings(
        self, recovery: Incident, *, brake_window_seconds: float, quarantine_window_seconds: float = 86_400.0
    ) -> Surroundings:
        """Read what `decide()` needs to know beside the recovery."""

    def commit(self, lease: Lease, version: int, change: Change[Any]) -> int:
        """Store a change and return the new version.

        Raises `LeaseLost`, `Conflict` (another version), `ProofRefused` (an order that makes a guest run without a valid proof),
        `ClaimRefused` (a reserved host, or the last slot for a power-off, that another recovery took), `LettersWaiting` (an end, while
        there are letters that it does not handle and that this version can read). On any error nothing is stored.
        """

    def admit(self, lease: Lease, order: Order, terms: LeaseTerms) -> None:
        """Open the door for an order that is about to leave, and renew the lease.

        Raises `LeaseLost`, `ProofRefused` (an evacuation, a forced_down or the enabling of a reserved host without a valid proof),
        `NoLongerWanted` (a power-off of a recovery that fences no more, an order about a service whose host is being recovered, an order
        that is not in the journal, or that a human stopped), or `NotYet` (a forced_down of a host that is held for its return).
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A stored alert on its way to one webhook, taken by one engine. `attempt` counts from 1, `document` is the JSON to send.

    `is_overtaken` says of a reminder that a younger alert of the same incident is stored. `age_seconds` is the alert's.
    """

    id: int
    webhook: str
    attempt: int
    alert: str
    kind: str
    host: str | None
    document: str
    age_seconds: float
    is_overtaken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What one look at the outbox found: the webhooks for which something is due, and what was closed without being sent.

    `too_old` counts alerts that had been addressed to nobody before they were too old, `unserved` names, by webhook, how many lay for
    so long that no engine can have that webhook any more.
    """

    due: frozenset[str]
    too_old: int = 0
    unserved: Mapping[str, int] = field(default_factory=dict)


class Outbox(Protocol):
    """Alerts that were stored with what decided them, until they are delivered. Every method is one transaction.

    `StoreUnavailable` means that it may not have happened. All engines share it: an alert is addressed once, to the webhooks of whichever
    engine looks first, and of several engines that take a delivery one gets it.
    """

    def look(self, webhooks: Mapping[str, str], terms: RetryTerms) -> Outlook:
        """Address what is addressed to nobody yet to these webhooks (name by key), close what nobody serves, and say what is due.

        What is due later than any pause allows waits for a time that was before the database's clock was set back: it is due now.
        """

    def take(self, webhook: str, engine: str, *, seconds: float) -> Delivery | None:
        """Take the oldest alert that is due for the webhook; nobody else gets it for so many seconds. None: nothing is due."""

    def settle(self, delivery: Delivery, verdict: Verdict) -> bool:
        """Store what came of a delivery. False: it was taken anew meanwhile, and what came of it counts no more."""


class Webhook(Protocol):
    """A receiver of alerts. `key` names it in the outbox, `name` to humans; neither has a secret that the URL may hold."""

    @property
    def key(self) -> str:
        """A digest of the URL."""

    @property
    def name(self) -> str:
        """Scheme and host of the URL, and the beginning of the key."""

    def post(self, document: str, *, alert: str, attempt: int, deadline: Deadline) -> str:
        """Send a signed document once, and return what the receiver said: it took it. Has ended at the deadline, whatever hangs.

        Errors: `WebhookFailed`, which leaves open whether the receiver has it. Past the deadline nothing is sent.
        """


class WebhookFailed(Exception):
    """A receiver did not say that it took the alert: why, and what to try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """One of upstream's versioned notifications: who publishes it, what happened, and the payload as it goes over the wire."""

    binary: str
    event_type: str
    payload: Mapping[str, object]
    is_error: bool = False
    context: Mapping[str, object] = field(default_factory=dict)


class Announcer(Protocol):
    """Tells whoever listens on the message bus. Losing an announcement loses nothing else."""

    def announce(self, announcement: Announcement) -> None:
        """Send it, in order. Never raises, never blocks for longer than a second."""


class Doorbell(Protocol):
    """Wakes engines early. Losing a ring costs latency, never a notification."""

    def ring(self) -> None:
        """Say that there is something to do. Never raises, never blocks for longer than a second."""
