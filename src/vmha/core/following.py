"""What Nova's answers and records mean for the moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core.copying import replace
from vmha.core.effects import SurveyHost
from vmha.core.explain import Code, because
from vmha.core.model import MoveStatus
from vmha.core.retrying import give_up, no_room, retry_or_fail
from vmha.core.targets import ANYWHERE, CLEANED_UP, FAILED, SUCCEEDED, UNNAMED, has_reached, rule

VAIN_ORDERS = 20
"""How many orders of one instance may meet a Nova that does not take them. With the pauses between them that is some twenty minutes."""

NO_HOST = "error"
"""Nova's word for an evacuation for which its scheduler found no host, also where we named one."""

LONGEST_PAUSE_SECONDS = 60.0
"""Between two orders that Nova did not take: no instance waits much longer than Nova was away."""

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmha.core.draft import Draft
    from vmha.core.events import EvacuationRefused, EvacuationUnanswered, OrderNotSent, ProgressRead
    from vmha.core.model import Instance, Migration, Move


def accepted(draft: Draft, instance: str) -> None:
    """Nova took the order."""
    move = _find(draft, instance)
    if move is not None and move.status is MoveStatus.ORDERED:
        draft.say(Code.EVACUATION_ACCEPTED, name=move.name, instance=instance)
        draft.put(replace(move, status=MoveStatus.ACCEPTED, ordered_at=draft.now))


def refused(draft: Draft, event: EvacuationRefused) -> None:
    """Nova began nothing: the instance is gone, or it is tried again within bounds."""
    move = _find(draft, event.instance)
    if move is None or move.status is not MoveStatus.ORDERED:
        return
    if event.status == 404 and move.target is None:
        _gone(draft, move)
        return
    if event.status == 404:
        # The host that we named may be what Nova does not know: its list says whether the instance is gone.
        draft.change(checks=draft.state.checks | {"progress"}, nova_due=draft.now)
    reason = because(Code.EVACUATION_REFUSED, name=move.name, instance=move.instance, detail=event.detail)
    tried = (*move.tried, move.target) if move.target and move.pinned is None else move.tried
    retry_or_fail(draft, replace(move, tried=tried), event.detail, reason, blames_place=event.status == 404)


def unanswered(draft: Draft, event: EvacuationUnanswered) -> None:
    """Nova may or may not have taken the order: its records will tell, after a while."""
    move = _find(draft, event.instance)
    if move is None or move.status is not MoveStatus.ORDERED:
        return
    reason = draft.say(Code.EVACUATION_UNANSWERED, name=move.name, instance=move.instance, detail=event.detail)
    draft.put(replace(move, status=MoveStatus.UNANSWERED, ordered_at=draft.now, reason=reason))
    draft.change(nova_due=min(draft.state.nova_due, draft.now + draft.policy.progress_end_seconds))


def not_sent(draft: Draft, event: OrderNotSent) -> None:
    """The order never left: it counts as not given."""
    move = _find(draft, event.instance) if event.instance else None
    if move is not None and move.status is MoveStatus.ORDERED:
        draft.say(Code.NOT_SENT, name=move.name, instance=move.instance, detail=event.detail)
        retry_at = draft.now + draft.policy.power_read_spacing_seconds
        draft.put(replace(move, status=MoveStatus.PENDING, unsent=move.unsent + 1, retry_at=retry_at))
        draft.change(power_due=draft.now)


def progress(draft: Draft, event: ProgressRead) -> None:
    """Take in the records of all evacuations from the host, and the list of the host where it was read."""
    draft.change(verified=False)
    newest = _newest(event.migrations)
    for move in draft.state.moves:
        record = newest.get(move.instance)
        if record is not None and record.id > move.after_migration and move.status is not MoveStatus.PENDING:
            _by_record(draft, move, record)
    _by_place(draft, dict(event.located))
    if event.instances is not None:
        _by_list(draft, {instance.uuid: instance for instance in event.instances})
        draft.change(checks=draft.state.checks - {"progress"})
    for move in draft.state.moves:
        is_still_listed = move.status is MoveStatus.LANDED and event.instances is not None
        if move.status is MoveStatus.ACCEPTED or is_still_listed:
            _stall_if_late(draft, move)
    if not any(move.status.is_in_flight for move in draft.state.moves):
        draft.change(nova_due=draft.now if event.instances is None else draft.state.nova_due)


def _newest(migrations: Iterable[Migration]) -> dict[str, Migration]:
    newest: dict[str, Migration] = {}
    for record in migrations:
        if record.instance not in newest or newest[record.instance].id < record.id:
            newest[record.instance] = record
    return newest


def _by_record(draft: Draft, move: Move, record: Migration) -> None:
    """Move on by the newest record of an order of ours."""
    if move.status.is_final or move.status in (MoveStatus.LANDED, MoveStatus.HELD):
        return
    if move.status in (MoveStatus.UNANSWERED, MoveStatus.ORDERED):
        draft.say(Code.EVACUATION_FOUND, name=move.name, instance=move.instance, migration=record.id)
        move = replace(move, status=MoveStatus.ACCEPTED, ordered_at=draft.now, reason=None)
    known = replace(move, migration=record.id, destination=record.destination)
    draft.put(known)
    if record.status in SUCCEEDED and (record.status != CLEANED_UP or move.status is not MoveStatus.STALLED):
        if record.status != CLEANED_UP:
            draft.say(Code.LANDED, name=move.name, instance=move.instance, destination=record.destination or UNNAMED)
        draft.put(replace(known, status=MoveStatus.LANDED, ended_at=draft.now, reason=None))
    elif record.status in FAILED:
        _record_failed(draft, known, record)


def _record_failed(draft: Draft, move: Move, record: Migration) -> None:
    """Try again: anywhere if no destination was chosen or the chosen one is proven off, else only there (P2).

    Where another host was suspected before, by a record of somebody else's, there is no place left that is safe.
    """
    chosen = record.destination if has_reached(record) else None
    others = set(move.suspects) - draft.around.proven_off - {chosen}
    if others:
        _suspect(draft, move, tuple(sorted(others | ({chosen} if chosen else set()))))
        return
    move = replace(move, suspects=())
    again = replace(move, pinned=chosen if chosen and chosen not in draft.around.proven_off else move.pinned)
    if chosen is None:
        # Nova writes down a host that we name before it asks its scheduler: nothing went there.
        again = replace(again, destination=None)
        again = replace(again, tried=(*move.tried, move.target or ANYWHERE)) if move.pinned is None else again
        if record.status == NO_HOST and again.pinned is None:
            named = f"Nova's scheduler did not take {move.target} for it"
            no_room(draft, again, named if move.target else "Nova found no host for it")
            return
    detail = f"its migration to {chosen or move.target or UNNAMED} ended {record.status}"
    final = because(Code.MOVE_FAILED, name=move.name, instance=move.instance, detail=detail)
    retry_or_fail(draft, again, detail, final, blames_place=chosen is None)


def _by_list(draft: Draft, listed: dict[str, Instance]) -> None:
    """Settle moves by where Nova lists the instances; have those that appeared since surveyed: they came with records of their own."""
    known = {move.instance for move in draft.state.moves}
    for move in draft.state.moves:
        if move.instance in listed:
            _still_listed(draft, move, listed[move.instance])
        else:
            _no_longer_listed(draft, move)
    late = listed.keys() - known
    if late and not draft.waits_for(SurveyHost.key):
        draft.ask(SurveyHost(draft.state.host, with_images=draft.policy.read_images))
    draft.change(verified=not late)


def _by_place(draft: Draft, located: dict[str, str | None]) -> None:
    """Let go of instances that the list lacked, once Nova says that they are elsewhere or do not exist."""
    for move in draft.state.moves:
        host = located.get(move.instance, draft.state.host)
        if move.unlisted_since is None or move.status is MoveStatus.LANDED or host == draft.state.host:
            continue
        if host is not None and host == move.destination and host not in draft.around.proven_off:
            # It is where our own evacuation was to bring it, whatever the record says by now.
            draft.put(replace(move, status=MoveStatus.LANDED, unlisted_since=None, ended_at=draft.now, reason=None))
        else:
            _gone(draft, move)


def _still_listed(draft: Draft, move: Move, instance: Instance) -> None:
    if move.unlisted_since is not None:
        move = replace(move, unlisted_since=None)
        draft.put(move)
    if move.status is MoveStatus.UNANSWERED and _is_old(draft, move):
        # The task that it had before the order is not the order's: Nova sets "rebuilding" when it takes one.
        if instance.task_state in (None, move.task_state):
            _ordered_in_vain(draft, move)
        else:
            _stall(draft, move)
    elif (
        move.status is MoveStatus.STALLED
        and not move.suspects
        and move.migration is None
        and instance.task_state is None
    ):
        _ordered_in_vain(draft, move)


def _is_old(draft: Draft, move: Move) -> bool:
    return move.ordered_at is None or draft.now - move.ordered_at >= draft.policy.answer_settle_seconds


def _ordered_in_vain(draft: Draft, move: Move) -> None:
    """No record and no task: Nova never took the order. It says nothing of the instance, so it is no failed attempt of it."""
    named = {"name": move.name, "instance": move.instance}
    in_vain = move.in_vain + 1
    if in_vain >= VAIN_ORDERS:
        detail = f"Nova took none of {in_vain} orders"
        give_up(draft, replace(move, in_vain=in_vain), because(Code.MOVE_FAILED, **named, detail=detail))
        return
    # The first is given again at once: a single answer got lost. More of them say that Nova is away.
    pause = min(draft.policy.move_retry_seconds * 2 ** (in_vain - 2), LONGEST_PAUSE_SECONDS) if in_vain > 1 else 0.0
    reason = draft.say(Code.EVACUATION_NOT_TAKEN, **named)
    draft.put(replace(move, status=MoveStatus.PENDING, in_vain=in_vain, retry_at=draft.now + pause, reason=reason))


def _no_longer_listed(draft: Draft, move: Move) -> None:
    if move.status is MoveStatus.LANDED:
        reason = draft.say(Code.MOVED, name=move.name, instance=move.instance, destination=move.destination or UNNAMED)
        draft.put(replace(move, status=MoveStatus.MOVED, reason=reason))
    elif move.unlisted_since is None and (
        move.status in (MoveStatus.PENDING, MoveStatus.HELD, MoveStatus.STALLED, MoveStatus.UNANSWERED)
        or (move.status is MoveStatus.ACCEPTED and move.destination in draft.around.proven_off)
    ):
        draft.put(replace(move, unlisted_since=draft.now))
        draft.change(nova_due=draft.now)


def _gone(draft: Draft, move: Move) -> None:
    reason = draft.say(Code.GONE, name=move.name, instance=move.instance, host=draft.state.host)
    draft.put(replace(move, status=MoveStatus.GONE, unlisted_since=None, ended_at=draft.now, reason=reason))


def _stall_if_late(draft: Draft, move: Move) -> None:
    since = move.ended_at if move.status is MoveStatus.LANDED else move.ordered_at
    if since is not None and draft.now - since >= draft.policy.move_seconds:
        _stall(draft, move)


def _stall(draft: Draft, move: Move) -> None:
    """Nova may have put a guest somewhere: name that host, order nothing."""
    named = move.destination or move.target
    _suspect(draft, move, (named,) if named else ())


def _suspect(draft: Draft, move: Move, suspects: tuple[str, ...]) -> None:
    """Let the instance wait until these hosts are proven off; where none is named, until Nova says more. It is said once."""
    if move.status is MoveStatus.STALLED and move.suspects == suspects:
        return
    names = ", ".join(suspects) or UNNAMED
    reason = draft.say(Code.STALLED, name=move.name, instance=move.instance, suspects=names)
    draft.put(replace(move, status=MoveStatus.STALLED, suspects=suspects, reason=reason))


def reconsider(draft: Draft, move: Move) -> None:
    """Free a move whose suspects are proven off by now: it may be ordered anywhere again, unless its disk holds it."""
    doubts = set(move.suspects) if move.status is MoveStatus.STALLED else {move.destination, *move.suspects}
    doubts.discard(None)
    if doubts and doubts <= draft.around.proven_off:
        after = max(move.after_migration, move.migration or 0)
        draft.put(rule(draft, replace(move, pinned=None, after_migration=after, retry_at=None), ()))


def _find(draft: Draft, instance: str) -> Move | None:
    return next((move for move in draft.state.moves if move.instance == instance), None)
