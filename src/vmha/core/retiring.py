"""What is left of a host that never comes back, and may it be cleared away? Judged from facts that somebody else collected.

Rules:
1. Nothing is cleared away of a host that may live: Nova must not hear it, and its BMC must read OFF, or a human says that it is gone.
2. Nothing is cleared away while a recovery of it is open, an evacuation from it is not over, or an instance is on it.
3. No instance is ever touched: only what is held in the name of one that was evacuated, or of a move that is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmha.core.explain import Code, Reason, because, names
from vmha.core.model import Power
from vmha.core.returning import hidden, unfinished
from vmha.core.targets import TERMINAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmha.core.returning import Known, Left, Seen, Wish


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """What is left of the host. `against` says why none of it may be cleared away now.

    `holders` are consumers that hold room in Placement for nothing; `has_service` and `has_provider` say that Nova and Placement know
    the host. `by_hand` is what only a human clears away.
    """

    against: tuple[Reason, ...]
    holders: tuple[str, ...]
    has_service: bool
    has_provider: bool
    by_hand: tuple[Reason, ...]
    record: str | None


def judge(
    known: Known, seen: Seen, held: frozenset[str], wish: Wish, *, is_in_inventory: bool, settle_seconds: float
) -> Leftovers:
    """Say what is left, and what is against clearing it away. `held` are all consumers of the host, moves too.

    `wish.inspected`: a human saw that the machine is gone.
    """
    left = seen.left
    free = frozenset() if left is None else _for_nothing(known.host, left, held)
    listed = frozenset(instance.uuid for instance in left.instances) if left else frozenset()
    told = next(iter(known.failures or known.past), None)
    return Leftovers(
        against=(*unfinished(known, settle_seconds), *_may_live(known, seen, wish), *_in_use(known, left)),
        holders=tuple(sorted(free)),
        has_service=seen.service is not None,
        has_provider=left is not None and left.consumers is not None,
        by_hand=tuple(_by_hand(known.host, held - free - listed, is_in_inventory=is_in_inventory)),
        record=told.uuid if told else None,
    )


def _may_live(known: Known, seen: Seen, wish: Wish) -> Iterator[Reason]:
    host, service = known.host, seen.service
    if seen.trouble is not None:
        yield because(Code.RETURN_NOVA_AWAY, host=host, detail=seen.trouble)
    if seen.was_heard or (service is not None and service.is_up):
        yield because(Code.RETIRE_HEARD, host=host)
    if seen.power is Power.ON:
        yield because(Code.RETIRE_READS_ON, host=host, address=seen.address)
    elif seen.power is None and not wish.inspected:
        yield because(Code.RETIRE_UNSEEN, host=host, detail=seen.power_detail)


def _in_use(known: Known, left: Left | None) -> Iterator[Reason]:
    host = known.host
    if known.claimed_by is not None:
        yield because(Code.RETURN_CLAIMED, host=host, recovery=known.claimed_by)
    if left is None:
        return
    on_it = [instance.name for instance in left.instances]
    if on_it:
        yield because(Code.RETIRE_NOT_EMPTY, host=host, count=len(on_it), names=names(on_it))
    moving = {record.instance for record in left.migrations if record.status not in TERMINAL}
    if moving:
        yield because(Code.RETIRE_MOVING, host=host, count=len(moving), names=names(moving))
    if strange := hidden(host, left):
        yield because(Code.RETURN_HIDDEN, host=host, count=len(strange), names=names(strange))


def _for_nothing(host: str, left: Left, held: frozenset[str]) -> frozenset[str]:
    """Return the instances that were evacuated from here and hold room yet, and the moves that are over and do."""
    over = [record for record in left.migrations if record.status in TERMINAL]
    gone = {record.instance for record in over if record.kind == "evacuation" and record.source == host}
    listed = {instance.uuid for instance in left.instances}
    return held & ((gone - listed) | {record.uuid for record in over})


def _by_hand(host: str, rest: frozenset[str], *, is_in_inventory: bool) -> Iterator[Reason]:
    """Name what may be anybody's: a consumer that no move explains, and the operator's own file."""
    if rest:
        yield because(Code.RETIRE_ROOM, host=host, count=len(rest), names=names(rest))
    if is_in_inventory:
        yield because(Code.RETIRE_INVENTORY, host=host)
