"""The promises as code. Checked after every decision: in tests, in the simulator and in production.

Each promise is derived here anew from the state, the orders and the surroundings; nothing of the deciding code is called, so that a
mistake there cannot excuse itself here. P5 (one owner) is the database's and stands in its statements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vmha.core.effects import (
    DisableService,
    EnableReserved,
    EnableService,
    Evacuate,
    ForceDown,
    PowerOff,
    StartInstance,
    StopInstance,
)
from vmha.core.incidents import ProcessPhase
from vmha.core.invariant_of_spares import spares_go_back_unused
from vmha.core.invariants_guards import budgets_and_quarantine, workflow_of_host, workflow_of_small
from vmha.core.model import MoveStatus, Phase, Power, PowerTrouble, RecoveryMethod, Rung
from vmha.core.policy import LocalDisk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmha.core.draft import Decision
    from vmha.core.incidents import Incident, InstanceRecovery, ProcessRecovery
    from vmha.core.model import Peer, Recovery, Surroundings, Witness
    from vmha.core.policy import Policy


ORDER_QUESTIONS = frozenset({Phase.UNWITNESSED, Phase.DISPUTED, Phase.BRAKED, Phase.CAPPED, Phase.ASKING})
"""Phases whose alert a human may answer with a yes that means an order."""


class Broken(AssertionError):
    """A promise does not hold. The recovery stops, nothing of the decision is stored, a human is paged."""


def check(before: Recovery, decision: Decision[Recovery], now: float, policy: Policy, around: Surroundings) -> None:
    """Raise `Broken` naming every promise that the decision breaks."""
    after = decision.state
    broken = [
        *_two_witnesses(after, decision, now, policy),
        *_proof_before_orders(after, decision, now, policy),
        *_question_is_kept(before, after),
        *_detectors_word(before, after, policy, around),
        *_one_run(after, decision, around),
        *_proofs_die(after),
        *_nothing_lost(after),
        *_bounded_harm(after, decision, policy, around),
        *budgets_and_quarantine(before, decision, policy, around),
        *workflow_of_host(before, decision, policy, around),
        *_no_silent_loss(after, decision, policy),
        *spares_go_back_unused(after, decision),
        *_humans_stop(after, decision, around),
        *_final_stays_final(before, decision),
    ]
    if broken:
        raise Broken(f"recovery {after.uuid} of {after.host}: " + "; ".join(broken))


def _two_witnesses(after: Recovery, decision: Decision[Recovery], now: float, policy: Policy) -> Iterator[str]:
    """P0: a power-off has a second witness that does not hear the host, and the host does not read OFF."""
    for effect in decision.effects:
        if not isinstance(effect, PowerOff):
            continue
        witness = after.witness
        heard = witness.advances > 0 and witness.changed_at is not None
        if heard and witness.changed_at is not None and now - witness.changed_at < policy.heartbeat_silence_seconds:
            yield f"P0: {effect.host} is powered off although Nova heard it"
        nova_agrees = (
            witness.trouble is None
            and witness.read_at is not None
            and witness.changed_at is not None
            and 2 * sum(_is_fresh(peer, witness, policy) for peer in witness.peers) >= max(len(witness.peers), 1)
            and witness.heard_since is not None
            and witness.read_at - witness.heard_since >= policy.heartbeat_silence_seconds
            and (not witness.was_deaf or witness.read_at - witness.heard_since >= policy.reconnect_seconds)
            and witness.read_at - witness.changed_at >= policy.heartbeat_silence_seconds
        )
        if not nova_agrees and after.word is None:
            yield f"P0: {effect.host} is powered off on one witness alone"
        if witness.looked_at is None or now - witness.looked_at > policy.off_silence_seconds:
            yield f"P0: {effect.host} is powered off although Nova was not asked of late"
        if "power" in after.outstanding or "power" in after.checks:
            yield f"P0: {effect.host} is powered off before its power was read"


def _is_fresh(peer: Peer, witness: Witness, policy: Policy) -> bool:
    return peer.changed_at is not None and (witness.read_at or 0.0) - peer.changed_at <= policy.off_silence_seconds


def _proof_before_orders(after: Recovery, decision: Decision[Recovery], now: float, policy: Policy) -> Iterator[str]:
    """P1: what makes a guest run names a proof of this host and this recovery that is valid now."""
    for effect in decision.effects:
        if isinstance(effect, ForceDown | Evacuate | EnableReserved) and after.proof is None:
            yield f"P1: {effect.key} without a proof"
        if isinstance(effect, ForceDown) and "power" in after.checks:
            yield f"P1: {effect.key} before power was read by the new owner"
        if not isinstance(effect, Evacuate) or after.proof is None:
            continue
        proof = after.proof
        if effect.proof != proof.uuid or proof.host != effect.source or proof.host != after.host:
            yield f"P1: {effect.key} names a proof of another host"
        if proof.recovery != after.uuid:
            yield f"P1: {effect.key} names a proof of another recovery"
        if now >= proof.valid_until:
            yield f"P1: {effect.key} names a proof that is too old"
        if proof.read_at - now > 2.0:
            yield f"P1: {effect.key} names a proof that was read at a time to come"
        if after.checks:
            yield f"P1: {effect.key} before {', '.join(sorted(after.checks))} was read by the new owner"
    yield from _sound_proof(after, policy)


def _question_is_kept(before: Recovery, after: Recovery) -> Iterator[str]:
    """P1: what asked humans whether to power the host off is remembered, since a plain yes may be meant for it from then on."""
    asked = {before.phase, after.phase} & ORDER_QUESTIONS
    if asked and not after.fence.asked_order:
        yield f"P1: it is forgotten that {' and '.join(sorted(phase.value for phase in asked))} asked for an order"


def _sound_proof(after: Recovery, policy: Policy) -> Iterator[str]:
    """P1: a proof by power is two readings of OFF that lie apart and are young; a proof by word has the word."""
    if after.proof is not None and after.proof.rung is Rung.IPMI:
        run = after.proof.readings
        off_twice = len(run) == 2 and all(reading.power is Power.OFF for reading in run)
        if not off_twice or run[1].at - run[0].at < 2.0 or run[1].at - run[0].at < policy.power_read_spacing_seconds:
            yield "P1: a proof by power without two readings of OFF at least two seconds apart"
        if run and after.proof.valid_until > run[-1].at + policy.proof_valid_seconds:
            yield "P1: a proof by power outlives its readings"
    by_word = after.proof is not None and after.proof.rung is Rung.HUMAN
    if by_word and after.proof is not None and after.proof.word is None:
        yield "P1: a proof by word without a word"
    if by_word and after.fence.known is Power.ON and not after.fence.asked_again:
        yield "P1: a proof by word although the last reading was ON"
    word = after.proof.word if by_word and after.proof is not None else None
    if word is not None and after.fence.asked_order and not word.is_off:
        yield "P1: a proof by a word that may answer whether to power the host off"


def _detectors_word(before: Recovery, after: Recovery, policy: Policy, around: Surroundings) -> Iterator[str]:
    """P1: a monitor's word stands for a proof only where the operator chose that, there is no fence device, and Nova is silent too (P0)."""
    proof = after.proof
    if (
        proof is None
        or proof.rung is not Rung.DETECTOR
        or (before.proof is not None and before.proof.uuid == proof.uuid)
    ):
        return
    if around.segment_name not in policy.detector_segments:
        yield "P1: the monitor's word is taken in a segment without policy = detector"
    if after.detector is None:
        yield "P1: the monitor's word is taken although it did not say that the host is off"
    if after.fence.trouble is not PowerTrouble.NO_DEVICE or after.fence.known is not None:
        yield "P1: the monitor's word is taken for a host with a fence device"
    if before.fence.proofs:
        yield "P1: the monitor's word is taken once more after it was overtaken"
    if proof.silent_seconds < policy.heartbeat_silence_seconds or after.witness.trouble is not None:
        yield f"P0: the monitor's word is taken after {proof.silent_seconds:g} s of Nova's silence"
    if after.word is None and (
        after.was_braked or around.segment_braked or around.segment_failures > _allowed(policy, around)
    ):
        yield f"P6: the monitor's word is taken beyond the brake ({around.segment_failures} of {around.segment_hosts} hosts failed)"


def _allowed(policy: Policy, around: Surroundings) -> int:
    return max(policy.brake_hosts, around.segment_hosts * policy.brake_percent // 100)


def _one_run(after: Recovery, decision: Decision[Recovery], around: Surroundings) -> Iterator[str]:
    """P2: an instance is ordered only where no other host that is not proven off may hold a guest of it."""
    orders = [effect for effect in decision.effects if isinstance(effect, Evacuate)]
    moves = {move.instance: move for move in after.moves} if orders else {}
    for effect in orders:
        move = moves.get(effect.instance)
        if move is None or move.status is not MoveStatus.ORDERED:
            yield f"P2: {effect.key} without a move that records it"
            continue
        if set(move.suspects) - around.proven_off - {after.host}:
            yield f"P2: {effect.key} while {', '.join(move.suspects)} may hold a guest"
        if move.pinned is not None and effect.target != move.pinned and move.pinned not in around.proven_off:
            yield f"P2: {effect.key} to {effect.target} while {move.pinned} may hold a guest"
        if after.method is RecoveryMethod.RESERVED_HOST and effect.target is None:
            yield f"P2: {effect.key} without a reserved host"


def _proofs_die(after: Recovery) -> Iterator[str]:
    """P3: no proof stands beside a reading of ON or a sign of life that came after it."""
    if after.proof is None or after.phase is Phase.ENDED:
        return
    if after.fence.last is Power.ON:
        yield "P3: a proof stands although the host reads ON"
    if after.witness.advances:
        yield "P3: a proof stands although Nova heard the host since"


def _nothing_lost(after: Recovery) -> Iterator[str]:
    """P4: a recovery is final with a reason, or wakes again."""
    if after.phase is Phase.ENDED:
        if after.outcome is None or after.ended_at is None:
            yield "P4: ended without an outcome"
        if any(not move.status.is_final for move in after.moves) and after.outcome.value != "rejected":  # type: ignore[union-attr]
            yield "P4: ended with instances that are not settled"
    elif after.wake_at is None:
        yield "P4: sleeps for ever"


def _bounded_harm(after: Recovery, decision: Decision[Recovery], policy: Policy, around: Surroundings) -> Iterator[str]:
    """P6: no power-off beyond the brake without a human, no more orders than allowed."""
    orders = [effect for effect in decision.effects if isinstance(effect, PowerOff)]
    braked = after.was_braked or around.segment_braked or around.segment_failures > _allowed(policy, around)
    if orders and after.word is None and braked:
        yield f"P6: a power-off beyond the brake ({around.segment_failures} of {around.segment_hosts} hosts failed)"
    if after.fence.round_orders > policy.fence_attempts:
        yield "P6: more power-offs than allowed"
    if any(isinstance(effect, Evacuate) for effect in decision.effects):
        asked_for = sum(move.status is MoveStatus.ORDERED for move in after.moves)
        if asked_for > policy.orders_at_once:
            yield f"P6: Nova is asked for {asked_for} evacuations at once"
        in_flight = sum(move.status.is_in_flight for move in after.moves)
        if in_flight > policy.moves_in_flight:
            yield f"P6: {in_flight} evacuations in flight"


def _no_silent_loss(after: Recovery, decision: Decision[Recovery], policy: Policy) -> Iterator[str]:
    """P8: no instance with a disk that may be local is rebuilt unless the operator chose that."""
    orders = [effect for effect in decision.effects if isinstance(effect, Evacuate)]
    local = {move.instance for move in after.moves if move.local_disk} if orders else set()
    for effect in orders:
        waits = policy.local_disk is LocalDisk.WAIT and not policy.shared_storage
        if effect.instance in local and waits:
            yield f"P8: {effect.key} would lose its local disk"


def _humans_stop(after: Recovery, decision: Decision[Recovery], around: Surroundings) -> Iterator[str]:
    """P6: what a human paused, cancelled or disarmed orders nothing."""
    orders = [effect.key for effect in decision.effects if effect.is_order]
    if orders and (after.halt is not None or after.cancel is not None or around.disarmed is not None):
        yield f"P6: {', '.join(orders)} although a human stopped it"
    if (after.phase is Phase.HALTED) is not (after.halt is not None) and after.phase not in (
        Phase.ENDED,
        Phase.STOPPED,
    ):
        yield f"P6: in phase {after.phase.value} the halt is {after.halt}"


def _final_stays_final(before: Recovery, decision: Decision[Recovery]) -> Iterator[str]:
    """P4: what has ended orders nothing more."""
    if before.phase is Phase.ENDED and (decision.effects or decision.state != before):
        yield "P4: an ended recovery acts"


def check_instance(
    before: InstanceRecovery, decision: Decision[InstanceRecovery], now: float, policy: Policy, around: Surroundings
) -> None:
    """Raise `Broken` naming every promise that the decision about an instance breaks."""
    after = decision.state
    broken = [
        *_guest_as_seen(before, decision, now),
        *_guest_here_alone(after, decision, around),
        *_bounded_restarts(after, decision, policy, around),
        *_nothing_while_disarmed(after, decision, around),
        *workflow_of_small(before, decision, policy, around),
        *_ends_or_wakes(before, decision),
    ]
    if broken:
        raise Broken(f"incident {after.uuid} of {after.instance}: " + "; ".join(broken))


def _guest_as_seen(before: InstanceRecovery, decision: Decision[InstanceRecovery], now: float) -> Iterator[str]:
    """P1: a guest is stopped or started by what Nova said just now, of it and of a host that is up; no other order may come beside it."""
    after = decision.state
    for effect in decision.effects:
        if not isinstance(effect, StopInstance | StartInstance):
            continue
        seen, service = after.seen, after.service
        if seen is None or after.read_at != now:
            yield f"P1: {effect.key} without a look at the instance"
            continue
        if (effect.instance, effect.host) != (after.instance, seen.host) or seen.uuid != after.instance:
            yield f"P1: {effect.key} for an instance on {effect.host}, which Nova holds to be on {seen.host}"
        states = ("stopped",) if isinstance(effect, StartInstance) else ("active", "error")
        if seen.vm_state not in states or seen.task_state is not None:
            yield f"P1: {effect.key} in state {seen.vm_state} ({seen.task_state})"
        if service is None or service.host != seen.host or service.forced_down or not service.is_up:
            yield f"P1: {effect.key} although Nova does not hold {seen.host} for up"
        if before.unsettled_until is not None and now < before.unsettled_until:
            yield f"P1: {effect.key} while an order without an answer may yet be taken"


def _guest_here_alone(
    after: InstanceRecovery, decision: Decision[InstanceRecovery], around: Surroundings
) -> Iterator[str]:
    """P2: a guest is stopped or started only where it is, while no move of it and no recovery of its host is open."""
    orders = [effect for effect in decision.effects if isinstance(effect, StopInstance | StartInstance)]
    if orders and around.host_recovery is not None:
        yield f"P2: {orders[0].key} while its host is being recovered"
    if orders and after.records is None:
        yield f"P2: {orders[0].key} without a look at its migrations"
    moved = [r.id for r in after.records or () if r.status in ("done", "completed", "confirmed")]
    for record in after.records or ():
        if not orders or record.instance != after.instance or record.id < max(moved, default=0):
            continue
        if record.status not in ("done", "completed", "confirmed", "failed", "error", "cancelled", "reverted"):
            yield f"P2: {orders[0].key} while migration {record.id} is open"
        landed = record.status in ("failed", "error", "cancelled") and record.destination is not None
        unreached = (("evacuation", "error"), ("live-migration", "cancelled"))
        ends = {record.source, record.destination} - {None, "", after.seen.host if after.seen else None}
        if landed and (record.kind, record.status) not in unreached and ends - around.proven_off:
            yield f"P2: {orders[0].key} while {', '.join(sorted(map(str, ends)))} may hold a guest"


def _bounded_restarts(
    after: InstanceRecovery, decision: Decision[InstanceRecovery], policy: Policy, around: Surroundings
) -> Iterator[str]:
    """P6: an instance is started so often in an hour and no more, and by one incident only where an order before was not taken."""
    for effect in decision.effects:
        if isinstance(effect, StopInstance | StartInstance) and max(after.stops, after.starts) > 3:
            yield f"P6: {effect.key} after three orders"
        is_first = isinstance(effect, StopInstance | StartInstance) and after.stops + after.starts == 1
        if is_first and around.restarts >= policy.instance_restarts_per_hour:
            yield f"P6: {effect.key} of an instance that was started {around.restarts} times within the hour"


def check_process(
    before: ProcessRecovery, decision: Decision[ProcessRecovery], now: float, policy: Policy, around: Surroundings
) -> None:
    """Raise `Broken` naming every promise that the decision about a process breaks."""
    after = decision.state
    broken = [
        *_only_our_own(after, decision, now, policy, around),
        *_nothing_while_disarmed(after, decision, around),
        *workflow_of_small(before, decision, policy, around),
        *_ends_or_wakes(before, decision),
    ]
    if broken:
        raise Broken(f"incident {after.uuid} of {after.process} on {after.host}: " + "; ".join(broken))


def _nothing_while_disarmed(
    after: InstanceRecovery | ProcessRecovery, decision: Decision[Any], around: Surroundings
) -> Iterator[str]:
    """P6: beside a disarming nothing is ordered, and nothing is halted without one, but a process whose host is being recovered."""
    orders = [effect.key for effect in decision.effects if effect.is_order]
    if orders and around.disarmed is not None:
        yield f"P6: {', '.join(orders)} although {around.disarmed.by} disarmed {around.disarmed.scope}"
    awaits_host = after.phase is ProcessPhase.HALTED and around.host_recovery is not None
    if after.phase.value == "halted" and around.disarmed is None and not awaits_host:
        yield "P6: halted, and nothing is disarmed"


def _only_our_own(
    after: ProcessRecovery, decision: Decision[ProcessRecovery], now: float, policy: Policy, around: Surroundings
) -> Iterator[str]:
    """P6, P7: a service is disabled or enabled by what was just read, never in the middle of its host's recovery, and never over others."""
    for effect in decision.effects:
        if not isinstance(effect, DisableService | EnableService):
            continue
        seen = after.service
        if effect.host != after.host or effect.reason != policy.process_disable_reason:
            yield f"P6: {effect.key} is about {effect.host} ({effect.reason})"
        if around.host_recovery is not None:
            yield f"P7: {effect.key} while {after.host} is being recovered"
        if seen is None or after.read_at != now:
            yield f"P6: {effect.key} without a look at the service"
        elif isinstance(effect, DisableService) and (after.is_running or seen.disabled):
            yield f"P6: {effect.key} of a service that is disabled, or whose process runs"
        elif isinstance(effect, EnableService):
            is_ours = around.disabled_by_us and seen.disabled_reason == effect.reason
            if not after.is_running or seen.forced_down or not is_ours:
                yield f"P7: {effect.key} of a service that was not disabled by us, is forced down, or whose process does not run"


def _ends_or_wakes(before: Incident, decision: Decision[Any]) -> Iterator[str]:
    """P4: an incident is final with a reason, or wakes again; what has ended orders nothing more."""
    after = decision.state
    if after.phase.value == "ended":
        if after.outcome is None or after.ended_at is None:
            yield "P4: ended without an outcome"
    elif after.wake_at is None:
        yield "P4: sleeps for ever"
    if before.phase.value == "ended" and (decision.effects or after != before):
        yield "P4: an ended incident acts"
