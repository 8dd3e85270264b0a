"""Slots for power-offs in the simulator's store; the SQL one's are `adapters/db/budgets.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core.budgets import AT_ONCE, IN_ALL, UNGUARDED, PowerOffs, in_segment
from vmha.core.effects import PowerOff
from vmha.core.model import Outcome, Phase, Recovery
from vmha.errors import ClaimRefused

if TYPE_CHECKING:
    from vmha.ports import Change
    from vmha.sim.store import MemoryStore


def standing(store: MemoryStore, recovery: Recovery, window_seconds: float) -> tuple[PowerOffs, int]:
    """Count the slots that others hold, and how often the host failed within the window before this recovery."""
    if recovery.phase in UNGUARDED:
        return PowerOffs(), 0
    now = store.now()
    taken = [key for key, (owner, until) in store.claims.items() if owner != recovery.uuid and (until or 0.0) > now]
    prefixes = (f"{AT_ONCE}:", f"{IN_ALL}:", f"{in_segment(recovery.segment)}:") if taken else ()
    counts = [sum(slot.startswith(prefix) for slot in taken) for prefix in prefixes]
    failures = sum(
        state.host_uuid == recovery.host_uuid
        and state.uuid != recovery.uuid
        and state.opened_at > now - window_seconds
        and state.outcome not in (None, Outcome.REJECTED, Outcome.FALSE_ALARM)
        for state in store.failures
    )
    return PowerOffs(*counts), failures


def slots(store: MemoryStore, change: Change[Recovery]) -> dict[str, tuple[str, float | None]]:
    """Find a slot of each budget where a round of fencing begins or an order of it leaves. Raises `ClaimRefused` where none is left."""
    begins = change.after.phase is Phase.FENCING and change.before.phase is not Phase.FENCING
    if not begins and not any(isinstance(order.effect, PowerOff) for order in change.orders):
        return {}
    wanted = dict[str, tuple[str, float | None]]()
    for budget in change.budgets:
        known = {key: claim for key, claim in store.claims.items() if key.startswith(f"{budget.key}:")}
        mine = next((key for key, (owner, _) in known.items() if owner == change.after.uuid), None)
        alive = {key for key, (_, until) in known.items() if (until or 0.0) > change.now}
        names = (f"{budget.key}:{number}" for number in range(budget.slots))
        free = mine or next((name for name in names if name not in alive), None)
        if free is None:
            raise ClaimRefused(f"all {budget.slots} slots of {budget.key} are taken")
        store.claims.pop(free, None)
        wanted[free] = (change.after.uuid, change.now + budget.seconds)
    return wanted


def give_back(store: MemoryStore, change: Change[Recovery]) -> None:
    """Give back what a round of fencing that is over leaves: an hourly slot only where it ordered nothing."""
    if change.before.phase is not Phase.FENCING or change.after.phase is Phase.FENCING:
        return
    hourly = () if change.after.fence.sent else (f"{IN_ALL}:", f"{in_segment(change.after.segment)}:")
    for key, (owner, _) in list(store.claims.items()):
        if owner == change.after.uuid and key.startswith((f"{AT_ONCE}:", *hourly)):
            del store.claims[key]
