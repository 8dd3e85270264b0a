"""What would become of the instances of a host if it died now: the plan of a real recovery, made and thrown away.

Rules: the plan is `recovery.decide`'s own, from the moment at which the host is proven off; nothing of what it would order is carried out.
Where there is room is Placement's word for the amounts, by the hosts that the recovery method would use: Nova's scheduler asks for more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vmha.core.aggregates import UNSAID, Places
from vmha.core.budgets import quarantine, spent
from vmha.core.capacity import fit_in_order
from vmha.core.causes import Cause
from vmha.core.diagnosis import bound_by, classify, diagnosed
from vmha.core.effects import ReadRoom
from vmha.core.events import RoomRead
from vmha.core.explain import Code
from vmha.core.guards import allowed_failures, brake_is_on, why_braked
from vmha.core.model import Fence, MoveStatus, Phase, Power, PowerReading, Proof, Rung, ServicePrior, Witness
from vmha.core.recovery import decide, open_recovery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmha.core.capacity import Room
    from vmha.core.causes import Diagnosis
    from vmha.core.events import HostSurveyed
    from vmha.core.explain import Reason
    from vmha.core.model import Move, Recovery, RecoveryMethod, Surroundings
    from vmha.core.policy import Policy

NOTES = (Code.PRIORITY_UNREADABLE, Code.TAG_UNREADABLE, Code.IMAGES_UNREADABLE)
MOVED = (MoveStatus.PENDING, MoveStatus.ORDERED)
BOUND_NEXT = "see that another host has the same device, or pinned CPUs, free; or resize it to a flavor without"
"""What to do about an instance that is bound to its host, while that one lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What Nova and Placement hold for the host. `room` is the host's own in Placement, None where it has no provider there.

    `places` are zones and aggregates of the hosts that may take its instances.
    """

    survey: HostSurveyed
    room: Room | None
    places: Places = UNSAID


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The moves in their order, the reserved hosts that would be enabled, and for each that moves a host with room, None for none.

    `doubt` says why the recovery would not end although all moves were done, `notes` what could not be read and counts as its default.
    `failures` and `allowed` are the brake's numbers with this host's failure, `guards` those of the budgets and of its quarantine, by
    option: what counts now, and what is allowed; `guard` says what of all this would keep the host from being fenced. `places` is None
    where Placement cannot tell. `causes` say of each that would not move why, by its instance; also of those `bound`: their flavor asks
    for a device or for pinned CPUs, so that amounts are not enough.
    """

    moves: tuple[Move, ...]
    places: Mapping[str, str | None] | None
    reserves: tuple[str, ...]
    doubt: str | None
    notes: tuple[str, ...]
    failures: int
    allowed: int
    guard: str | None
    guards: Mapping[str, tuple[int, int]]
    causes: Mapping[str, Diagnosis]
    bound: frozenset[str] = frozenset()

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
    around = replace(around, disarmed=None)
    decision = decide(state, found.survey, now, policy, around, new_uuid="forecast")
    planned = decision.state
    if ReadRoom.key in planned.outstanding:
        asked = RoomRead(answers=ReadRoom.key, room=found.room, rooms=tuple(takers.items()), places=found.places)
        planned = decide(planned, asked, now, policy, around, new_uuid="forecast").state
    places = _places(planned.moves, found.room, takers)
    bound = {each.uuid: words for each in found.survey.instances if (words := bound_by(each.extra_specs))}
    return Forecast(
        moves=planned.moves,
        places=places,
        reserves=tuple(entry.host for entry in planned.reserved),
        doubt=planned.doubt.sentence if planned.doubt else None,
        notes=tuple(reason.sentence for reason in decision.reasons if reason.code in NOTES),
        failures=around.segment_failures,
        allowed=allowed_failures(around, policy),
        guard=guard.sentence if (guard := _guard(state, around, policy)) else None,
        guards={
            "power_offs_at_once": (around.power_offs.now, policy.power_offs_at_once),
            "power_offs_per_hour": (around.power_offs.hour, policy.power_offs_per_hour),
            "segment_power_offs_per_hour": (around.power_offs.hour_of_segment, policy.segment_power_offs_per_hour),
            "quarantine_failures": (around.host_failures, policy.quarantine_failures),
        },
        causes=_causes(planned.moves, places, found.room, policy, bound),
        bound=frozenset(bound),
    )


def _guard(state: Recovery, around: Surroundings, policy: Policy) -> Reason | None:
    """Say what would keep the host from being fenced, from the beginning on."""
    reported = replace(state, fence=Fence())
    if brake_is_on(around, policy):
        return quarantine(reported, around, policy) or why_braked(state.host, around, policy)
    return quarantine(reported, around, policy) or spent(reported, around, policy)


def _causes(
    moves: tuple[Move, ...],
    places: Mapping[str, str | None] | None,
    room: Room | None,
    policy: Policy,
    bound: Mapping[str, tuple[str, ...]],
) -> dict[str, Diagnosis]:
    """Say why instances would stay, or might, by the same causes as a real recovery; what is in the way of all is no cause of one."""
    found = {}
    for move in moves:
        is_homeless = move.status in MOVED and places is not None and places[move.instance] is None
        if move.status in (MoveStatus.HELD, MoveStatus.STALLED, MoveStatus.FAILED):
            found[move.instance] = classify(move, None, move_seconds=policy.move_seconds)
        elif move.status in MOVED and move.instance in bound:
            found[move.instance] = _bound(bound[move.instance], is_homeless=is_homeless)
        elif is_homeless and move.reason:
            found[move.instance] = classify(move, None, move_seconds=policy.move_seconds)
        elif is_homeless and room is not None:
            needs = ", ".join(f"{name} {amount}" for name, amount in sorted(room.held.get(move.instance, {}).items()))
            found[move.instance] = diagnosed(Cause.NO_CAPACITY, f"it holds {needs}, which none of the hosts has left")
    return found


def _bound(words: tuple[str, ...], *, is_homeless: bool) -> Diagnosis:
    """Say what binds an instance to a host before anything failed: nobody was asked who else has that free."""
    counted = "and none has left what it holds" if is_homeless else "which the amounts of other hosts do not show"
    found = diagnosed(Cause.HOST_BOUND_DEVICE, f"its flavor asks for {', '.join(words)}, {counted}")
    return replace(found, next_step=BOUND_NEXT)


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
    return fit_in_order(
        {move.instance: room.held.get(move.instance, {}) for move in moves if move.status in MOVED}, takers
    )
