"""The repair crew of a storm: it mends hosts that failed, and lets hosts back at random moments, at most of which it must not.

It draws from a source of its own, so that what befalls the cloud otherwise stays what it was for a seed.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING
from uuid import UUID

from vmha.adapters.db import records
from vmha.core.explain import Code
from vmha.core.model import Phase
from vmha.core.returning import Wish
from vmha.sim import owner
from vmha.sim.faults import inject
from vmha.sim.operator import Return, hands

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmha.sim.rig import Rig

FIRST_SECONDS, LAST_SECONDS, SHIFT_SECONDS = 180.0, 660.0, 80.0

REFUSALS = (
    Code.RETURN_RECOVERY_OPEN,
    Code.RETURN_SILENT,
    Code.RETURN_READS_OFF,
    Code.RETURN_MOVING,
    Code.RETURN_NOT_CLEANED_UP,
    Code.RETURN_HELD,
    Code.RETURN_UNINSPECTED,
    Code.RETURN_NOVA_AWAY,
    Code.RETURNED,
    Code.SPARE_BACK,
    Code.SPARE_KEPT,
)
"""What has to be met in a storm of 2,000 runs."""


class Repairs:
    """The crew of one run."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self._rig = rig
        self._world = rig.world
        self._chance = random.Random(seed + 1_000_003)
        self._hands = hands(rig, lambda: str(UUID(int=self._chance.getrandbits(128))))
        self.returns: list[Return] = []
        at = FIRST_SECONDS
        while at < LAST_SECONDS:
            self._world.at(at, self._shift)
            at += self._chance.uniform(0.5, 1.5) * SHIFT_SECONDS

    def met(self) -> Iterator[str]:
        """Yield the name of every reason that a return gave."""
        for run in self.returns:
            yield from (reason.code.name for reason in (run.refused.reasons if run.refused else ()))
            yield from (reason.code.name for reason in (run.returned.done if run.returned else ()))

    def _shift(self) -> None:
        """Mend a host that failed, or let one back, or both."""
        states = self._rig.memory.failures
        # Who switches a host on in the middle of its recovery is a fault of its own, and its limit is known.
        failing = {state.host for state in states if state.phase is not Phase.ENDED}
        failed = sorted({state.host for state in states} - failing)
        host = self._chance.choice(failed or list(self._world.hosts))
        if failed and self._chance.random() < 0.5:
            self._mend(host)
        if failed and self._chance.random() < 0.4:
            self._empty_spares(host)
        if self._chance.random() < 0.6:
            self._let_back(host)
        if self._chance.random() < 0.15:
            self._let_back(self._chance.choice(list(self._world.hosts)))

    def _mend(self, host: str) -> None:
        for name in ("bmc_well", "network_back", "compute_resumes", "power_back", "compute_starts"):
            inject(self._world, name, host=host)
        machine = self._world.hosts[host]
        if machine.crashed:
            machine.power_off("operator")
            machine.power_on("operator")

    def _empty_spares(self, host: str) -> None:
        """Let owners delete what runs on the reserved hosts that stood in for a host: only an empty one goes back to the reserve."""
        ended = [state for state in self._rig.memory.failures if state.host == host]
        for spare in sorted({name for state in ended for name in records.spent_reserves(state)}):
            for instance in list(self._world.nova.by_host[spare]):
                owner.delete(self._world, instance)

    def _let_back(self, host: str) -> None:
        """Let a host back; the crew lies about nothing, may be two who do not know of each other, and may be called away."""
        for _ in range(self._chance.choice((1, 1, 1, 2))):
            wish = Wish(
                by=self._chance.choice(("ann", "bob")),
                why="repaired",
                as_reserved=self._chance.random() < 0.1,
                inspected=self._chance.random() < 0.5 and self._is_clean(host),
            )
            run = Return(self._rig, host, wish, self._hands)
            self.returns.append(run)
            if self._chance.random() < 0.15:
                self._world.after(self._chance.uniform(0.0, 12.0), run.kill)
        if self._chance.random() < 0.2:
            self._world.after(self._chance.uniform(0.0, 15.0), lambda: self._fail_again(host))

    def _is_clean(self, host: str) -> bool:
        """Look on the host: no guest runs there that Nova does not hold to be there."""
        return self._world.hosts[host].guests.keys() <= self._world.nova.by_host[host].keys()

    def _fail_again(self, host: str) -> None:
        inject(self._world, "host_crashes", host=host)
        memory = self._rig.memory
        if not memory.hosts[host].is_on_maintenance:
            memory.report(host, f"again-{host}-{self._world.now}")
