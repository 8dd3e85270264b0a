"""The rows of the simulated Nova's database, and what may go wrong on the destination of an evacuation."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

TERMINAL = frozenset({"confirmed", "reverted", "error", "failed", "completed", "cancelled", "done"})
IN_FLIGHT = frozenset({"accepted", "pre-migrating"})


class Landing(Enum):
    """What may go wrong with an evacuation on its destination."""

    CLAIM_FAILS = "claim_fails"  # before anything was touched: the record fails, the instance stays as it was
    SPAWN_FAILS = "spawn_fails"  # no guest runs; the record fails, the instance is in error
    ORPHANS = "orphans"  # the guest runs, and yet the record fails and the instance is in error on its old host
    HANGS = "hangs"  # the guest runs, and nothing is said of it: for some seconds, or for ever
    DIES = "dies"  # the destination loses its power just after the guest started


@dataclass(slots=True)
class LandingFault:
    """A fault that waits for the next evacuations to `host` (None: to any)."""

    landing: Landing
    host: str | None
    left: int
    seconds: float | None


@dataclass(slots=True)
class ActionStep:
    """One event of an action; no result while it goes on."""

    name: str
    host: str
    began_at: float
    ended_at: float | None = None
    result: str | None = None
    details: str | None = None


@dataclass(slots=True)
class Action:
    """One evacuation among a server's actions."""

    request: str
    started_at: float
    steps: list[ActionStep]


@dataclass(slots=True)
class Server:
    """One instance as Nova holds it. `host` is OS-EXT-SRV-ATTR:host, right or wrong."""

    uuid: str
    name: str
    host: str
    vcpus: int
    project: str
    vm_state: str = "active"
    task_state: str | None = None
    image_backed: bool = False
    ephemeral_gb: int = 0
    swap_mb: int = 0
    metadata: dict[str, str] = field(default_factory=dict)
    extra_specs: dict[str, str] = field(default_factory=dict)
    image_properties: dict[str, str] = field(default_factory=dict)
    is_hanging: bool = False
    """Its guest does not do what it is told."""
    actions: list[Action] = field(default_factory=list)
    fault: str | None = None
    fault_at: float = 0.0

    @property
    def image(self) -> str | None:
        """Return the uuid of its image; each has one of its own."""
        return f"image-{self.name}" if self.image_backed else None


@dataclass(slots=True)
class MigrationRecord:
    """One row of Nova's migrations."""

    id: int
    uuid: str
    instance: str
    kind: str
    source: str
    destination: str | None
    status: str
    created_at: float
    updated_at: float


@dataclass(slots=True)
class Service:
    """One nova-compute service. `touched_at` is the time of the last PUT."""

    uuid: str
    host: str
    disabled: bool = False
    disabled_reason: str | None = None
    forced_down: bool = False
    touched_at: float = 0.0
    zone: str = "nova"
