"""A human's word on a host: which question a confirm answers, and whether it is the proof.

Rules:
1. While the host is not proven off a confirm lets a power-off be ordered, or is the proof itself. The two are never mixed up.
2. A plain confirm is the proof only where the recovery has asked for nothing else before: two people, or one who sends twice, may be
   answering the question of a moment ago. After any other question the word has to say that the host is off.
3. No word stands against a reading of ON, or a heartbeat.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vmha.core import evidence
from vmha.core.evidence import View
from vmha.core.explain import Code
from vmha.core.fencing import begin_round, proceed
from vmha.core.model import Phase, Power

if TYPE_CHECKING:
    from vmha.core.draft import Draft
    from vmha.core.stops import HumanWord


def confirmed(draft: Draft, word: HumanWord) -> None:
    """Take a human's yes to the question of the wait, once Nova has been asked of late whether it hears the host."""
    state = draft.state
    if state.phase is Phase.HALTED:
        draft.refuse(Code.CONFIRM_HALTED, by=word.by)
        return
    if state.phase.is_wait and not evidence.has_looked(state.witness, draft.now, draft.policy):
        draft.change(unweighed=word, heartbeat_due=draft.now)
        return
    draft.change(unweighed=None)
    if state.phase is Phase.HELD:
        draft.refuse(Code.CONFIRM_HELD, by=word.by)
    elif not state.phase.is_wait:
        draft.refuse(Code.CONFIRM_NOT_ASKED, by=word.by)
    elif evidence.view(state.witness, draft.now, draft.policy) is View.ALIVE and state.witness.changed_at is not None:
        seconds = draft.now - state.witness.changed_at
        draft.refuse(Code.CONFIRM_REFUSED_ALIVE, by=word.by, host=state.host, seconds=seconds)
    elif not _asks_about_power(draft):
        _let_order(draft, word)
    elif word.is_off or _answers_this(draft, word):
        _take(draft, word)
        evidence.prove_by_word(draft, word)
        proceed(draft)
    else:
        draft.refuse(Code.CONFIRM_NOT_OF_POWER, by=word.by, host=state.host)


def note_question(draft: Draft) -> None:
    """Remember that humans are asked whether to order something: a yes to that may still be on its way when the question is another one."""
    state = draft.state
    if state.phase.asks_to_order or (state.phase is Phase.UNPROVEN and not _asks_about_power(draft)):
        draft.change(fence=replace(state.fence, asked_order=True))


def _asks_about_power(draft: Draft) -> bool:
    """Tell whether the wait asks if the host is off. It does not while the last that the BMC said is ON.

    Only where a power-off was ordered anew since, and the BMC gave no reading in all of that round, the question is about the power, and
    the reason says so.
    """
    state, fence = draft.state, draft.state.fence
    if state.phase is not Phase.UNPROVEN or fence.last is Power.ON:
        return False
    return fence.known is not Power.ON or (fence.asked_again and state.reason.code is Code.SILENT_STILL)


def _answers_this(draft: Draft, word: HumanWord) -> bool:
    """Tell whether a plain yes can be meant for no other question than the one that stands."""
    state = draft.state
    return not state.fence.asked_order and state.word is None and word.asked in ("", state.phase.value)


def _let_order(draft: Draft, word: HumanWord) -> None:
    """Take the word for the second witness, and begin a round."""
    _take(draft, word)
    fence = draft.state.fence
    if fence.known is Power.ON and fence.last is None:
        draft.change(fence=replace(fence, asked_again=True))
    begin_round(draft)


def _take(draft: Draft, word: HumanWord) -> None:
    draft.say(Code.CONFIRMED, by=word.by, why=word.why)
    draft.change(word=word)
