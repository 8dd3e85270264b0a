"""The decision under construction. Mutable inside one call of `decide()`, never outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic

from vmha.core.copying import replace
from vmha.core.effects import Alert, AlertKind
from vmha.core.explain import Code, Reason, because
from vmha.core.incidents import State
from vmha.core.model import Outcome, Phase, Recovery

if TYPE_CHECKING:
    from vmha.core.effects import Effect
    from vmha.core.events import RoomRead, RoomUnreadable
    from vmha.core.incidents import AnyPhase
    from vmha.core.model import Move, Proof, Surroundings
    from vmha.core.policy import Policy

SELF_MENDING = (
    Code.NO_WITNESS_NOVA_AWAY,
    Code.SIGN_OF_LIFE,
    Code.PROOF_EXPIRED,
    Code.CLOCK_SET_BACK,
    Code.POWER_OFFS_AT_ONCE,
)
"""Reasons to wait that most often end within seconds: one call that failed, one reading that is late. Nobody is woken for these at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(Generic[State]):
    """What follows from one event: the next state, the orders in sequence, the reasons for the timeline, the proofs that died."""

    state: State
    effects: tuple[Effect, ...]
    reasons: tuple[Reason, ...]
    revoked: tuple[tuple[Proof, str], ...] = ()


@dataclass(slots=True, kw_only=True)
class Thought(Generic[State]):
    """State, orders and reasons of any incident as they grow while one event is thought through."""

    state: State
    now: float
    policy: Policy
    around: Surroundings
    effects: list[Effect] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)

    @property
    def trusts_detector(self) -> bool:
        """Tell whether the operator of the segment chose that its monitors' word is acted on."""
        return self.around.segment_name in self.policy.detector_segments

    def change(self, **changes: Any) -> None:
        """Replace fields of the state; what changes nothing costs next to nothing, and that is most of it."""
        before = self.state
        for name, value in changes.items():
            if getattr(before, name) != value:
                self.state = replace(before, **changes)
                return

    def say(self, code: Code, **facts: object) -> Reason:
        """Put a reason on the timeline."""
        reason = because(code, **facts)
        self.reasons.append(reason)
        return reason

    def ask(self, effect: Effect, **changes: Any) -> None:
        """Emit an effect whose answer will come, and replace other fields of the state in the same copy."""
        self.effects.append(effect)
        self.change(outstanding=self.state.outstanding | {effect.key}, **changes)

    def waits_for(self, key: str) -> bool:
        """Tell whether the answer to `key` is still to come."""
        return key in self.state.outstanding

    def alert(self, reason: Reason) -> None:
        """Tell the humans that the recovery does not go on, now, and again after the alert interval."""
        kind = AlertKind.WAITS if self.state.phase.is_wait else AlertKind.HINDERED
        self._tell(AlertKind.REMINDER if self.state.told is reason.code else kind, reason)
        self.change(told=reason.code, alert_due=self.now + self.policy.alert_interval_seconds)

    def alert_later(self) -> None:
        """Tell the humans only if it has not mended itself within a tenth of the alert interval."""
        self.change(alert_due=self.now + self.policy.alert_interval_seconds / 10)

    def refuse(self, code: Code, **facts: object) -> None:
        """Say that a human's word is not followed, to all who are told of this recovery."""
        self._tell(AlertKind.REFUSED, self.say(code, **facts))

    def _tell(self, kind: AlertKind, reason: Reason) -> None:
        self.effects.append(Alert(self.state.host, reason, kind))

    def enter(self, phase: AnyPhase, reason: Reason) -> None:
        """Go to another phase, or to the same one for another reason; a wait alerts on entry, or soon if it may mend itself."""
        is_new = phase is not self.state.phase or reason.code is not self.state.reason.code
        entered = self.now if phase is not self.state.phase else self.state.phase_since
        self.change(phase=phase, reason=reason, phase_since=entered)
        if is_new:
            if not self.reasons or self.reasons[-1] != reason:
                self.reasons.append(reason)
            if phase.is_wait and reason.code in SELF_MENDING:
                self.alert_later()
            elif phase.is_wait:
                self.alert(reason)

    def end(self, outcome: Outcome, reason: Reason, *, is_told: bool = True) -> None:
        """End the recovery; the humans are told, unless nothing was to be done and they heard nothing of it before."""
        is_told = is_told or self.state.told is not None
        self.reasons.append(reason)
        self.change(
            phase=type(self.state.phase)["ENDED"],
            phase_since=self.now,
            reason=reason,
            outcome=outcome,
            ended_at=self.now,
            outstanding=frozenset(),
            told=None,
            wake_at=None,
        )
        if is_told:
            self._tell(AlertKind.ENDED, reason)

    def decision(self) -> Decision[State]:
        """Freeze what has grown."""
        return Decision(state=self.state, effects=tuple(self.effects), reasons=tuple(self.reasons))


@dataclass(slots=True, kw_only=True)
class Draft(Thought[Recovery]):
    """The decision on a host, which may write a proof under the name `new_uuid`, or let one die."""

    new_uuid: str
    room: RoomRead | RoomUnreadable | None = None
    """What Placement just said of reserved hosts: it is weighed once the proof has been looked at."""
    revoked: list[tuple[Proof, str]] = field(default_factory=list)

    def revoke(self, because_of: Reason) -> None:
        """Let the proof die, if there is one; what was read so far counts no more."""
        proof = self.state.proof
        if proof is not None:
            self.revoked.append((proof, because_of.sentence))
        self.change(proof=None, fence=replace(self.state.fence, readings=self.state.fence.readings[-1:]))

    def lose_proof(self, reason: Reason) -> None:
        """Let the proof die and wait for another. What is halted stays so, and waits when it goes on."""
        self.revoke(reason)
        if self.state.halt is None:
            self.enter(Phase.UNPROVEN, reason)
        else:
            self.reasons.append(reason)
            self.change(halt=replace(self.state.halt, phase=Phase.UNPROVEN, reason=reason))

    def put(self, move: Move) -> None:
        """Replace the move of the same instance."""
        moves = tuple(move if old.instance == move.instance else old for old in self.state.moves)
        self.change(moves=moves)

    def decision(self) -> Decision[Recovery]:
        """Freeze what has grown."""
        return Decision(
            state=self.state, effects=tuple(self.effects), reasons=tuple(self.reasons), revoked=tuple(self.revoked)
        )
