"""Budgets of power-offs, and quarantine: bounds on harm where each power-off for itself looks right (P6).

Rules: a slot of each budget is taken, as a unique row, in the transaction that begins a round of fencing, and given back when the round
is over without an order. A human's word needs no slot and ends a quarantine. A budget that is spent is waited for; a quarantine is not:
it asks for a human.

8 at once: a chassis or half a rack. Each takes about ten seconds, so a rack of 40 is fenced within a minute, and whoever sees that the
first eight were wrong can stop the rest. 30 within an hour for a segment: what the brake lets pass at once in one of 100 hosts; without a
budget it would let as many pass each five minutes. 60 in all: two such segments. 3 failures of a host within a day: one may be chance, two
the repair that did not hold; after the third whoever fences and evacuates it once more does not know what is wrong with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmha.core.explain import Code, because
from vmha.core.guards import allowed_failures
from vmha.core.phases import Phase
from vmha.core.workflows import confirm_wanted

if TYPE_CHECKING:
    from vmha.core.explain import Reason
    from vmha.core.model import Recovery, Surroundings
    from vmha.core.policy import Policy

HOUR_SECONDS = 3600.0
AT_ONCE = "power-off-now"
IN_ALL = "power-offs-all"

UNGUARDED = (Phase.FORCING_DOWN, Phase.PLANNING, Phase.MOVING, Phase.HELD, Phase.CANCELLING, Phase.STOPPED, Phase.ENDED)
"""Phases in which no round of fencing can begin: nobody asks for the numbers."""


@dataclass(frozen=True, slots=True)
class Budget:
    """So many hosts may hold a slot, for so long. `key` begins the names of its slots, the number of the slot ends them."""

    key: str
    slots: int
    seconds: float


@dataclass(frozen=True, slots=True)
class PowerOffs:
    """The slots that other recoveries hold: of rounds of fencing that are under way, and of power-offs within the hour."""

    now: int = 0
    hour: int = 0
    hour_of_segment: int = 0


def in_segment(segment: str) -> str:
    """Name the hourly budget of a segment."""
    return f"power-offs-in:{segment}"


def budgets(state: Recovery, policy: Policy) -> tuple[Budget, ...]:
    """Return the budgets that the next round of fencing needs a slot of: none on a human's word."""
    if state.word is not None:
        return ()
    # Twice a round: the end of the round gives it back, and time only where its engine died.
    return (
        Budget(AT_ONCE, policy.power_offs_at_once, 2 * policy.fence_seconds),
        Budget(IN_ALL, policy.power_offs_per_hour, HOUR_SECONDS),
        Budget(in_segment(state.segment), policy.segment_power_offs_per_hour, HOUR_SECONDS),
    )


def spent(state: Recovery, around: Surroundings, policy: Policy) -> Reason | None:
    """Say which budget keeps the host from being powered off now, None where each has a slot left."""
    others, host = around.power_offs, state.host
    if state.word is not None:
        return None
    if others.hour >= policy.power_offs_per_hour:
        return because(Code.POWER_OFFS_PER_HOUR, host=host, spent=others.hour, allowed=policy.power_offs_per_hour)
    if others.hour_of_segment >= policy.segment_power_offs_per_hour:
        allowed = policy.segment_power_offs_per_hour
        return because(Code.SEGMENT_POWER_OFFS_PER_HOUR, host=host, spent=others.hour_of_segment, allowed=allowed)
    if others.now >= policy.power_offs_at_once:
        return because(Code.POWER_OFFS_AT_ONCE, host=host, spent=others.now, allowed=policy.power_offs_at_once)
    return None


def asked(state: Recovery, around: Surroundings, policy: Policy) -> Reason | None:
    """Say why a human has to speak before the host is fenced or moved, None where none has to."""
    return confirm_wanted(state, around, policy) or quarantine(state, around, policy)


def quarantine(state: Recovery, around: Surroundings, policy: Policy) -> Reason | None:
    """Say that the host failed too often to be fenced without a human, None where it did not, or where the human spoke."""
    is_begun = state.word is not None or state.fence.orders > 0 or state.fence.proofs > 0
    if is_begun or around.host_failures < policy.quarantine_failures:
        return None
    return because(
        Code.QUARANTINED,
        host=state.host,
        failures=around.host_failures,
        seconds=policy.quarantine_window_seconds,
        allowed=policy.quarantine_failures,
    )


def passed(state: Recovery, around: Surroundings, policy: Policy) -> Reason:
    """Show the numbers by which a power-off may leave without a human."""
    return because(
        Code.GUARDS_PASSED,
        host=state.host,
        failures=around.segment_failures,
        window=policy.brake_window_seconds,
        allowed=allowed_failures(around, policy),
        now=around.power_offs.now,
        at_once=policy.power_offs_at_once,
        hour=around.power_offs.hour,
        per_hour=policy.power_offs_per_hour,
        segment=around.power_offs.hour_of_segment,
        per_segment=policy.segment_power_offs_per_hour,
        before=around.host_failures,
        quarantine=policy.quarantine_failures,
        quarantine_window=policy.quarantine_window_seconds,
    )
