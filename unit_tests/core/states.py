"""States, facts and surroundings as tests need them, each with what does not matter filled in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from vmha.core.draft import Decision, Draft
from vmha.core.events import Event, HeartbeatsRead, PowerRead
from vmha.core.explain import Code, because
from vmha.core.invariants import check
from vmha.core.model import (
    Fence,
    Instance,
    Migration,
    Move,
    MoveStatus,
    Peer,
    Phase,
    Power,
    PowerReading,
    Proof,
    Recovery,
    RecoveryMethod,
    Rung,
    ServicePrior,
    ServiceReading,
    Surroundings,
    Witness,
)
from vmha.core.policy import Policy
from vmha.core.recovery import decide
from vmha.core.stops import HumanWord

NOW = 1000.0
POLICY = Policy()
AROUND = Surroundings(segment_hosts=6, segment_failures=1, neighbours=("c2", "c3"))
WORD = HumanWord("ann", "I pulled the plug", NOW - 1.0)
PRIOR = ServicePrior(disabled=False, disabled_reason=None, forced_down=False)
BMC = "10.0.0.1:623"


def heard_peers(at: float = NOW) -> tuple[Peer, ...]:
    """Two other services whose heartbeats changed at `at`."""
    return (Peer(host="c2", heartbeat="b2", changed_at=at), Peer(host="c3", heartbeat="b3", changed_at=at))


def silent_witness(**changes: Any) -> Witness:
    """A Nova that hears the others and has not heard the host for half a minute."""
    silent = Witness(
        heartbeat="b1",
        changed_at=NOW - 31.0,
        read_at=NOW,
        looked_at=NOW,
        peers=heard_peers(),
        watched_since=NOW - 40.0,
        heard_since=NOW - 40.0,
    )
    return replace(silent, **changes)


def off_twice(apart: float = 2.5) -> tuple[PowerReading, ...]:
    """A run of readings that proves a host off."""
    return (PowerReading(Power.OFF, NOW - 1.0 - apart), PowerReading(Power.OFF, NOW - 1.0))


def proof(**changes: Any) -> Proof:
    """A proof by power of c1 for the recovery below, valid now."""
    sound = Proof(
        uuid="p1",
        host="c1",
        recovery="r1",
        rung=Rung.IPMI,
        readings=off_twice(),
        established_at=NOW - 1.0,
        read_at=NOW - 1.0,
        valid_until=NOW + 29.0,
    )
    return replace(sound, **changes)


def recovery(phase: Phase = Phase.WITNESSING, **changes: Any) -> Recovery:
    """The recovery r1 of c1, opened a minute ago."""
    state = Recovery(
        uuid="r1",
        host="c1",
        host_uuid="uuid-of-c1",
        segment="segment",
        method=RecoveryMethod.AUTO,
        phase=phase,
        opened_at=NOW - 60.0,
        phase_since=NOW - 60.0,
        reason=because(Code.OPENED, host="c1"),
        alert_due=NOW + 300.0,
        heartbeat_due=NOW + 1.0,
        power_due=NOW + 1.0,
        nova_due=NOW + 1.0,
        wake_at=NOW,
    )
    return replace(state, **changes)


def moving(*moves: Move, **changes: Any) -> Recovery:
    """A recovery that is proven, forced down, surveyed, and has these moves."""
    state = recovery(
        Phase.MOVING,
        proof=proof(),
        fence=Fence(readings=off_twice(), proofs=1),
        prior=PRIOR,
        surveyed=True,
        moves=moves,
    )
    return replace(state, **changes)


def move(instance: str = "i1", status: MoveStatus = MoveStatus.PENDING, **changes: Any) -> Move:
    """The move of an active instance that boots from a volume."""
    return replace(Move(instance=instance, name=f"name of {instance}", vm_state="active", status=status), **changes)


def instance(uuid: str = "i1", **changes: Any) -> Instance:
    """An active instance on c1 that boots from a volume."""
    return replace(Instance(uuid=uuid, name=f"name of {uuid}", host="c1", vm_state="active"), **changes)


def migration(number: int = 1, **changes: Any) -> Migration:
    """An evacuation of i1 from c1 to c2 that is done."""
    done = Migration(id=number, instance="i1", kind="evacuation", source="c1", destination="c2", status="done")
    return replace(done, **changes)


def draft(state: Recovery | None = None, *, policy: Policy = POLICY, around: Surroundings = AROUND) -> Draft:
    """A decision under construction."""
    return Draft(state=state or recovery(), now=NOW, policy=policy, around=around, new_uuid="p2")


def beat(mine: str | None, others: str, *, is_up: bool = True, answers: str = "heartbeats") -> HeartbeatsRead:
    """Nova's list of c1, c2 and c3; without `mine` c1 is missing."""
    readings = [ServiceReading(host=host, heartbeat=f"{host} {others}", is_up=True) for host in ("c2", "c3")]
    if mine is not None:
        readings.append(ServiceReading(host="c1", heartbeat=mine, is_up=is_up))
    return HeartbeatsRead(answers=answers, services=tuple(readings))


def power_is(power: Power) -> PowerRead:
    """A reading of the BMC."""
    return PowerRead(answers="power", power=power, address=BMC)


@dataclass(slots=True, kw_only=True)
class Hand:
    """Feeds facts to `decide()` by hand, and checks the promises after each."""

    state: Recovery
    now: float = NOW
    policy: Policy = POLICY
    around: Surroundings = AROUND
    said: list[Code] = field(default_factory=list)

    def hear(self, event: Event, *, after: float = 0.0) -> Decision:
        """Let time pass and take in one fact."""
        self.now += after
        before = self.state
        decision = decide(before, event, self.now, self.policy, self.around, new_uuid=f"proof-{self.now}")
        check(before, decision, self.now, self.policy, self.around)
        self.state = decision.state
        self.said += [reason.code for reason in decision.reasons]
        return decision

    def is_proven(self) -> bool:
        """Tell whether a proof stands."""
        return self.state.proof is not None

    def move(self, uuid: str = "i1") -> Move:
        """Return the move of an instance."""
        return next(entry for entry in self.state.moves if entry.instance == uuid)
