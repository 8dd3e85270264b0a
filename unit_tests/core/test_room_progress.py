"""What Placement says of room always leads on: a claim, an order, a place that is out of the question, or a pause."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from random import Random

import pytest

from unit_tests.core.states import AROUND, NOW, POLICY, WORD, Hand, migration, move, moving, proof
from vmha.core import effects, events
from vmha.core.capacity import Room
from vmha.core.draft import Decision
from vmha.core.model import Migration, Move, MoveStatus, Recovery, RecoveryMethod, Reserved, ReservedStatus, Rung
from vmha.core.targets import ANYWHERE

LASTING = proof(rung=Rung.HUMAN, word=WORD, readings=(), valid_until=NOW + 3600.0)
SPARES = ("s1", "s2", "s3", "s4")
METHODS = (RecoveryMethod.RESERVED_HOST, RecoveryMethod.AUTO_PRIORITY, RecoveryMethod.RH_PRIORITY)
ASKED = effects.ReadRoom | effects.EnableReserved | effects.Evacuate | effects.ReadProgress | effects.ReturnReserved


@dataclass(slots=True)
class Cloud:
    """Rooms and needs that stand still, and answers by chance, all within one moment."""

    chance: Random
    hand: Hand = field(init=False)
    records: dict[str, Migration] = field(default_factory=dict)
    waiting: deque[ASKED] = field(default_factory=deque)
    sizes: dict[str, int] = field(init=False)
    needs: dict[str, int] = field(init=False)
    read: int = 0

    def __post_init__(self) -> None:
        """Build a recovery by chance."""
        chance = self.chance
        names = [f"i{number}" for number in range(1, chance.randint(2, 6))]
        self.sizes = {spare: chance.randint(0, 6) for spare in SPARES if chance.random() < 0.9}
        self.needs = {name: chance.randint(0, 4) for name in names}
        places = (ANYWHERE, *SPARES)
        moves = tuple(self._move(name, tuple(place for place in places if chance.random() < 0.3)) for name in names)
        mine = tuple(self._spare(spare) for spare in SPARES if chance.random() < 0.3)
        state = moving(*moves, method=chance.choice(METHODS), proof=LASTING, reserved=mine, nova_due=NOW + 900.0)
        policy = replace(POLICY, orders_at_once=chance.randint(1, 4), moves_in_flight=20)
        self.hand = Hand(state=state, policy=policy, around=replace(AROUND, reserved_hosts=SPARES))

    def _move(self, name: str, tried: tuple[str, ...]) -> Move:
        needs = (("VCPU", self.needs[name]),) if self.chance.random() < 0.5 else ()
        return move(name, tried=tried, needs=needs)

    def _spare(self, name: str) -> Reserved:
        size = self.sizes.get(name, 0)
        room = (("VCPU", size),) if self.chance.random() < 0.8 else ()
        return Reserved(name, self.chance.choice((ReservedStatus.READY, ReservedStatus.FAILED)), room=room)

    def hear(self, event: events.HostEvent) -> Decision[Recovery]:
        """Take in a fact, and keep what was asked."""
        before = self.hand.state
        decision = self.hand.hear(event)
        for effect in decision.effects:
            if isinstance(effect, effects.Evacuate) and effect.target is None:
                old = next(each for each in before.moves if each.instance == effect.instance)
                assert ANYWHERE not in old.tried, f"{effect.instance} is left to Nova's scheduler twice in one round"
            if isinstance(effect, ASKED):
                self.waiting.append(effect)
        return decision

    def answer(self, effect: ASKED) -> events.HostEvent:
        """Answer by chance, as Nova and Placement may."""
        match effect:
            case effects.ReadRoom():
                return self._room(effect)
            case effects.EnableReserved():
                if self.chance.random() < 0.2:
                    return events.ReservedFailed(
                        answers=effect.key, host=effect.host, detail="no", is_in_doubt=self.chance.random() < 0.5
                    )
                return events.ReservedEnabled(answers=effect.key, host=effect.host)
            case effects.Evacuate():
                number = self.hand.move(effect.instance).after_migration + 1
                fails = self.chance.random() < 0.5
                self.records[effect.instance] = migration(
                    number,
                    instance=effect.instance,
                    status="error" if fails else "running",
                    destination=None if fails else effect.target or "c9",
                )
                return events.EvacuationAccepted(answers=effect.key, instance=effect.instance)
            case effects.ReturnReserved():
                return events.ReservedReturned(answers=effect.key, host=effect.host)
            case effects.ReadProgress():
                return self.progress()

    def progress(self) -> events.ProgressRead:
        """Nova's records as they stand."""
        return events.ProgressRead(answers="progress", migrations=tuple(self.records.values()), instances=None)

    def _room(self, effect: effects.ReadRoom) -> events.HostEvent:
        self.read += 1
        if self.chance.random() < 0.1:
            return events.RoomUnreadable(answers=effect.key, detail="away")
        held = {name: {"VCPU": amount} for name, amount in self.needs.items()}
        mine = Room(size={"VCPU": 99}, largest={"VCPU": 99}, held=held) if self.chance.random() < 0.9 else None
        rooms = tuple((host, _of(self.sizes[host])) for host in effect.reserves if host in self.sizes)
        return events.RoomRead(answers=effect.key, room=mine, rooms=rooms)


def _of(size: int) -> Room:
    return Room(size={"VCPU": size}, largest={"VCPU": size}, held={})


def _led_on(before: Recovery, decision: Decision[Recovery]) -> bool:
    """Tell whether something was claimed, ordered, ruled out or put off."""
    changed = any(
        (old.tried, old.retry_at, old.status) != (new.tried, new.retry_at, new.status)
        for old, new in zip(before.moves, decision.state.moves, strict=True)
    )
    return changed or any(isinstance(each, effects.EnableReserved | effects.Evacuate) for each in decision.effects)


@pytest.mark.parametrize("seed", range(200))
def test_an_answer_about_room_leads_on(seed: int) -> None:
    """Placement is never asked again for nothing, in whatever state, and what is not under way in the end waits for a time."""
    cloud = Cloud(Random(seed))
    most = (len(SPARES) + 1) * (len(cloud.needs) + 1)
    cloud.hear(events.Ticked())
    while cloud.waiting:
        effect = cloud.waiting.popleft()
        before = cloud.hand.state
        decision = cloud.hear(cloud.answer(effect))
        # What is missing is asked for its own sake, at its own times.
        is_for_moves = decision.state.room_due == before.room_due
        asks_again = is_for_moves and any(isinstance(each, effects.ReadRoom) for each in decision.effects)
        if isinstance(effect, effects.ReadRoom) and asks_again:
            assert _led_on(before, decision), "Placement is asked once more, and nothing has changed"
        if isinstance(effect, effects.Evacuate):
            cloud.hear(cloud.progress())
        assert cloud.read <= most, "Placement is asked for ever"
    state = cloud.hand.state
    idle = [each for each in state.moves if each.status is MoveStatus.PENDING and each.retry_at is None]
    assert not idle, f"nothing is asked, and nothing is under way for {[each.instance for each in idle]}"
