"""What becomes of a move that failed: elsewhere at once, here again after a pause, or a human's.

Rules:
1. Where the place was at fault and the method knows another one, the instance goes there at once; nobody waits twice.
2. To find no room is no failed attempt. It is tried again, with growing pauses, until `no_capacity_seconds` are over.
3. All else counts: after `move_attempts` a human gets the instance. A success on a later attempt is a success.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core.copying import replace
from vmha.core.explain import Code, because
from vmha.core.model import MoveStatus
from vmha.core.targets import has_another_place

if TYPE_CHECKING:
    from vmha.core.draft import Draft
    from vmha.core.explain import Reason
    from vmha.core.model import Move


def retry_or_fail(draft: Draft, move: Move, detail: str, final: Reason, *, blames_place: bool) -> None:
    """Count the attempt, and give the order again or give the move up."""
    policy = draft.policy
    if move.failed_attempts >= policy.move_attempts:
        give_up(draft, move, final)
    elif blames_place and has_another_place(draft, move):
        _elsewhere(draft, move, detail)
    else:
        _again(draft, move, detail, policy.move_retry_seconds * 2 ** (move.failed_attempts - 1))


def no_room(draft: Draft, move: Move, detail: str) -> None:
    """Nova found no host for it, or did not take the one that was named: it is too full, or a filter is against it."""
    move = replace(move, no_room=move.no_room + 1)
    if has_another_place(draft, move):
        _elsewhere(draft, move, detail)
    else:
        _wait_for_room(draft, move, detail)


def _wait_for_room(draft: Draft, move: Move, detail: str) -> None:
    """Begin another round after a pause, or give up after the last one."""
    since = draft.now if move.no_room_since is None else move.no_room_since
    move = replace(move, no_room_since=since)
    if (pause := _pause(draft, since)) is not None:
        _again(draft, move, detail, pause)
    else:
        waited = draft.now - since
        named = {"name": move.name, "instance": move.instance}
        missing = _missing(draft)
        give_up(
            draft, move, because(Code.NO_CAPACITY, **named, attempts=move.attempts, seconds=waited, missing=missing)
        )


def no_target(draft: Draft, move: Move, code: Code) -> None:
    """No destination can be named, for the reason `code`: nothing is ordered, and a reserved host, or room, may come until the bound."""
    if code is Code.NO_CAPACITY:
        _wait_for_room(draft, move, "no place of its method is left that has room for it")
        return
    since = draft.now if move.no_room_since is None else move.no_room_since
    reason = because(code, name=move.name, instance=move.instance)
    pause = _pause(draft, since)
    if pause is None:
        give_up(draft, move, reason)
        return
    if move.no_room_since is None:
        draft.reasons.append(reason)
    draft.put(replace(move, no_room_since=since, tried=(), retry_at=draft.now + pause, reason=reason))


def wait_on(draft: Draft, seconds: float) -> None:
    """Leave time in which nothing could be ordered out of what an instance waits for room at the most."""
    for move in draft.state.moves:
        if move.no_room_since is not None:
            draft.put(replace(move, no_room_since=move.no_room_since + seconds))


def give_up(draft: Draft, move: Move, reason: Reason) -> None:
    """Fail the move."""
    draft.reasons.append(reason)
    draft.put(replace(move, status=MoveStatus.FAILED, ended_at=draft.now, reason=reason, diagnosis=None))


def _pause(draft: Draft, since: float) -> float | None:
    """Return the pause before the next try: as long as it was tried already, the last one at the bound. None: that is over."""
    policy, waited = draft.policy, draft.now - since
    left = policy.no_capacity_seconds - waited
    if left <= 0:
        return None
    return min(max(waited, policy.move_retry_seconds), policy.no_capacity_pause_seconds, left)


def _elsewhere(draft: Draft, move: Move, detail: str) -> None:
    reason = draft.say(Code.MOVE_ELSEWHERE, name=move.name, instance=move.instance, detail=detail)
    draft.put(replace(move, status=MoveStatus.PENDING, retry_at=None, reason=reason))
    draft.change(verified=False)


def _again(draft: Draft, move: Move, detail: str, pause: float) -> None:
    """Begin anew with all places after a pause."""
    reason = draft.say(Code.MOVE_FAILED_RETRY, name=move.name, instance=move.instance, detail=detail, seconds=pause)
    draft.put(replace(move, status=MoveStatus.PENDING, tried=(), retry_at=draft.now + pause, reason=reason))
    draft.change(verified=False)


def _missing(draft: Draft) -> str:
    """Say in words what was missing when Placement was asked last."""
    shortage = draft.state.shortage
    return dict(shortage.facts)["missing"] if shortage is not None else "Placement has not said what is missing"
