"""From the proof to the end: force down, survey, order the moves, follow them by Nova's records, verify where the instances are.

Rules: no order without a proof that holds (P1) and with a suspect alive (P2); an order without an answer is looked up, never just
repeated; moved means that Nova lists the instance elsewhere and its record is done; the end is believed only after one more look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core import diagnosing, following, shortage, spares
from vmha.core.copying import replace
from vmha.core.effects import Evacuate, ForceDown, ReadProgress, SurveyHost
from vmha.core.events import EvacuationUnanswered
from vmha.core.explain import Code, because
from vmha.core.model import MoveStatus, Outcome, Phase, Rung
from vmha.core.priority import in_order, say_unreadable
from vmha.core.retrying import no_target
from vmha.core.targets import TERMINAL, NoTarget, choose, holds_room, must_wait_for_disk, plan_move, rule

LOCATED_AT_ONCE = 50
"""Instances that Nova is asked for one by one with one look at its lists; where more are missing a cell is down, and they wait their turn."""

if TYPE_CHECKING:
    from vmha.core.draft import Draft
    from vmha.core.events import HostSurveyed
    from vmha.core.explain import Reason
    from vmha.core.model import Move

GROUNDS = {
    Rung.IPMI: "ipmi",
    Rung.HUMAN: "human",
    Rung.DETECTOR: "none, only the monitor's word (policy = detector)",
}
"""What the last sentence of a recovery says that it stood on."""

ANSWER_SECONDS = 120.0
"""Twice the longest `[engine] order_seconds`: an order that waited longer does not leave, and one that left has ended by then."""


def forcing_down(draft: Draft) -> None:
    """Tell Nova that the host is down, so that it lets us evacuate."""
    state = draft.state
    if state.prior is not None:
        draft.enter(Phase.PLANNING, because(Code.FORCED_DOWN, host=state.host))
    elif (
        state.nova_due <= draft.now
        and state.proof is not None
        and "power" not in state.checks
        and not state.outstanding & {ForceDown.key, "heartbeats"}
    ):
        draft.ask(ForceDown(state.host))


def planning(draft: Draft) -> None:
    """Find out what is on the host."""
    state = draft.state
    if state.surveyed:
        draft.change(phase=Phase.MOVING, phase_since=draft.now)
    elif state.nova_due <= draft.now and not draft.waits_for(SurveyHost.key):
        draft.ask(SurveyHost(state.host, with_images=draft.policy.read_images))


def surveyed(draft: Draft, event: HostSurveyed) -> None:
    """Plan the moves of what Nova lists. Where Placement knows more, the recovery goes on with those but does not end (P4)."""
    state, policy = draft.state, draft.policy
    known = {move.instance for move in state.moves}
    # By uuid: a list in pages may show an instance twice, and two moves of it would be two orders.
    listed = {found.uuid: found for found in event.instances}
    late = tuple(
        plan_move(draft, found, event.migrations, event.consumers)
        for uuid, found in listed.items()
        if uuid not in known
    )
    late = in_order(late, listed)
    doubt = _doubt(draft, event)
    draft.change(
        surveyed=True,
        moves=_plan_stalled_anew(draft, event) + late,
        verified=not late and not known,
        doubt=doubt,
        survey_due=draft.now + (policy.nova_retry_seconds if doubt is not None else policy.verify_seconds),
        nova_due=draft.now + policy.progress_seconds,
    )
    if late:
        say_unreadable(draft, (listed[move.instance] for move in late))
        _say_plan(draft)
    if event.images_trouble is not None:
        draft.say(Code.IMAGES_UNREADABLE, detail=event.images_trouble, default=policy.default_priority)
    if doubt is not None and doubt != state.doubt:
        draft.reasons.append(doubt)
    if not state.surveyed:
        _await_others(draft, event)


def _plan_stalled_anew(draft: Draft, event: HostSurveyed) -> tuple[Move, ...]:
    """Rule once more on instances that a record of somebody else's stands in the way of: it may have ended since."""
    listed = {instance.uuid: instance for instance in event.instances}
    return tuple(
        diagnosing.keep(move, plan_move(draft, listed[move.instance], event.migrations, event.consumers))
        if _is_stalled_by_others(move) and move.instance in listed
        else move
        for move in draft.state.moves
    )


def _await_others(draft: Draft, event: HostSurveyed) -> None:
    """Stay for a while where instances were on their way to this host: what waits for its proof looks every few seconds."""
    host, seconds = draft.state.host, draft.policy.proof_valid_seconds
    on_their_way = (record for record in event.migrations if record.status not in (*TERMINAL, "finished"))
    if any(record.destination == host for record in on_their_way):
        draft.say(Code.AWAITED, host=host, seconds=seconds)
        draft.change(awaited_until=draft.now + seconds)


def _survey_is_due(draft: Draft) -> bool:
    """Tell whether to survey again: the list is not believed, or a record of somebody else's stands in the way of an instance."""
    state = draft.state
    is_of_use = state.doubt is not None or any(_is_stalled_by_others(move) for move in state.moves)
    return is_of_use and state.survey_due <= draft.now and not draft.waits_for(SurveyHost.key)


def _is_stalled_by_others(move: Move) -> bool:
    return move.status is MoveStatus.STALLED and move.attempts == 0


def _doubt(draft: Draft, event: HostSurveyed) -> Reason | None:
    """Say why the list is not believed: consumers that nothing explains, or no provider to agree that there are none."""
    host, seconds = draft.state.host, draft.policy.nova_retry_seconds
    known = {instance.uuid for instance in event.instances} | event.elsewhere
    known |= {record.instance for record in event.migrations if holds_room(record, host)}
    known |= {record.uuid for record in event.migrations}
    hidden = sorted((event.consumers or frozenset()) - known)
    listed = len(event.instances)
    if hidden:
        names = ", ".join(hidden[:3])
        return because(
            Code.HIDDEN_INSTANCES, listed=listed, host=host, hidden=len(hidden), names=names, seconds=seconds
        )
    return because(Code.NO_PROVIDER, host=host, seconds=seconds) if event.consumers is None and not listed else None


def _say_plan(draft: Draft) -> None:
    moves = draft.state.moves
    count = {status: sum(move.status is status for move in moves) for status in MoveStatus}
    draft.say(
        Code.PLANNED,
        total=len(moves),
        host=draft.state.host,
        moving=count[MoveStatus.PENDING],
        held=count[MoveStatus.HELD] + count[MoveStatus.STALLED],
        skipped=count[MoveStatus.SKIPPED],
        failed=count[MoveStatus.FAILED],
    )


def moving(draft: Draft) -> None:
    """Order what may be ordered, follow what is under way, end when all is settled."""
    _reconsider(draft)
    _order_pending(draft)
    shortage.look(draft)
    follow(draft)
    open_moves = [move for move in draft.state.moves if not move.status.is_final]
    if _survey_is_due(draft):
        draft.ask(SurveyHost(draft.state.host, with_images=draft.policy.read_images))
    if not open_moves:
        if draft.state.doubt is not None:
            draft.enter(Phase.HELD, draft.state.doubt)
        elif not _is_awaited(draft):
            end_if_settled(draft)
        return
    waiting = [move for move in open_moves if _waits(draft, move)]
    if len(waiting) == len(open_moves):
        draft.enter(Phase.HELD, _why_held(draft, waiting))
    elif draft.state.nova_trouble is None:
        draft.enter(Phase.MOVING, draft.state.shortage or _progress(draft))


def _waits(draft: Draft, move: Move) -> bool:
    """Tell whether nothing of ours will move the instance on. One that a list lacks is most often deleted, and located in a moment."""
    if move.unlisted_since is not None:
        return draft.now - move.unlisted_since >= draft.policy.nova_retry_seconds
    return move.status in (MoveStatus.HELD, MoveStatus.STALLED)


def _is_awaited(draft: Draft) -> bool:
    """Tell whether another recovery may still have to see that this host is proven off."""
    return draft.state.awaited_until is not None and draft.now < draft.state.awaited_until


def _why_held(draft: Draft, waiting: list[Move]) -> Reason:
    move, host = waiting[0], draft.state.host
    first = move.reason
    if move.unlisted_since is not None:
        named = {"name": move.name, "instance": move.instance}
        first = because(Code.NOT_LISTED, host=host, seconds=draft.policy.verify_seconds, **named)
    words = first.sentence if first else ""
    return because(Code.HELD, count=len(waiting), total=len(draft.state.moves), host=host, first=words)


def end_if_settled(draft: Draft) -> bool:
    """End the recovery if nothing is left to do; that needs no proof any more. Tell whether it ended."""
    state = draft.state
    is_open = any(not move.status.is_final for move in state.moves) or state.doubt is not None
    if not state.surveyed or not state.verified or is_open or diagnosing.is_open(state):
        return False
    if spares.give_back(draft):
        return False
    _finish(draft)
    return True


def follow(draft: Draft) -> None:
    """Read Nova's records when it is time, with the list of the host where that could settle something."""
    _give_up_waiting(draft)
    state, policy = draft.state, draft.policy
    if not state.moves or draft.waits_for(ReadProgress.key) or state.nova_due > draft.now:
        return
    in_flight = [move for move in state.moves if move.status.is_in_flight]
    calm = not in_flight and not any(move.status is MoveStatus.PENDING for move in state.moves)
    settling = any(move.status is MoveStatus.UNANSWERED and _has_settled(draft, move) for move in state.moves)
    landed = any(move.status is MoveStatus.LANDED for move in state.moves)
    unlisted = tuple(move.instance for move in state.moves if move.unlisted_since is not None)[:LOCATED_AT_ONCE]
    with_instances = calm or settling or bool(unlisted or "progress" in state.checks) or (landed and not in_flight)
    if not in_flight and not with_instances and not landed:
        return
    near_end = len(in_flight) <= policy.progress_end_moves
    waits = state.phase is Phase.HELD or bool(unlisted)
    interval = policy.verify_seconds if waits else policy.progress_end_seconds if near_end else policy.progress_seconds
    draft.ask(ReadProgress(state.host, with_instances, unlisted), nova_due=draft.now + interval)


def _give_up_waiting(draft: Draft) -> None:
    """Take an order without an answer for unanswered, long after any deadline: a lost answer may not hold a recovery for ever."""
    for move in draft.state.moves:
        waited = 0.0 if move.ordered_at is None else draft.now - move.ordered_at
        if move.status is MoveStatus.ORDERED and waited >= ANSWER_SECONDS:
            key = f"evacuate:{move.instance}:{move.attempts}"
            draft.change(outstanding=draft.state.outstanding - {key})
            detail = f"none came within {ANSWER_SECONDS:.0f} s"
            following.unanswered(draft, EvacuationUnanswered(answers=key, instance=move.instance, detail=detail))


def _has_settled(draft: Draft, move: Move) -> bool:
    return move.ordered_at is None or draft.now - move.ordered_at >= draft.policy.answer_settle_seconds


def _reconsider(draft: Draft) -> None:
    """Take up what no longer has to wait: storage declared since, suspects proven off since; hold what was freed but has a local disk."""
    for move in draft.state.moves:
        held_by_disk = must_wait_for_disk(move, draft.policy)
        if move.status is (MoveStatus.PENDING if held_by_disk else MoveStatus.HELD):
            draft.put(rule(draft, move, ()))
        elif move.status in (MoveStatus.STALLED, MoveStatus.ACCEPTED):
            following.reconsider(draft, move)
        elif move.status is MoveStatus.PENDING and move.pinned in draft.around.proven_off:
            draft.put(replace(move, pinned=None))


def _order_pending(draft: Draft) -> None:
    state, policy = draft.state, draft.policy
    if state.proof is None or not state.proof.holds(draft.now) or state.checks:
        return
    asked_for = sum(move.status is MoveStatus.ORDERED for move in state.moves)
    in_flight = sum(move.status.is_in_flight for move in state.moves)
    room = min(policy.orders_at_once - asked_for, policy.moves_in_flight - in_flight)
    spares.consider(draft)
    for move in draft.state.moves:
        if room <= 0:
            return
        is_due = move.retry_at is None or move.retry_at <= draft.now
        if move.status is MoveStatus.PENDING and is_due and move.unlisted_since is None:
            room -= _order(draft, move)


def _order(draft: Draft, move: Move) -> bool:
    """Order one evacuation; tell whether it was ordered."""
    proof = draft.state.proof
    if proof is None:
        return False
    try:
        target = choose(draft, move)
    except NoTarget as nothing:
        if nothing.code is not None:
            no_target(draft, move, nothing.code)
        return False
    attempt = move.attempts + 1
    draft.put(
        replace(
            move,
            status=MoveStatus.ORDERED,
            attempts=attempt,
            target=target,
            destination=None,
            after_migration=max(move.after_migration, move.migration or 0),
            migration=None,
            ordered_at=draft.now,
            started_at=move.started_at or draft.now,
            retry_at=None,
            reason=None,
        )
    )
    draft.change(verified=False, nova_due=min(draft.state.nova_due, draft.now + draft.policy.progress_seconds))
    draft.say(Code.EVACUATION_ORDERED, name=move.name, instance=move.instance, target=target or "where Nova chooses")
    draft.ask(
        Evacuate(
            instance=move.instance,
            source=draft.state.host,
            target=target,
            proof=proof.uuid,
            attempt=attempt,
        )
    )
    return True


def _progress(draft: Draft) -> Reason:
    moves = draft.state.moves
    done = sum(move.status.is_final for move in moves)
    return because(Code.MOVING, done=done, total=len(moves), host=draft.state.host)


def _finish(draft: Draft) -> None:
    state = draft.state
    moved = sum(move.status is MoveStatus.MOVED for move in state.moves)
    failed = [move for move in state.moves if move.status is MoveStatus.FAILED]
    seconds = draft.now - state.opened_at
    if failed:
        first = diagnosing.summary(failed)
        reason = because(Code.ENDED_FAILED, failed=len(failed), total=len(state.moves), host=state.host, first=first)
        draft.end(Outcome.FAILED, reason)
    elif not state.moves:
        draft.end(Outcome.NOTHING_TO_MOVE, because(Code.NOTHING_TO_MOVE, host=state.host))
    else:
        proof = GROUNDS[state.proof.rung] if state.proof else "gone before the end"
        total = len(state.moves)
        facts = {"moved": moved, "total": total, "others": total - moved, "proof": proof}
        draft.end(Outcome.RECOVERED, because(Code.RECOVERED, host=state.host, seconds=seconds, **facts))
