"""The promises about budgets, quarantine and workflows as code (P6); like those in `invariants.py`, of which they are a part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vmha.core.effects import EnableReserved, Evacuate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmha.core.draft import Decision
    from vmha.core.incidents import InstanceRecovery, ProcessRecovery
    from vmha.core.model import Recovery, Surroundings
    from vmha.core.policy import Policy


def budgets_and_quarantine(
    before: Recovery, decision: Decision[Recovery], policy: Policy, around: Surroundings
) -> Iterator[str]:
    """P6: without a human no power-off beyond a budget begins a round, and a host that fails again and again is neither fenced nor moved."""
    after, others = decision.state, around.power_offs
    if after.word is not None:
        return
    begins = after.fence.orders > before.fence.orders and after.fence.round_orders == 1
    full = (
        others.now >= policy.power_offs_at_once
        or others.hour >= policy.power_offs_per_hour
        or others.hour_of_segment >= policy.segment_power_offs_per_hour
    )
    if begins and full:
        yield f"P6: a power-off beyond a budget ({others.now} under way, {others.hour} within the hour, {others.hour_of_segment} of the segment)"
    acts = after.fence.orders > before.fence.orders or after.fence.proofs > before.fence.proofs
    is_first = before.fence.orders == before.fence.proofs == 0
    if acts and is_first and around.host_failures >= policy.quarantine_failures:
        yield f"P6: a host is fenced without a human after {around.host_failures} failures"


def workflow_of_host(
    before: Recovery, decision: Decision[Recovery], policy: Policy, around: Surroundings
) -> Iterator[str]:
    """P6: what the operator wants only reported orders nothing, what he wants to confirm nothing before, and nothing moves under power_off."""
    chosen, after = _chosen("host", policy, around), decision.state
    if chosen == "recover":
        return
    orders = [effect.key for effect in decision.effects if effect.is_order]
    is_new = before.fence.orders == before.fence.proofs == 0
    if chosen == "report" and is_new and orders:
        yield f"P6: {', '.join(orders)} for a host that is only to be reported"
    acts = after.fence.orders > before.fence.orders or after.fence.proofs > before.fence.proofs
    if chosen == "confirm" and is_new and acts and after.word is None:
        yield f"P6: {after.host} is fenced before a human confirmed"
    moves = [effect.key for effect in decision.effects if isinstance(effect, Evacuate | EnableReserved)]
    if chosen == "power_off" and moves:
        yield f"P6: {', '.join(moves)} although nothing is to be evacuated"


def workflow_of_small(
    before: InstanceRecovery | ProcessRecovery, decision: Decision[Any], policy: Policy, around: Surroundings
) -> Iterator[str]:
    """P6: the same for an instance or a process."""
    chosen = _chosen("instance" if hasattr(before, "instance") else "process", policy, around)
    orders = [effect.key for effect in decision.effects if effect.is_order]
    if orders and before.number == 0 and (chosen == "report" or (chosen == "confirm" and decision.state.word is None)):
        yield f"P6: {', '.join(orders)} although the workflow is {chosen}"


def _chosen(failure: str, policy: Policy, around: Surroundings) -> str:
    """Find the operator's word anew: the segment's before everybody's."""
    found = [
        c for c in policy.workflows.choices if c.failure.value == failure and c.segment in (around.segment_name, None)
    ]
    own = [choice for choice in found if choice.segment is not None]
    return (own or found)[-1].workflow.value if found else "recover"
