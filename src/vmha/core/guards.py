"""The brake: too many hosts of a segment that "die" at once look like a fault of the network or of the monitors (P6).

2 hosts or 30 %, whichever is larger: a pair may share a chassis or a power strip, a third of a segment may not. 5 minutes: longer than
a switch takes to boot, and than the cascade of a rack that loses power step by step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmha.core.model import Surroundings
    from vmha.core.policy import Policy


def allowed_failures(around: Surroundings, policy: Policy) -> int:
    """Return how many hosts of the segment may fail within the window and still be fenced without a human."""
    return max(policy.brake_hosts, around.segment_hosts * policy.brake_percent // 100)


def brake_is_on(around: Surroundings, policy: Policy) -> bool:
    """Tell whether power-offs of the segment wait for a human."""
    return around.segment_braked or around.segment_failures > allowed_failures(around, policy)
