"""From the report to the proof: witness, brake, power-off, readings, and the waits between them.

Rules: no power-off without a second witness (P0); none beyond the brake (P6); a taken order proves nothing, only readings do (P1); a
host that already reads OFF needs no order; a host that cannot be proven off waits for a fact or a human, and its power is read on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core import detector, evidence
from vmha.core.budgets import asked, passed, spent
from vmha.core.copying import replace
from vmha.core.effects import PowerOff
from vmha.core.evidence import View
from vmha.core.explain import Code, Reason, because
from vmha.core.guards import brake_is_on, why_braked
from vmha.core.model import Outcome, Phase, Power, PowerTrouble
from vmha.core.retrying import wait_on

if TYPE_CHECKING:
    from vmha.core.draft import Draft

HOPELESS = (PowerTrouble.NO_DEVICE, PowerTrouble.BAD_CREDENTIALS, PowerTrouble.WRONG_IDENTITY)
"""Troubles that no second try mends."""

TROUBLES = {
    PowerTrouble.NO_DEVICE: Code.NO_DEVICE,
    PowerTrouble.SILENT: Code.BMC_SILENT,
    PowerTrouble.BAD_CREDENTIALS: Code.BMC_BAD_CREDENTIALS,
    PowerTrouble.WRONG_IDENTITY: Code.BMC_WRONG_IDENTITY,
    PowerTrouble.ERROR: Code.BMC_ERROR,
}

RESUMABLE = (
    *TROUBLES.values(),
    Code.SILENT_SINCE_ON,
    Code.SILENT_STILL,
    Code.FENCE_TIMEOUT,
    Code.OFF_UNWITNESSED,
    Code.CONTRADICTED,
)
"""Reasons to wait that end by themselves when the BMC answers ON: the host was never proven off, so an order is still due."""

SIGNS_OF_A_LIAR = 3
"""Heartbeats after the proof that show a BMC to be wrong: one may have been on its way when the power went, and a PUT looks like one."""


def witnessing(draft: Draft) -> None:
    """Look for the second witness."""
    if proven(draft):
        return
    seen = evidence.view(draft.state.witness, draft.now, draft.policy)
    if seen is View.ALIVE:
        dispute(draft)
    elif seen is View.BLIND:
        draft.enter(Phase.UNWITNESSED, _why_blind(draft))
    elif seen is View.SILENT:
        _say_witness(draft)
        if not _is_guarded(draft):
            begin_round(draft)


def unwitnessed(draft: Draft) -> None:
    """Wait until Nova is a witness again; a host that reads OFF needs none, once Nova hears anybody."""
    if proven(draft):
        return
    if evidence.view(draft.state.witness, draft.now, draft.policy) is not View.BLIND:
        draft.enter(Phase.WITNESSING, because(Code.OPENED, host=draft.state.host))
    else:
        draft.enter(Phase.UNWITNESSED, _why_blind(draft))


def disputed(draft: Draft) -> None:
    """Wait until Nova falls silent too, or hears the host for so long after the last report that it was wrong."""
    if proven(draft):
        return
    state = draft.state
    seen = evidence.view(state.witness, draft.now, draft.policy)
    if seen is View.SILENT:
        draft.enter(Phase.WITNESSING, draft.say(Code.DISPUTE_OVER, host=state.host))
    elif seen is View.ALIVE and _has_outlasted(draft):
        draft.end(Outcome.FALSE_ALARM, _why_false_alarm(draft))


def _has_outlasted(draft: Draft) -> bool:
    """Tell whether the dispute lasted long enough, and Nova heard the host in it: one that still counts as heard may be dead since before."""
    since, heard_at = draft.state.phase_since, draft.state.witness.changed_at
    return draft.now - since >= draft.policy.dispute_seconds and heard_at is not None and heard_at > since


def reported_again(draft: Draft) -> None:
    """Begin the dispute anew: what Nova heard before this report says nothing against it."""
    if draft.state.phase is Phase.DISPUTED:
        draft.change(phase_since=draft.now)


def _why_false_alarm(draft: Draft) -> Reason:
    """Tell a report that was wrong from a host that came back; one whose BMC reads OFF all the time did not."""
    state, fence = draft.state, draft.state.fence
    if fence.was_off and fence.last is Power.ON:
        return because(Code.CAME_BACK, host=state.host, seconds=draft.now - state.phase_since)
    return because(Code.FALSE_ALARM, host=state.host, seconds=draft.now - state.opened_at)


def braked(draft: Draft) -> None:
    """Wait for a human; a host that reads OFF needs no power-off, and one that Nova hears was no failure."""
    if proven(draft):
        return
    if evidence.view(draft.state.witness, draft.now, draft.policy) is View.ALIVE:
        dispute(draft)


def fencing(draft: Draft) -> None:
    """Order the power-off and read until it is proven, or until this round is over."""
    state, fence = draft.state, draft.state.fence
    if proven(draft):
        return
    seen = evidence.view(state.witness, draft.now, draft.policy)
    if seen is View.ALIVE:
        dispute(draft)
    elif seen is View.BLIND and state.word is None and fence.round_orders == 0:
        draft.enter(Phase.UNWITNESSED, _why_blind(draft))
    elif fence.round_orders == 0 and _is_guarded(draft):
        return
    elif detector.may_be_believed(draft):
        _believe_detector(draft)
    elif fence.trouble in HOPELESS or _round_is_over(draft):
        draft.enter(Phase.UNPROVEN, _why_unproven(draft))
    elif _order_is_due(draft):
        _order(draft)


def taken_over(draft: Draft) -> None:
    """Begin anew where the engine before was fencing: nobody has listened to Nova meanwhile, and the time of its round ran on."""
    state = draft.state
    if state.phase is Phase.FENCING and state.word is None:
        draft.enter(Phase.WITNESSING, draft.reasons[-1])
    elif state.phase is Phase.FENCING:
        draft.change(fence=replace(state.fence, round_started_at=draft.now))


def unproven(draft: Draft) -> None:
    """Read power on; go on by itself when the host is proven off after all, when its BMC comes back and says ON, or Nova hears it."""
    state = draft.state
    if proven(draft):
        return
    alive = evidence.view(state.witness, draft.now, draft.policy) is View.ALIVE
    if alive and state.fence.proofs == 0 and state.fence.last is not Power.OFF:
        dispute(draft)
    elif _may_fence_again(draft):
        _fence_again(draft)
    elif detector.may_be_believed(draft) and not _braked_without_word(draft):
        _believe_detector(draft)
    elif state.fence.last is Power.ON and state.fence.proofs and state.reason.code is not Code.HOST_RETURNED:
        draft.enter(Phase.UNPROVEN, evidence.why_returned(state))
    elif _is_explained_anew(draft):
        draft.enter(Phase.UNPROVEN, _why_unproven(draft))


def _may_fence_again(draft: Draft) -> bool:
    """Tell whether another round would begin with an order: the host was never proven off, reads ON, and has a second witness."""
    state, fence = draft.state, draft.state.fence
    is_due = fence.last is Power.ON and fence.proofs == 0 and state.reason.code in RESUMABLE
    return is_due and fence.rounds < draft.policy.fence_rounds and _has_witness(draft)


def _fence_again(draft: Draft) -> None:
    if _is_guarded(draft):
        return
    draft.say(Code.BMC_BACK, host=draft.state.host)
    begin_round(draft)


def _is_explained_anew(draft: Draft) -> bool:
    """Tell whether the reason of the wait is looked for again: not before there is a reading, nor while an OFF waits for a second."""
    state, fence = draft.state, draft.state.fence
    waits_for_second = fence.last is Power.OFF and not evidence.proven_by(fence, draft.policy)
    if waits_for_second or (fence.last is None and fence.trouble is None):
        return False
    if state.reason.code in (Code.WORD_OVERTAKEN, Code.WORD_EXPIRED) and fence.last is None:
        return False  # no reading has anything to say to it
    keeps_living = state.reason.code is Code.SIGN_OF_LIFE and state.witness.advances >= SIGNS_OF_A_LIAR
    return state.reason.code in RESUMABLE or keeps_living or fence.trouble is not None


def proven(draft: Draft) -> bool:
    """Write the proof if the readings give it, and go on."""
    if "power" in draft.state.checks or not evidence.may_prove(draft):
        return False
    if reason := asked(draft.state, draft.around, draft.policy):
        draft.enter(Phase.ASKING, reason)
        return True
    evidence.prove_by_power(draft)
    proceed(draft)
    return True


def _believe_detector(draft: Draft) -> None:
    """Go on without a proof."""
    detector.believe(draft)
    proceed(draft)


def proceed(draft: Draft) -> None:
    """Go on to what a proof allows; the time in which there was none does not count for what waits for room."""
    if draft.state.phase is Phase.UNPROVEN:
        wait_on(draft, draft.now - draft.state.phase_since)
    draft.enter(Phase.FORCING_DOWN, draft.reasons[-1])


def dispute(draft: Draft) -> None:
    """Stop where Nova hears the host; a word that said otherwise was wrong and counts no more.

    A host that was proven off before is no false alarm but came back, and what was ordered meanwhile is still to be followed.
    """
    draft.change(word=None)
    if draft.state.fence.proofs:
        draft.enter(Phase.UNPROVEN, evidence.why_returned(draft.state))
    else:
        draft.enter(Phase.DISPUTED, because(Code.DISPUTED, host=draft.state.host))


def _why_blind(draft: Draft) -> Reason:
    witness, policy = draft.state.witness, draft.policy
    if witness.trouble is None:
        return because(Code.NO_WITNESS_ALL_STALE, host=draft.state.host)
    return because(
        Code.NO_WITNESS_NOVA_AWAY,
        host=draft.state.host,
        detail=witness.trouble,
        seconds=policy.witness_interval_seconds,
    )


def _say_witness(draft: Draft) -> None:
    witness, host = draft.state.witness, draft.state.host
    others = evidence.fresh_peers(witness, draft.policy)
    if witness.says_down:
        draft.say(Code.WITNESS_DOWN, host=host, others=others)
    else:
        silent = (witness.read_at or 0.0) - (witness.changed_at or 0.0)
        draft.say(Code.WITNESS_SILENT, host=host, seconds=silent, others=others)


def _is_guarded(draft: Draft) -> bool:
    """Wait where a guard keeps the host from being powered off; tell whether one does."""
    state, around, policy = draft.state, draft.around, draft.policy
    if reason := asked(state, around, policy):
        draft.enter(Phase.ASKING, reason)
    elif _braked_without_word(draft):
        _brake(draft)
    elif reason := spent(state, around, policy):
        draft.enter(Phase.CAPPED, reason)
    else:
        return False
    return True


def _brake(draft: Draft) -> None:
    draft.change(was_braked=True)
    draft.enter(Phase.BRAKED, why_braked(draft.state.host, draft.around, draft.policy))


def _braked_without_word(draft: Draft) -> bool:
    return draft.state.word is None and (draft.state.was_braked or brake_is_on(draft.around, draft.policy))


def begin_round(draft: Draft) -> None:
    """Begin a round of readings and orders."""
    fence = draft.state.fence
    draft.change(
        fence=replace(fence, rounds=fence.rounds + 1, round_orders=0, round_started_at=draft.now),
        power_due=min(draft.state.power_due, draft.now),
        heartbeat_due=draft.now,
    )
    draft.enter(Phase.FENCING, draft.reasons[-1])


def _has_witness(draft: Draft) -> bool:
    """Tell whether something beside the report says that the host is dead (P0)."""
    seen = evidence.view(draft.state.witness, draft.now, draft.policy)
    return seen is View.SILENT or (
        draft.state.word is not None
        and seen is not View.ALIVE
        and evidence.has_looked(draft.state.witness, draft.now, draft.policy)
    )


def _order_is_due(draft: Draft) -> bool:
    """Tell whether a power-off may and should leave now."""
    state, fence = draft.state, draft.state.fence
    reads_on = fence.last is Power.ON or fence.trouble is PowerTrouble.ERROR
    is_clear = not state.outstanding & {"power"} and not any(key.startswith("power-off:") for key in state.outstanding)
    return (
        reads_on
        and is_clear
        and "power" not in state.checks
        and fence.round_orders < draft.policy.fence_attempts
        and _retry_is_due(draft)
        and _has_witness(draft)
        and not _braked_without_word(draft)
    )


def _retry_is_due(draft: Draft) -> bool:
    fence = draft.state.fence
    if fence.round_orders == 0 or fence.ordered_at is None:
        return True
    return draft.now - fence.ordered_at >= draft.policy.fence_retry_seconds


def _round_is_over(draft: Draft) -> bool:
    """Tell whether this round ran out of orders or of time."""
    fence, policy = draft.state.fence, draft.policy
    if fence.last is Power.ON and fence.round_orders >= policy.fence_attempts and _retry_is_due(draft):
        return True
    return fence.round_started_at is not None and draft.now - fence.round_started_at >= policy.fence_seconds


def _order(draft: Draft) -> None:
    fence = draft.state.fence
    number = fence.orders + 1
    draft.change(
        fence=replace(
            fence, orders=number, round_orders=fence.round_orders + 1, ordered_at=draft.now, readings=(), trouble=None
        ),
        power_due=draft.now,
    )
    if fence.round_orders == 0 and draft.state.word is None:
        draft.reasons.append(passed(draft.state, draft.around, draft.policy))
    draft.say(Code.POWER_OFF_ORDERED, host=draft.state.host, number=number)
    draft.ask(PowerOff(draft.state.host, number))


def _why_unproven(draft: Draft) -> Reason:
    """Name what stands in the way of a proof."""
    fence, host = draft.state.fence, draft.state.host
    if fence.trouble is not None and fence.known is Power.ON:
        code = Code.SILENT_STILL if fence.asked_again else Code.SILENT_SINCE_ON
        return because(code, host=host, detail=fence.detail)
    if fence.trouble is not None:
        return because(TROUBLES[fence.trouble], host=host, detail=fence.detail)
    if fence.last is Power.OFF and evidence.view(draft.state.witness, draft.now, draft.policy) is View.ALIVE:
        return because(Code.CONTRADICTED, host=host, address=fence.address)
    if evidence.proven_by(fence, draft.policy):
        return because(Code.OFF_UNWITNESSED, host=host, address=fence.address)
    if fence.last is Power.ON and fence.sent:
        return because(Code.STAYS_ON, host=host, address=fence.address, orders=fence.sent)
    return because(Code.FENCE_TIMEOUT, host=host, seconds=draft.policy.fence_seconds)
