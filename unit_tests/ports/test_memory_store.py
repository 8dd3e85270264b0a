"""The contracts of `Store` and `Returns`, held by the store of the simulator."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from unit_tests.ports.guard_contract import GuardContract
from unit_tests.ports.incident_contract import IncidentContract
from unit_tests.ports.outbox_contract import OutboxContract
from unit_tests.ports.returns_contract import ReturnsContract
from unit_tests.ports.store_contract import Reported, StoreContract
from vmha.core.events import Event
from vmha.core.model import Disarm
from vmha.errors import StoreUnavailable
from vmha.sim.outbox import MemoryOutbox
from vmha.sim.returns import MemoryReturns
from vmha.sim.store import MemoryStore, host_on


class MemoryRig:
    """The store in memory."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.store = MemoryStore(lambda: self.now, lambda: str(uuid4()))
        self.returns = MemoryReturns(self.store)
        for name in ("c1", "c2", "c3"):
            self.add_host(name)

    def another(self) -> MemoryStore:
        """All engines of a simulation share one object."""
        return self.store

    @property
    def outbox(self) -> MemoryOutbox:
        """The alerts of this store."""
        return self.store.outbox

    def told(self, recovery: str) -> list[dict[str, Any]]:
        """Read what is told of a recovery."""
        return self.store.outbox.of(recovery)

    def add_host(self, name: str, *, segment: str = "segment", reserved: bool = False) -> None:
        """Add a host."""
        self.store.hosts[name] = host_on(segment, name, is_reserved=reserved)

    def disband(self, host: str) -> None:
        """Take a host out."""
        del self.store.hosts[host]

    def report(self, host: str, *, says_off: bool = True) -> Reported:
        """Accept a notification."""
        notification = str(uuid4())
        return Reported(notification, self.store.report(host, notification, says_off=says_off))

    def report_instance(self, host: str, instance: str) -> Reported:
        """Accept a notification about an instance."""
        notification = str(uuid4())
        return Reported(notification, self.store.report_instance(host, instance, notification))

    def report_process(self, host: str, *, is_running: bool = False) -> Reported:
        """Accept a notification about nova-compute."""
        notification = str(uuid4())
        return Reported(notification, self.store.report_process(host, notification, is_running=is_running))

    def say(self, recovery: str, event: Event) -> None:
        """Put a letter into the inbox."""
        self.store.say(recovery, event)

    def disarm(self, kind: str, name: str, *, seconds: float) -> None:
        """Disarm for a while."""
        scope, until = f"{kind} {name}".strip(), self.now + seconds
        self.store.disarms[scope] = Disarm(scope=scope, by="ann", why="because", until=until, until_text="then")

    def spoil(self, recovery: str) -> None:
        """Let nobody read the recovery."""
        self.store.unreadable.add(recovery)

    def spoil_letters(self, recovery: str) -> None:
        """Let nobody read its letters."""
        self.store.unreadable.update(self.store.rows[recovery].inbox)

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds + 0.001

    def stored(self) -> object:
        """Copy everything but the ends of leases, which a refused order may have moved."""
        store = self.store
        rows = {uuid: replace(row, lease_until=0.0, claimable_at=0.0) for uuid, row in store.rows.items()}
        told = (store.outbox.alerts, store.outbox.deliveries)
        return copy.deepcopy((store.hosts, rows, store.proofs, store.revoked, store.claims, store.holds, told))

    def status(self, notification: str) -> str:
        """Find the notification's recovery and its status."""
        (uuid,) = (uuid for uuid, row in self.store.rows.items() if notification in row.notifications)
        return self.store.status(uuid)

    def flags(self, host: str) -> tuple[bool, bool]:
        """Read the host's flags."""
        row = self.store.hosts[host]
        return row.is_reserved, row.is_on_maintenance

    def timeline(self, recovery: str) -> list[str]:
        """Read the timeline."""
        return [entry.reason.sentence for entry in self.store.rows[recovery].timeline]

    def answered(self, recovery: str) -> set[str]:
        """Read what was answered."""
        return set(self.store.rows[recovery].answered)

    def journal(self, recovery: str) -> set[str]:
        """Read what was stored before it was sent."""
        return set(self.store.rows[recovery].orders)

    def revoked(self, proof: str) -> str | None:
        """Read why a proof was revoked."""
        return self.store.revoked.get(proof)


@pytest.fixture
def rig() -> MemoryRig:
    """A store with three hosts."""
    return MemoryRig()


class TestMemoryStore(StoreContract, IncidentContract, OutboxContract, GuardContract):
    """The store of the simulator."""


class TestMemoryReturns(ReturnsContract):
    """What lets hosts of the simulator back."""


def test_a_database_that_is_away_answers_nothing() -> None:
    """While it is told to be away, the clock says so, and so does every method that needs it."""
    rig = MemoryRig()
    rig.store.away_until = rig.now + 60.0
    with pytest.raises(StoreUnavailable):
        rig.store.now()
    rig.pass_time(60.0)
    assert rig.store.now() == rig.now > 60.0
