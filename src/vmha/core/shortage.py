"""What is missing where instances find no room: asked of Placement, said at once, and kept up to date while they wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core.capacity import Fits, NoRoom, Unclear, place
from vmha.core.effects import ReadRoom
from vmha.core.explain import Code, because, names
from vmha.core.model import MoveStatus, RecoveryMethod, ReservedStatus

if TYPE_CHECKING:
    from vmha.core.draft import Draft
    from vmha.core.events import RoomRead, RoomUnreadable
    from vmha.core.model import Move


def look(draft: Draft) -> None:
    """Ask Placement where instances find no room, and forget the shortage once none waits any more."""
    state = draft.state
    if not _waiting(draft):
        draft.change(shortage=None)
    elif state.room_due <= draft.now and not draft.waits_for(ReadRoom.key):
        enabled, reserves = takers(draft)
        draft.ask(ReadRoom(host=state.host, enabled=enabled, reserves=reserves))
        draft.change(room_due=draft.now + draft.policy.no_capacity_pause_seconds)


def takers(draft: Draft) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Name the hosts that the method may send instances to as they are, and the reserved ones that it may enable."""
    method, around = draft.state.method, draft.around
    ready = tuple(entry.host for entry in draft.state.reserved if entry.status is ReservedStatus.READY)
    enabled = ready if method is RecoveryMethod.RESERVED_HOST else tuple(dict.fromkeys((*around.neighbours, *ready)))
    free = () if method is RecoveryMethod.AUTO else around.reserved_hosts
    mine = {draft.state.host, *(entry.host for entry in draft.state.reserved)}
    return enabled, tuple(host for host in free if host not in mine)


def heard(draft: Draft, event: RoomRead) -> None:
    """Say what is missing by what Placement has of each resource."""
    waiting = _waiting(draft)
    load = {} if event.room is None else event.room.held
    wanted = {move.instance: load.get(move.instance, {}) for move in waiting}
    name_of = {move.instance: move.name for move in waiting}
    if event.room is None:
        missing = "Placement has no resource provider of its host to say what they need"
    elif not event.rooms:
        missing = "no host that may take them is up and enabled"
    else:
        match place(wanted, dict(event.rooms)):
            case NoRoom(resource=what, needed=needed, free=free, consumer=None):
                missing = f"they need {needed} {what}, and the hosts that may take them have {free} free: {needed - free} are missing"
            case NoRoom(resource=what, needed=needed, free=free, consumer=consumer):
                missing = f"{name_of.get(consumer or '')} needs {needed} {what}, and no host that may take it has more than {free} for it"
            case Unclear(consumer=consumer):
                missing = f"there is room in sum, and none for {name_of.get(consumer)} beside the others"
            case Fits():
                missing = (
                    "by amounts there is room for them, so a filter of Nova's scheduler keeps them out (zone, aggregate, traits, "
                    "affinity, a disabled service)"
                )
    _tell(draft, waiting, missing)


def unreadable(draft: Draft, event: RoomUnreadable) -> None:
    """Say that Placement could not say it."""
    _tell(draft, _waiting(draft), f"Placement could not be asked what is missing ({event.detail})")


def _waiting(draft: Draft) -> list[Move]:
    """Return the moves that found no room and are not under way to one."""
    over = (MoveStatus.LANDED, MoveStatus.HELD, MoveStatus.STALLED)
    return [
        move
        for move in draft.state.moves
        if move.no_room_since is not None and not move.status.is_final and move.status not in over
    ]


def _tell(draft: Draft, waiting: list[Move], missing: str) -> None:
    """Tell the humans at once; what changes later stands in the message, and in the reminders."""
    if not waiting:
        return
    is_new = draft.state.shortage is None
    reason = because(
        Code.NO_CAPACITY_NOW,
        host=draft.state.host,
        count=len(waiting),
        total=len(draft.state.moves),
        names=names([move.name for move in waiting]),
        missing=missing,
        seconds=draft.policy.no_capacity_seconds,
    )
    draft.change(shortage=reason)
    if is_new:
        draft.reasons.append(reason)
        draft.change(alert_due=draft.now)
