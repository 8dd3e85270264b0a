"""What the readings amount to: Nova's heartbeat as a witness, the BMC's readings as a proof, signs of life as its end.

Rules: a heartbeat is only compared with an earlier heartbeat, never with a clock; Nova is a witness only after it has been hearing other
services for longer than one beat, since a Nova that was deaf and hears again has not yet had word of anybody;
a proof needs two readings of OFF asked for at least two seconds apart, after the last order, while Nova does not hear the host.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from vmha.core.copying import replace
from vmha.core.effects import ReadHeartbeats, ReadPower
from vmha.core.explain import Code, because
from vmha.core.model import MoveStatus, Peer, Phase, Power, PowerReading, Proof, Rung, Witness

if TYPE_CHECKING:
    from vmha.core.draft import Draft
    from vmha.core.events import HeartbeatsRead
    from vmha.core.explain import Reason
    from vmha.core.model import Fence, PowerTrouble, Recovery
    from vmha.core.policy import Policy
    from vmha.core.stops import HumanWord


PEERS = 8
"""Other services watched beside the host's: enough to tell one dead host from a deaf Nova, few enough to store with each reading."""


WHOSE = {Rung.HUMAN: "a human's", Rung.DETECTOR: "its monitor's"}


class View(Enum):
    """Nova's heartbeat of the host as a witness."""

    UNSURE = "unsure"
    SILENT = "silent"
    ALIVE = "alive"
    BLIND = "blind"


def view(witness: Witness, now: float, policy: Policy) -> View:
    """Say what Nova's heartbeat testifies at `now`."""
    if (
        witness.advances
        and witness.changed_at is not None
        and now - witness.changed_at < policy.heartbeat_silence_seconds
    ):
        return View.ALIVE
    if witness.trouble is not None:
        return View.BLIND
    if (
        witness.read_at is None
        or witness.changed_at is None
        or now - witness.read_at > 3 * policy.witness_interval_seconds
    ):
        return View.UNSURE
    if not is_listening(witness, policy):
        deaf = witness.heard_since is None and now - witness.watched_since >= policy.heartbeat_silence_seconds
        return View.BLIND if deaf else View.UNSURE
    return View.SILENT if _is_silent(witness, policy) else View.UNSURE


def _is_silent(witness: Witness, policy: Policy) -> bool:
    """Tell whether the host was not heard for long enough by a Nova that would have heard it.

    Nova's own word that it is down does not shorten that: just after an outage of the bus it says so of every service that is still on
    its way back. After an outage that we saw, these get the time that a client of the bus may take.
    """
    if witness.read_at is None or witness.changed_at is None or witness.heard_since is None:
        return False
    silence = policy.heartbeat_silence_seconds
    listening = max(silence, policy.reconnect_seconds) if witness.was_deaf else silence
    return witness.read_at - witness.heard_since >= listening and witness.read_at - witness.changed_at >= silence


def has_looked(witness: Witness, now: float, policy: Policy) -> bool:
    """Tell whether Nova was asked of late, whatever it said: a human's word is weighed against that."""
    return witness.looked_at is not None and now - witness.looked_at <= policy.off_silence_seconds


def is_listening(witness: Witness, policy: Policy) -> bool:
    """Tell whether Nova has been hearing others for so long that it would have heard the host as well."""
    if witness.heard_since is None or witness.read_at is None:
        return False
    return witness.read_at - witness.heard_since >= policy.off_silence_seconds


def hears_others(witness: Witness, policy: Policy) -> bool:
    """Tell whether at least half of the watched peers changed their heartbeat of late, and one at the very least."""
    return 0 < len(witness.peers) <= 2 * fresh_peers(witness, policy)


def fresh_peers(witness: Witness, policy: Policy) -> int:
    """Count the peers whose heartbeat changed of late: within the time that one beat may take, with some room."""
    since = (witness.read_at or 0.0) - policy.off_silence_seconds
    return sum(peer.changed_at is not None and peer.changed_at >= since for peer in witness.peers)


def is_quiet(witness: Witness, policy: Policy) -> bool:
    """Tell whether Nova gave no sign of the host for long enough to believe a BMC that says OFF."""
    if witness.read_at is None or witness.changed_at is None or not is_listening(witness, policy):
        return False
    unchanged = witness.read_at - witness.changed_at
    if witness.advances:
        return unchanged >= policy.heartbeat_silence_seconds
    return witness.says_down or unchanged >= policy.off_silence_seconds


def hear(draft: Draft, event: HeartbeatsRead) -> None:
    """Take in a list of compute services."""
    state, now = draft.state, draft.now
    mine = next((service for service in event.services if service.host == state.host), None)
    if mine is None:
        lost(draft, f"Nova has no compute service on {state.host}")
        return
    old = _without_gap(state.witness, now, draft.policy)
    advanced = old.heartbeat is not None and mine.heartbeat != old.heartbeat
    heard = Witness(
        heartbeat=mine.heartbeat,
        changed_at=now if advanced or old.changed_at is None else old.changed_at,
        read_at=now,
        looked_at=now,
        advances=old.advances + advanced,
        says_down=not mine.is_up and not mine.forced_down,
        watched_since=now if old.read_at is None and not old.peers else old.watched_since,
        peers=_hear_peers(draft, event) if old.peers else _choose_peers(draft, event),
    )
    since = (old.heard_since if old.heard_since is not None else now) if hears_others(heard, draft.policy) else None
    was_deaf = old.was_deaf or (since is None and now - heard.watched_since > draft.policy.off_silence_seconds)
    draft.change(witness=replace(heard, heard_since=since, was_deaf=was_deaf))


def _without_gap(witness: Witness, now: float, policy: Policy) -> Witness:
    """Begin to listen anew after a time without readings: what changed meanwhile cannot be dated, and Nova may have gone deaf since."""
    if witness.read_at is None or now - witness.read_at <= policy.off_silence_seconds:
        return witness
    return replace(witness, peers=(), heard_since=None, watched_since=now)


def _choose_peers(draft: Draft, event: HeartbeatsRead) -> tuple[Peer, ...]:
    """Pick a few services that should be beating: neighbours of the segment first, since they share the host's cell and network."""
    near = draft.around.neighbours
    beating = [s for s in event.services if s.host != draft.state.host and s.is_up and not s.forced_down]
    beating.sort(key=lambda service: (service.host not in near, service.host))
    return tuple(Peer(host=service.host, heartbeat=service.heartbeat) for service in beating[:PEERS])


def _hear_peers(draft: Draft, event: HeartbeatsRead) -> tuple[Peer, ...]:
    now = {service.host: service.heartbeat for service in event.services}
    return tuple(
        Peer(host=peer.host, heartbeat=now[peer.host], changed_at=draft.now)
        if peer.host in now and now[peer.host] != peer.heartbeat
        else peer
        for peer in draft.state.witness.peers
    )


def lost(draft: Draft, detail: str) -> None:
    """Take in that Nova gave no list."""
    draft.change(witness=replace(draft.state.witness, trouble=detail, heard_since=None, looked_at=draft.now))


def read(draft: Draft, power: Power, address: str) -> None:
    """Take in a reading: the run of equal readings grows, or begins anew."""
    fence = draft.state.fence
    reading = PowerReading(power, draft.now if fence.asked_at is None else fence.asked_at)
    same = fence.readings and fence.readings[-1].power is power
    run = (fence.readings[0], reading) if same else (reading,)
    was_off = fence.was_off or power is Power.OFF
    told = {"readings": run, "address": address, "was_off": was_off, "known": power}
    draft.change(fence=replace(fence, **told, asked_again=False, trouble=None, detail=""))
    if power is Power.OFF:
        # Asked for that long after this answer came: the BMC then looks at least as long after it looked now.
        spaced = max(draft.state.power_due, draft.now + draft.policy.power_read_spacing_seconds)
        draft.change(checks=draft.state.checks - {"power"}, power_due=spaced)
        _renew(draft, reading)
    elif draft.state.proof is None:
        draft.change(checks=draft.state.checks - {"power"})


def unreadable(draft: Draft, trouble: PowerTrouble, detail: str, address: str) -> None:
    """Take in that the BMC gave no reading: the run is broken, an older proof only ages."""
    draft.change(fence=replace(draft.state.fence, readings=(), trouble=trouble, detail=detail, address=address))
    proof = draft.state.proof
    if proof is None or proof.rung is not Rung.IPMI:
        draft.change(checks=draft.state.checks - {"power"})


def _renew(draft: Draft, reading: PowerReading) -> None:
    """Let a proof by power live on with a younger reading of OFF."""
    proof = draft.state.proof
    if proof is not None and proof.rung is Rung.IPMI and reading.at > proof.read_at:
        valid_until = reading.at + draft.policy.proof_valid_seconds
        draft.change(
            proof=replace(proof, readings=(proof.readings[0], reading), read_at=reading.at, valid_until=valid_until)
        )


def may_prove(draft: Draft) -> bool:
    """Tell whether the readings prove the host off now."""
    state, policy = draft.state, draft.policy
    return proven_by(state.fence, policy) and is_quiet(state.witness, policy) and _is_young(state.fence, draft)


def proven_by(fence: Fence, policy: Policy) -> bool:
    """Tell whether the run of readings is OFF, twice, far enough apart."""
    run = fence.readings
    return len(run) == 2 and run[-1].power is Power.OFF and run[-1].at - run[0].at >= policy.power_read_spacing_seconds


def _is_young(fence: Fence, draft: Draft) -> bool:
    return draft.now - fence.readings[-1].at < draft.policy.proof_valid_seconds


def prove_by_power(draft: Draft) -> None:
    """Write the proof that the readings give."""
    state, fence = draft.state, draft.state.fence
    first, last = fence.readings[0], fence.readings[-1]
    was_ordered = fence.sent > 0
    draft.say(
        Code.FENCED if was_ordered else Code.FOUND_OFF,
        host=state.host,
        address=fence.address,
        seconds=last.at - first.at,
    )
    proof = Proof(
        uuid=draft.new_uuid,
        host=state.host,
        recovery=state.uuid,
        rung=Rung.IPMI,
        readings=(first, last),
        established_at=draft.now,
        read_at=last.at,
        valid_until=last.at + draft.policy.proof_valid_seconds,
    )
    establish(draft, proof)


def prove_by_word(draft: Draft, word: HumanWord) -> None:
    """Write the proof that a human's word gives."""
    state, now = draft.state, draft.now
    draft.say(Code.HUMAN_PROOF, host=state.host, by=word.by, why=word.why)
    proof = Proof(
        uuid=draft.new_uuid,
        host=state.host,
        recovery=state.uuid,
        rung=Rung.HUMAN,
        readings=(),
        established_at=now,
        read_at=now,
        valid_until=now + draft.policy.human_word_valid_seconds,
        word=word,
    )
    establish(draft, proof)


def establish(draft: Draft, proof: Proof) -> None:
    """Let a proof stand; from here on every heartbeat that changes is a sign of life."""
    fence = draft.state.fence
    draft.change(
        proof=proof,
        fence=replace(fence, proofs=fence.proofs + 1),
        witness=forget_heartbeat(draft.state.witness),
        heartbeat_due=draft.now,
        # Read once more while Nova is told and asked, so that a host that came back is known before the first order.
        power_due=draft.now,
    )


def forget_heartbeat(witness: Witness) -> Witness:
    """Begin to watch the heartbeat anew: the next value is the one that may not change."""
    return replace(witness, heartbeat=None, changed_at=None, read_at=None, advances=0, says_down=False)


def judge_anew(draft: Draft) -> None:
    """Hold a stored proof to today's settings: the engine may have been restarted with others."""
    proof, policy = draft.state.proof, draft.policy
    if proof is None:
        return
    if proof.rung is Rung.HUMAN:
        until = proof.established_at + policy.human_word_valid_seconds
    elif proof.rung is Rung.DETECTOR:
        until = proof.established_at + policy.detector_word_valid_seconds if draft.trusts_detector else draft.now
    elif proof.readings[-1].at - proof.readings[0].at < policy.power_read_spacing_seconds:
        until = draft.now
    else:
        until = proof.read_at + policy.proof_valid_seconds
    draft.change(proof=replace(proof, valid_until=min(proof.valid_until, until)))


def guard_proof(draft: Draft) -> None:
    """End the proof that a reading of ON, a sign of life or its age has overtaken (P3)."""
    state, proof = draft.state, draft.state.proof
    if proof is None or state.phase is Phase.ENDED:
        return
    if state.fence.last is Power.ON:
        draft.lose_proof(why_returned(state))
    elif state.witness.advances:
        _contradicted(draft)
    elif not proof.holds(draft.now):
        age = draft.now - proof.read_at
        code = Code.PROOF_EXPIRED if proof.rung is Rung.IPMI else Code.WORD_EXPIRED
        draft.lose_proof(because(code, host=state.host, seconds=age))


def why_returned(state: Recovery) -> Reason:
    """Say that the host reads ON after it was proven off, and how far the moves have come."""
    settled = sum(move.status.is_final or move.status is MoveStatus.LANDED for move in state.moves)
    left = len(state.moves) - settled if state.surveyed else "all"
    return because(Code.HOST_RETURNED, host=state.host, moved=settled, left=left)


def _contradicted(draft: Draft) -> None:
    """Suspend the proof: power is read twice anew, and Nova must fall silent again."""
    state = draft.state
    again = replace(state.fence, readings=(), contradictions=state.fence.contradictions + 1)
    if state.proof is not None and state.proof.rung is not Rung.IPMI:
        reason = because(Code.WORD_OVERTAKEN, host=state.host, whose=WHOSE[state.proof.rung])
    else:
        code = Code.CONTRADICTED if again.contradictions > 1 else Code.SIGN_OF_LIFE
        reason = because(code, host=state.host, address=state.fence.address or "unknown")
    draft.change(fence=again, power_due=draft.now)
    draft.lose_proof(reason)


def watch(draft: Draft) -> None:
    """Ask for the readings that are due in this phase."""
    state, now = draft.state, draft.now
    # Forcing a service down changes its updated_at, so no heartbeat is read around that order: it would look like a sign of life.
    if state.heartbeat_due <= now and not draft.waits_for(ReadHeartbeats.key) and state.phase is not Phase.FORCING_DOWN:
        draft.ask(ReadHeartbeats(), heartbeat_due=now + _heartbeat_interval(draft))
    if state.power_due <= now and not draft.waits_for(ReadPower.key) and not _order_is_out(draft):
        fence = replace(draft.state.fence, asked_at=now)
        draft.ask(ReadPower(state.host), fence=fence, power_due=now + _power_interval(draft))


def _order_is_out(draft: Draft) -> bool:
    return any(key.startswith("power-off:") for key in draft.state.outstanding)


def _heartbeat_interval(draft: Draft) -> float:
    policy = draft.policy
    if draft.state.phase in (Phase.WITNESSING, Phase.UNWITNESSED, Phase.DISPUTED, Phase.CAPPED, Phase.FENCING):
        return policy.witness_interval_seconds
    if draft.state.proof is not None:
        return policy.proof_refresh_seconds
    return min(policy.unproven_read_seconds, policy.off_silence_seconds / 2)  # no gap: see _without_gap


def _power_interval(draft: Draft) -> float:
    policy, state = draft.policy, draft.state
    if state.proof is None and (state.fence.last is Power.OFF or state.phase in (Phase.WITNESSING, Phase.FENCING)):
        return policy.power_read_spacing_seconds
    return policy.unproven_read_seconds if state.proof is None else policy.proof_refresh_seconds
