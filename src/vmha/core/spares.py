"""Which reserved hosts a recovery takes, what goes to which of them, and which go back to the reserve.

Rules:
1. The nearest come first (`aggregates.nearness`): those of the failed host's zone, then those that share more of its aggregates.
2. Of those that are equally near the smallest that holds all is taken; where none does, the one that holds most, and another one for
   the rest, all at once.
3. One that is down, or that holds nothing of what is left, is not taken: it stays in the reserve.
4. One that was taken goes back once nothing is left to move, unless something runs there or may: by Nova's lists and Placement's.
5. One of which nobody knows whether it was enabled is no reserve until it was looked at: it goes back, or is said to be kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core.aggregates import left, nearness, ours, to_join
from vmha.core.capacity import Room, fit_in_order
from vmha.core.copying import replace
from vmha.core.effects import EnableReserved, ReturnReserved
from vmha.core.events import RoomRead
from vmha.core.explain import Code
from vmha.core.model import MoveStatus, Reserved, ReservedStatus
from vmha.core.targets import free_spares, load_of, wants_reserved

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from vmha.core.aggregates import Places
    from vmha.core.capacity import Amounts
    from vmha.core.draft import Draft
    from vmha.core.events import ReservedEnabled, ReservedFailed, ReservedKept, ReservedReturned
    from vmha.core.model import Move, Recovery
    from vmha.core.policy import Policy

MOST_RETURNS = 3
"""Orders to give one reserved host back, where none of them leaves; then it stays in service until the way back of the failed host."""


def consider(draft: Draft) -> None:
    """Claim by what Placement just said, if it said anything. Only where orders may be given: to enable a host needs a proof."""
    _enable_again(draft)
    said, draft.room = draft.room, None
    if isinstance(said, RoomRead):
        _weigh(draft, said)
    elif said is not None:
        claim_first(draft, said.places)


def _weigh(draft: Draft, event: RoomRead) -> None:
    """Claim what the moves need that want a reserved host, by what Placement says; let go of hosts that have nothing for them."""
    free = free_spares(draft)
    wanting = [move for move in draft.state.moves if _wants(draft, move)]
    if event.room is None:
        claim_first(draft, event.places)
        return
    if not free or not wanting:
        return
    # Of all of them: what Nova chose to put on a reserved host that was enabled fills it as well.
    for move in draft.state.moves:
        draft.put(replace(move, needs=tuple(sorted(event.room.held.get(move.instance, {}).items()))))
    load = {move.instance: dict(_move(draft, move.instance).needs) for move in wanting}
    tried = {move.instance: move.tried for move in wanting}
    ready = {entry.host: _left(draft, entry) for entry in draft.state.reserved if entry.status is ReservedStatus.READY}
    rooms = {host: room for host, room in event.rooms if host in free}
    passed = sorted(set(free) - set(rooms))
    if passed:
        draft.say(Code.RESERVED_PASSED, names=", ".join(passed))
    taken, homeless = pick(load, ready, tried, rooms, event.places, draft.state.host)
    for host in taken:
        _claim(draft, host, event.places, tuple(sorted(rooms[host].free.items())))
    for move in wanting:
        # What has nothing for it counts as tried in this round: it goes elsewhere, or waits for room.
        without = [*passed, *(rooms if move.instance in homeless else ())]
        known = _move(draft, move.instance)
        draft.put(replace(known, tried=tuple(dict.fromkeys((*known.tried, *without)))))


def claim_first(draft: Draft, places: Places) -> None:
    """Claim the nearest free reserved host, the first of several, where Placement cannot say which is the best."""
    free = sorted(free_spares(draft), key=lambda name: nearness(places, draft.state.host, name))
    wanting = (move for move in draft.state.moves if move.status is MoveStatus.PENDING)
    if free and any(wants_reserved(draft.state.method, move) for move in wanting):
        _claim(draft, free[0], places)


def _claim(draft: Draft, host: str, places: Places, room: tuple[tuple[str, int], ...] = ()) -> None:
    """Claim a reserved host, and record what it is to be added to before anything is ordered."""
    draft.say(Code.RESERVED_CLAIMED, reserved=host, host=draft.state.host)
    entry = Reserved(host, ReservedStatus.ENABLING, room=room, joins=to_join(draft, places, host))
    draft.change(reserved=(*draft.state.reserved, entry))
    draft.ask(EnableReserved(host, entry.joins))


def pick(
    load: Mapping[str, Amounts],
    ready: Mapping[str, Room],
    tried: Mapping[str, Collection[str]],
    rooms: Mapping[str, Room],
    places: Places,
    host: str,
) -> tuple[list[str], frozenset[str]]:
    """Choose hosts of `rooms` for what `ready` does not hold; return them, and the instances for which none has room.

    What an instance has tried in vain is no room for it, however much the numbers say is free there.
    """
    left = {name: load[name] for name, place in fit_in_order(load, ready, tried).items() if place is None}
    near = {name: nearness(places, host, name) for name in rooms}
    taken: list[str] = []
    for tier in sorted(set(near.values())):
        candidates = [name for name in rooms if near[name] == tier]
        while left and candidates:
            best = min(candidates, key=lambda name: _rank(left, rooms[name], name, tried))
            placed = fit_in_order(left, {best: rooms[best]}, tried)
            candidates.remove(best)
            if any(place is not None for place in placed.values()):
                taken.append(best)
                left = {name: left[name] for name, place in placed.items() if place is None}
    return taken, frozenset(left)


def _rank(
    left: Mapping[str, Amounts], room: Room, name: str, tried: Mapping[str, Collection[str]]
) -> tuple[bool, int, str]:
    """Order those that hold all by how little they have, before the others by how many they hold."""
    held = sum(place is not None for place in fit_in_order(left, {name: room}, tried).values())
    holds_all = held == len(left)
    return not holds_all, sum(room.free.values()) if holds_all else -held, name


def _wants(draft: Draft, move: Move) -> bool:
    is_due = move.retry_at is None or move.retry_at <= draft.now
    is_free = move.status is MoveStatus.PENDING and is_due and move.unlisted_since is None and move.pinned is None
    return is_free and wants_reserved(draft.state.method, move)


def _move(draft: Draft, instance: str) -> Move:
    return next(move for move in draft.state.moves if move.instance == instance)


def _left(draft: Draft, entry: Reserved) -> Room:
    """Return what is left of a reserved host by what was sent there."""
    size = dict(entry.room)
    return Room(size=size, largest=size, held=load_of(draft, entry.host))


def give_back(draft: Draft) -> bool:
    """Order unused reserved hosts back, and those that may be enabled; tell whether one is on its way there."""
    going = [_is_going_back(draft, entry) for entry in draft.state.reserved]
    return any(going)


def _is_going_back(draft: Draft, entry: Reserved) -> bool:
    state = draft.state
    if entry.status is ReservedStatus.ENABLING:
        if draft.waits_for(EnableReserved(entry.host).key):
            return True
        entry = replace(entry, status=ReservedStatus.FAILED)
        _put(draft, entry)
    if any(key.startswith(f"return-reserved:{entry.host}:") for key in state.outstanding):
        return True
    is_spent = entry.status is ReservedStatus.READY or entry.doubted_at is not None
    if not is_spent or entry.is_kept:
        return False
    if _is_used(state.moves, entry.host):
        return _keep(draft, entry, "an instance is there, or may be") if entry.doubted_at is not None else False
    if entry.doubted_at is not None and draft.now < entry.doubted_at + draft.policy.answer_settle_seconds:
        return True  # what was ordered may yet take effect
    if entry.returns >= MOST_RETURNS:
        return _keep(draft, entry, f"{MOST_RETURNS} orders to give it back did not leave, or got no answer")
    draft.ask(ReturnReserved(entry.host, entry.returns + 1, entry.joins))
    _put(draft, replace(entry, returns=entry.returns + 1))
    return True


def _keep(draft: Draft, entry: Reserved, detail: str) -> bool:
    """Say that it does not go back, and why."""
    code = Code.SPARE_KEPT if entry.doubted_at is None else Code.SPARE_IN_DOUBT
    draft.say(code, reserved=entry.host, host=draft.state.host, detail=detail)
    _put(draft, replace(entry, is_kept=True))
    return False


def _is_used(moves: Sequence[Move], host: str) -> bool:
    """Tell whether a guest is there, or may be, by what was ordered and what Nova said."""
    landed = (MoveStatus.LANDED, MoveStatus.MOVED)
    return any(
        host in (move.destination, move.pinned, *move.suspects) or (move.target == host and move.status in landed)
        for move in moves
    )


def returned(draft: Draft, event: ReservedReturned) -> None:
    """It is a reserve again."""
    draft.say(Code.SPARE_BACK, reserved=event.host)
    for entry in draft.state.reserved:
        if entry.host == event.host:
            draft.reasons.extend(left(entry.host, entry.joins, event.stuck))
    others = tuple(entry for entry in draft.state.reserved if entry.host != event.host)
    draft.change(reserved=others, given_back=(*draft.state.given_back, event.host))


def kept(draft: Draft, event: ReservedKept) -> None:
    """It stays in service until the way back of the failed host; where nobody knows whether it does, it is looked at once more."""
    for entry in draft.state.reserved:
        if entry.host != event.host:
            continue
        if event.is_unclear:
            _put(draft, replace(entry, doubted_at=draft.now))
        elif entry.status is ReservedStatus.READY:
            _keep(draft, replace(entry, doubted_at=None), event.detail)
        else:
            _keep(draft, entry, event.detail)


def ready(draft: Draft, event: ReservedEnabled) -> None:
    """It takes instances now."""
    draft.say(Code.RESERVED_READY, reserved=event.host)
    for entry in draft.state.reserved:
        if entry.host == event.host:
            joins = ours(draft, entry.host, event.joinings, was_ordered_before=entry.doubted_at is not None)
            _put(draft, replace(entry, status=ReservedStatus.READY, doubted_at=None, joins=joins))


def failed(draft: Draft, event: ReservedFailed) -> None:
    """It takes none; where nobody knows whether it is enabled, that is looked up before the end."""
    for entry in draft.state.reserved:
        if entry.host == event.host:
            doubted_at = draft.now if event.is_in_doubt else entry.doubted_at
            # Where something went wrong that nobody thought of, nothing is known of what was added: all of it may have been.
            joins = entry.joins
            if event.joinings:
                joins = ours(draft, entry.host, event.joinings, was_ordered_before=entry.doubted_at is not None)
            _put(draft, replace(entry, status=ReservedStatus.FAILED, doubted_at=doubted_at, joins=joins))
    draft.say(Code.RESERVED_FAILED, reserved=event.host, detail=event.detail)


def in_doubt(known: tuple[Reserved, ...], now: float) -> tuple[Reserved, ...]:
    """Doubt those whose order somebody else gave: its answer will not come. They are enabled once more where they are wanted."""
    return tuple(
        replace(entry, doubted_at=now) if entry.status is ReservedStatus.ENABLING else entry for entry in known
    )


def not_sent(draft: Draft) -> None:
    """Let those whose order never left be claimed again; where an earlier one may have, it is given again in a moment."""
    for entry in draft.state.reserved:
        if not _waits_to_be_enabled(draft.state, entry):
            continue
        if entry.doubted_at is not None:
            _put(draft, replace(entry, doubted_at=draft.now))
        else:
            draft.change(reserved=tuple(other for other in draft.state.reserved if other.host != entry.host))


def _enable_again(draft: Draft) -> None:
    """Give the order once more that was another engine's, where the host is still wanted."""
    if any(_wants(draft, move) for move in draft.state.moves):
        for entry in draft.state.reserved:
            if _waits_to_be_enabled(draft.state, entry) and _again_at(entry, draft.policy) <= draft.now:
                draft.ask(EnableReserved(entry.host, entry.joins))


def next_due(state: Recovery, policy: Policy) -> tuple[float, ...]:
    """Return when a host in doubt may be enabled again, and when it may be looked at."""
    enable = [_again_at(entry, policy) for entry in state.reserved if _waits_to_be_enabled(state, entry)]
    doubted = [entry.doubted_at for entry in state.reserved if entry.doubted_at is not None and not entry.is_kept]
    return (*enable, *(at + policy.answer_settle_seconds for at in doubted))


def _waits_to_be_enabled(state: Recovery, entry: Reserved) -> bool:
    return entry.status is ReservedStatus.ENABLING and EnableReserved(entry.host).key not in state.outstanding


def _again_at(entry: Reserved, policy: Policy) -> float:
    return (entry.doubted_at or 0.0) + policy.power_read_spacing_seconds


def _put(draft: Draft, entry: Reserved) -> None:
    draft.change(reserved=tuple(entry if old.host == entry.host else old for old in draft.state.reserved))
