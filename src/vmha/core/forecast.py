"""What would become of the instances of a host if it died now: the plan of a real recovery, made and thrown away.

Rules: the plan is `recovery.decide`'s own, from the moment at which the host is proven off; nothing of what it would order is carried out.
Where there is room is Placement's word for the amounts, by the hosts that the recovery method would use: Nova's scheduler asks for more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vmha.core.budgets import quarantine, spent
from vmha.core.capacity import first_fit
from vmha.core.events import HostSurveyed
from vmha.core.guards import allowed_failures
from vmha.core.model import Fence, MoveStatus, Phase, Power, PowerReading, Proof, Rung, ServicePrior, Witness
from vmha.core.recovery import decide, open_recovery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmha.core.capacity import Room
    from vmha.core.explain import Reason
    from vmha.core.model import Instance, Migration, Move, Recovery, RecoveryMethod, Surroundings
    from vmha.core.policy import Policy

MOVED = (MoveStatus.PENDING, MoveStatus.ORDERED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What Nova and Placement hold for the host. `room` is the host's own in Placement, None where it has no provider there."""

    instances: tuple[Instance, ...]
    migrations: tuple[Migration, ...]
    consumers: frozenset[str] | None
    elsewhere: frozenset[str]
    room: Room | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The moves in their order, the first reserved host that would be enabled, and for each that moves a host with room, None for none.

    `doubt` says why the recovery would not end although all moves were done. `failures` and `allowed` are the brake's numbers as they
    stand without this host, `guards` those of the budgets and of its quarantine, by option: what counts now, and what is allowed; `guard`
    says what of it would keep the host from being fenced. `places` is None where Placement cannot tell.
    """

    moves: tuple[Move, ...]
    places: Mapping[str, str | None] | None
    reserve: str | None
    doubt: str | None
    failures: int
    allowed: int
    guard: str | None
    guards: Mapping[str, tuple[int, int]]

    @property
    def homeless(self) -> tuple[Move, ...]:
        """Return the moves for which no room was found."""
        return tuple(
            m for m in self.moves if m.status in MOVED and self.places is not None and self.places[m.instance] is None
        )


def forecast(
    state: Recovery, found: Found, takers: Mapping[str, Room], *, now: float, policy: Policy, around: Surroundings
) -> Forecast:
    """Plan on from `just_proven`; `takers` are the hosts that the recovery method would use, with their room."""
    survey = HostSurveyed(
        answers="survey",
        instances=found.instances,
        migrations=found.migrations,
        consumers=found.consumers,
        elsewhere=found.elsewhere,
    )
    planned = decide(state, survey, now, policy, replace(around, disarmed=None), new_uuid="forecast").state
    return Forecast(
        moves=planned.moves,
        places=_places(planned.moves, found.room, takers),
        reserve=planned.reserved[0].host if planned.reserved else None,
        doubt=planned.doubt.sentence if planned.doubt else None,
        failures=around.segment_failures,
        allowed=allowed_failures(around, policy),
        guard=guard.sentence if (guard := _guard(state, around, policy)) else None,
        guards={
            "power_offs_at_once": (around.power_offs.now, policy.power_offs_at_once),
            "power_offs_per_hour": (around.power_offs.hour, policy.power_offs_per_hour),
            "segment_power_offs_per_hour": (around.power_offs.hour_of_segment, policy.segment_power_offs_per_hour),
            "quarantine_failures": (around.host_failures, policy.quarantine_failures),
        },
    )


def _guard(state: Recovery, around: Surroundings, policy: Policy) -> Reason | None:
    """Say what would keep the host from being fenced, from the beginning on."""
    reported = replace(state, fence=Fence())
    return quarantine(reported, around, policy) or spent(reported, around, policy)


def just_proven(
    host: str, *, host_uuid: str, segment: str, method: RecoveryMethod, now: float, policy: Policy
) -> Recovery:
    """Build the recovery of a host that was forced down a moment ago and waits for Nova's lists."""
    state, _ = open_recovery(uuid="forecast", host=host, host_uuid=host_uuid, segment=segment, method=method, now=now)
    readings = (PowerReading(Power.OFF, now - policy.power_read_spacing_seconds), PowerReading(Power.OFF, now))
    proof = Proof(
        uuid="forecast",
        host=host,
        recovery="forecast",
        rung=Rung.IPMI,
        readings=readings,
        established_at=now,
        read_at=now,
        valid_until=now + policy.proof_valid_seconds,
    )
    later = now + policy.proof_valid_seconds
    return replace(
        state,
        phase=Phase.PLANNING,
        proof=proof,
        fence=replace(state.fence, readings=readings, proofs=1, known=Power.OFF),
        witness=Witness(),
        prior=ServicePrior(disabled=False, disabled_reason=None, forced_down=False),
        outstanding=frozenset({"survey"}),
        heartbeat_due=later,
        power_due=later,
    )


def _places(moves: tuple[Move, ...], room: Room | None, takers: Mapping[str, Room]) -> Mapping[str, str | None] | None:
    if room is None:
        return None
    return first_fit(
        {move.instance: room.held.get(move.instance, {}) for move in moves if move.status in MOVED}, takers
    )
