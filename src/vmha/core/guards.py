"""The brake: too many hosts of a segment that "die" at once look like a fault of the network or of the monitors (P6).

2 hosts or 30 %, whichever is larger: a pair may share a chassis or a power strip, a third of a segment may not. 5 minutes: longer than
a switch takes to boot, and than the cascade of a rack that loses power step by step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core.explain import Code, because

if TYPE_CHECKING:
    from vmha.core.explain import Reason
    from vmha.core.model import Phase, Recovery, Surroundings
    from vmha.core.policy import Policy


def allowed_failures(around: Surroundings, policy: Policy) -> int:
    """Return how many hosts of the segment may fail within the window and still be fenced without a human."""
    return max(policy.brake_hosts, around.segment_hosts * policy.brake_percent // 100)


def brake_is_on(around: Surroundings, policy: Policy) -> bool:
    """Tell whether power-offs of the segment wait for a human."""
    return around.segment_braked or around.segment_failures > allowed_failures(around, policy)


def why_braked(host: str, around: Surroundings, policy: Policy) -> Reason:
    """Say with its numbers what the brake does to the power-off of a host."""
    return because(
        Code.BRAKED,
        failures=around.segment_failures,
        hosts=around.segment_hosts,
        seconds=policy.brake_window_seconds,
        allowed=allowed_failures(around, policy),
        host=host,
    )


def stands_in(state: Recovery) -> Phase:
    """Return where a recovery counts as standing: one that is halted, where it goes on. A pause releases no brake."""
    return state.phase if state.halt is None else state.halt.phase
