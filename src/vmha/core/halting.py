"""A human stops what the engine would do: pause and resume, cancel, reject, and a fleet that is disarmed.

Rules: a halted recovery orders nothing, and what Nova already took is followed to its end; readings go on, so that what is known at its
end is of now. A pause, or a disarming, ends in the phase in which it began, or in the wait that the readings led to meanwhile; a cancel
ends the recovery, a reject at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core import doubts, moving
from vmha.core.copying import replace
from vmha.core.explain import Code, because
from vmha.core.model import Halt, HumanWord, MoveStatus, Outcome, Phase, Power
from vmha.core.retrying import wait_on

if TYPE_CHECKING:
    from vmha.core.draft import Draft
    from vmha.core.events import Cancelled, Paused, Rejected, Resumed
    from vmha.core.explain import Reason
    from vmha.core.model import Recovery


def look(draft: Draft) -> None:
    """Halt where the host, its segment or all is disarmed, and go on where it is armed again."""
    state, disarmed = draft.state, draft.around.disarmed
    if state.phase in (Phase.CANCELLING, Phase.ENDED) or (state.halt is not None and state.halt.word is not None):
        return
    if disarmed is None:
        if state.halt is not None:
            _go_on(draft, draft.say(Code.ARMED_AGAIN, host=state.host))
    elif state.halt is None or state.reason != _why_disarmed(draft):
        _halt(draft, None, _why_disarmed(draft))


def paused(draft: Draft, event: Paused) -> None:
    """Take a human's word that nothing more is to be ordered for now. The first stands until somebody resumes."""
    halt = draft.state.halt
    if draft.state.phase is Phase.CANCELLING or (halt is not None and halt.word is not None):
        draft.refuse(Code.PAUSE_NOT_TAKEN, by=event.by)
        return
    word = HumanWord(event.by, event.why, draft.now)
    _halt(draft, word, because(Code.PAUSED, by=word.by, host=draft.state.host, why=word.why))


def resumed(draft: Draft, event: Resumed) -> None:
    """Take a human's word that it is to go on; what is disarmed stays halted all the same."""
    halt = draft.state.halt
    if halt is None or halt.word is None:
        draft.refuse(Code.RESUME_NOT_TAKEN, by=event.by)
    elif draft.around.disarmed is not None:
        draft.say(Code.PAUSE_OVER, by=event.by, why=event.why)
        _halt(draft, None, _why_disarmed(draft))
    else:
        _go_on(draft, draft.say(Code.PAUSE_OVER, by=event.by, why=event.why))


def cancelled(draft: Draft, event: Cancelled) -> None:
    """Take a human's word that nothing more is to be ordered at all; the recovery ends when what Nova took has ended."""
    word = HumanWord(event.by, event.why, draft.now)
    reason = because(Code.CANCELLED, by=word.by, host=draft.state.host, why=word.why)
    draft.revoke(reason)
    _let_go_of_confirm(draft, Code.CONFIRM_NOT_ASKED)
    draft.change(halt=None, cancel=draft.state.cancel or word)
    draft.enter(Phase.CANCELLING, reason)


def rejected(draft: Draft, event: Rejected) -> None:
    """Take a human's no, in any phase: nothing more is done for this host."""
    reason = why_rejected(draft.state, event.by, event.why, draft.around.proven_off)
    draft.revoke(reason)
    draft.end(Outcome.REJECTED, reason)


def why_rejected(state: Recovery, by: str, why: str, proven_off: frozenset[str]) -> Reason:
    """Say what a human's no leaves behind."""
    facts = {"by": by, "why": why, "host": state.host}
    if state.prior is None and state.fence.sent:
        return because(Code.REJECTED_POWERED_OFF, **facts, orders=state.fence.sent, power=_power(state))
    if state.prior is None:
        return because(Code.REJECTED, **facts)
    total, left = len(state.moves), sum(not move.status.is_final for move in state.moves)
    if unclear := doubts.in_doubt(state, proven_off):
        count, places = len(unclear), doubts.places(unclear)
        return because(Code.REJECTED_IN_DOUBT, **facts, total=total, left=left, count=count, places=places)
    return because(Code.REJECTED_MIDWAY, **facts, total=total, left=left)


def _power(state: Recovery) -> str:
    """Say what the orders to power the host off came to, by what was read since."""
    said = {Power.OFF: "its BMC read OFF since", Power.ON: "its BMC read ON since, and may yet switch it off"}
    last = state.fence.last
    return said[last] if last is not None else "it is likely off, since nothing was read of it after that"


def halted(draft: Draft) -> None:
    """Follow what Nova took, and take no step."""
    if draft.state.surveyed:
        moving.follow(draft)


def cancelling(draft: Draft) -> None:
    """Leave alone what nobody works on, follow the rest, and end."""
    word = draft.state.cancel
    if word is None:
        return
    doubts.leave(draft, lambda move: because(Code.CANCELLED_MOVE, name=move.name, instance=move.instance, by=word.by))
    moving.follow(draft)
    if doubts.is_settled(draft):
        draft.end(Outcome.REJECTED, _why_cancelled(draft, word))


def _why_cancelled(draft: Draft, word: HumanWord) -> Reason:
    state, facts = draft.state, {"by": word.by, "why": word.why, "host": draft.state.host}
    if state.prior is None and state.fence.sent:
        return because(Code.CANCELLED_POWERED_OFF, **facts, orders=state.fence.sent, power=_power(state))
    if state.prior is None:
        return because(Code.CANCELLED_EARLY, **facts)
    moved, total = sum(move.status is MoveStatus.MOVED for move in state.moves), len(state.moves)
    if unclear := doubts.in_doubt(state, draft.around.proven_off):
        count, places = len(unclear), doubts.places(unclear)
        return because(Code.CANCELLED_IN_DOUBT, **facts, moved=moved, total=total, count=count, places=places)
    return because(Code.CANCELLED_MIDWAY, **facts, moved=moved, total=total)


def _halt(draft: Draft, word: HumanWord | None, reason: Reason) -> None:
    """Halt, or go on halting for another reason; where it goes on afterwards stays as it was."""
    state = draft.state
    before = state.halt or Halt(phase=state.phase, reason=state.reason)
    _let_go_of_confirm(draft, Code.CONFIRM_HALTED)
    draft.change(halt=replace(before, word=word))
    draft.enter(Phase.HALTED, reason)


def _let_go_of_confirm(draft: Draft, code: Code) -> None:
    """Refuse a confirm that still waits for a look at Nova: nothing is done by it any more."""
    word = draft.state.unweighed
    if word is not None:
        draft.change(unweighed=None)
        draft.refuse(code, by=word.by)


def _why_disarmed(draft: Draft) -> Reason:
    order = draft.around.disarmed
    if order is None:
        raise ValueError("nothing is disarmed")
    return because(Code.DISARMED, host=draft.state.host, **order.facts)


def _go_on(draft: Draft, reason: Reason) -> None:
    """Go back to where it was halted; a round of fencing begins anew, since its time ran on and Nova's silence has to be looked at."""
    halt, fence = draft.state.halt, draft.state.fence
    if halt is None:
        return
    wait_on(draft, draft.now - draft.state.phase_since)
    draft.change(halt=None, heartbeat_due=draft.now, power_due=draft.now, nova_due=draft.now)
    if halt.phase is not Phase.FENCING:
        draft.enter(halt.phase, halt.reason)
    elif draft.state.word is None:
        draft.enter(Phase.WITNESSING, reason)
    else:
        draft.change(fence=replace(fence, round_started_at=draft.now))
        draft.enter(Phase.FENCING, reason)
