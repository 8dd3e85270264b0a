"""The incident of an instance: when its guest is stopped and started, and when it is left alone."""

from __future__ import annotations

import typing
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unit_tests.core.states import NOW
from vmha.core import effects, events
from vmha.core.alerting import alerts_of
from vmha.core.draft import Decision
from vmha.core.effects import Alert, AlertKind, Effect, ReadInstance, StartInstance, StopInstance
from vmha.core.explain import Code
from vmha.core.incidents import InstancePhase, InstanceRecovery
from vmha.core.instance_recovery import HEARD, ORDERS, STEPS, decide, open_instance
from vmha.core.invariants import Broken, check_instance
from vmha.core.kinds import rejected, stopped
from vmha.core.metadata import is_tagged
from vmha.core.model import Disarm, Instance, Migration, Outcome, ServiceReading, Surroundings
from vmha.core.policy import Policy
from vmha.core.workflows import Choice, Failure, Workflow, Workflows

POLICY = Policy()
ALONE = Surroundings()
SETTLED = POLICY.answer_settle_seconds
ORDER = Disarm(scope="all hosts", by="ann", why="the network is rebuilt", until=NOW + 600.0, until_text="noon")
DISARMED = Surroundings(disarmed=ORDER)
UP = ServiceReading(host="c1", heartbeat="b", is_up=True)
GUEST = Instance(uuid="i1", name="vm1", host="c1", vm_state="active", metadata=(("HA_Enabled", "True"),))
STOPPED = replace(GUEST, vm_state="stopped")


def migration(number: int = 1, **changes: Any) -> Migration:
    """A live migration of i1 from c1 to c2 that is done."""
    done = Migration(id=number, instance="i1", kind="live-migration", source="c1", destination="c2", status="completed")
    return replace(done, **changes)


@dataclass(slots=True, kw_only=True)
class Hand:
    """Feeds facts to `decide()` by hand, and checks the promises after each."""

    now: float = NOW
    policy: Policy = POLICY
    around: Surroundings = ALONE
    said: list[Code] = field(default_factory=list)
    state: InstanceRecovery = field(init=False)

    def __post_init__(self) -> None:
        """Open the incident, and let the first look be asked for."""
        place = {"host": "c1", "host_uuid": "u", "segment": "s"}
        self.state, _ = open_instance(uuid="r1", instance="i1", event="LIFECYCLE STOPPED_FAILED", now=self.now, **place)
        if self.around.host_recovery is None:
            assert self.hear(events.Ticked()).effects == (ReadInstance("i1", closely=True),)

    def hear(self, event: events.InstanceEvent, *, after: float = 0.0) -> Decision[InstanceRecovery]:
        """Let time pass and take in one fact."""
        self.now += after
        before = self.state
        decision = decide(before, event, self.now, self.policy, self.around)
        check_instance(before, decision, self.now, self.policy, self.around)
        self.state = decision.state
        self.said += [reason.code for reason in decision.reasons]
        return decision

    def look(
        self,
        found: Instance | None,
        *records: Migration,
        service: ServiceReading | None = UP,
        after: float = 0.0,
    ) -> Decision[InstanceRecovery]:
        """Answer the look that is asked for, or that is due next."""
        self.now += after
        if ReadInstance.key not in self.state.outstanding:
            self.hear(events.Ticked(), after=max(self.state.due - self.now, 0.0))
        closely = self.state.phase is InstancePhase.READING
        answer = events.InstanceRead(
            answers=ReadInstance.key,
            instance=found,
            migrations=records if closely else None,
            service=service if closely else None,
        )
        return self.hear(answer)

    def take(self) -> Decision[InstanceRecovery]:
        """Let Nova take the order that is out."""
        return self.hear(events.GuestOrderTaken(answers=self.state.order_key))

    def to_start(self) -> None:
        """Go on until the start is ordered, from a guest that is active."""
        self.look(GUEST)
        self.take()
        self.look(STOPPED)
        self.look(STOPPED)
        assert self.state.phase is InstancePhase.STARTING

    def ending(self) -> tuple[Outcome | None, Code]:
        """Return how it ended and why."""
        return self.state.outcome, self.state.reason.code


def orders(decision: Decision[InstanceRecovery]) -> list[Effect]:
    """Return what was ordered."""
    return [effect for effect in decision.effects if effect.is_order]


def told(decision: Decision[InstanceRecovery]) -> bool:
    """Tell whether a human was told."""
    return any(isinstance(effect, Alert) for effect in decision.effects)


def test_every_fact_is_heard_and_every_phase_has_a_step() -> None:
    """There is a handler for each kind of event, a step for each phase in which something can go on, and nothing else."""
    assert set(HEARD) == set(typing.get_args(events.InstanceEvent))
    assert set(STEPS) == set(InstancePhase) - {InstancePhase.ENDED, InstancePhase.STOPPED}


def test_a_guest_is_stopped_and_started() -> None:
    """Stopped by one order, seen stopped, looked at closely, started by one order, and seen to run."""
    hand = Hand()
    assert orders(hand.look(GUEST)) == [StopInstance("i1", "c1", 1)]
    assert hand.take().effects == (ReadInstance("i1", closely=False),)
    assert orders(hand.look(replace(GUEST, task_state="powering-off"))) == []
    assert hand.look(STOPPED).effects == (ReadInstance("i1", closely=True),)
    assert orders(hand.look(STOPPED)) == [StartInstance("i1", "c1", 2)]
    hand.take()
    assert told(hand.look(GUEST))
    assert hand.ending() == (Outcome.RESTARTED, Code.RESTARTED)


def test_a_guest_that_nova_stopped_is_only_started() -> None:
    """What Nova holds for stopped needs no stop."""
    hand = Hand()
    assert orders(hand.look(STOPPED)) == [StartInstance("i1", "c1", 1)]


def test_an_instance_in_error_is_restarted_too() -> None:
    """As upstream does."""
    assert orders(Hand().look(replace(GUEST, vm_state="error"))) == [StopInstance("i1", "c1", 1)]


@pytest.mark.parametrize("value", ["1", "true", "True", "YES", " on ", "t", "y"])
def test_what_upstream_takes_for_a_yes(value: str) -> None:
    """The metadata is read as upstream reads it."""
    assert is_tagged(replace(GUEST, metadata=(("k", value),)), "k")


@pytest.mark.parametrize("metadata", [(), (("k", "no"),), (("k", ""),), (("k", "2"),), (("K", "true"),)])
def test_what_upstream_takes_for_no_yes(metadata: tuple[tuple[str, str], ...]) -> None:
    """Anything else, also an unknown word, is a no."""
    assert not is_tagged(replace(GUEST, metadata=metadata), "k")


UNTAGGED = replace(GUEST, metadata=())
LEFT = [
    (None, (), Outcome.LEFT_ALONE, Code.INSTANCE_GONE),
    (UNTAGGED, (), Outcome.SKIPPED, Code.INSTANCE_NOT_TAGGED),
    (replace(GUEST, vm_state="paused"), (), Outcome.LEFT_ALONE, Code.INSTANCE_LEFT),
    (replace(GUEST, vm_state="rescued"), (), Outcome.LEFT_ALONE, Code.INSTANCE_LEFT),
    (replace(GUEST, vm_state="soft-delete"), (), Outcome.LEFT_ALONE, Code.INSTANCE_LEFT),
    (replace(GUEST, task_state="deleting"), (), Outcome.LEFT_ALONE, Code.INSTANCE_LEFT),
    (replace(GUEST, host="c2"), (), Outcome.LEFT_ALONE, Code.INSTANCE_ELSEWHERE),
    (GUEST, (migration(status="running"),), Outcome.LEFT_ALONE, Code.INSTANCE_MOVING),
]
FAILED = [
    (replace(GUEST, vm_state="suspended"), (), Code.INSTANCE_CANNOT),
    (replace(GUEST, vm_state="resized"), (), Code.INSTANCE_CANNOT),
    (GUEST, (migration(status="error"),), Code.INSTANCE_SUSPECT),
    (GUEST, (migration(1), migration(2, status="failed")), Code.INSTANCE_SUSPECT),
]


@pytest.mark.parametrize(("found", "records", "outcome", "code"), LEFT, ids=lambda each: getattr(each, "name", None))
def test_what_is_nobodys_failure_is_left_alone(
    found: Instance | None, records: tuple[Migration, ...], outcome: Outcome, code: Code
) -> None:
    """Nothing is ordered, nobody is told, and the reason says why."""
    hand = Hand()
    decision = hand.look(found, *records)
    assert (orders(decision), told(decision)) == ([], False)
    assert hand.ending() == (outcome, code)


@pytest.mark.parametrize(("found", "records", "code"), FAILED)
def test_what_only_a_human_can_judge_is_given_to_one(
    found: Instance, records: tuple[Migration, ...], code: Code
) -> None:
    """Nothing is ordered, and a human is told."""
    hand = Hand()
    decision = hand.look(found, *records)
    assert (orders(decision), told(decision)) == ([], True)
    assert hand.ending() == (Outcome.FAILED, code)


@pytest.mark.parametrize(
    "records",
    [
        (migration(1, status="error"), migration(2)),
        (migration(1, status="running"), migration(2, kind="evacuation", status="done")),
        (migration(1, status="cancelled"),),
        (migration(1, kind="evacuation", status="error"),),
        (migration(1, status="error", destination=None),),
    ],
)
def test_moves_that_are_settled_stand_in_nobodys_way(records: tuple[Migration, ...]) -> None:
    """A success settles what was before it; a move that never left, or went nowhere, left no guest anywhere."""
    found = replace(GUEST, host="c1")
    assert orders(Hand().look(found, *records)) == [StopInstance("i1", "c1", 1)]


def test_a_suspect_that_is_proven_off_is_none() -> None:
    """Where the other host may hold no guest any more, the instance is restarted."""
    hand = Hand()
    hand.around = Surroundings(proven_off=frozenset({"c2"}))
    assert orders(hand.look(GUEST, migration(status="error"))) == [StopInstance("i1", "c1", 1)]


def test_all_instances_where_the_operator_says_so() -> None:
    """With process_all_instances the metadata is not asked."""
    hand = Hand(policy=replace(POLICY, process_all_instances=True))
    assert orders(hand.look(UNTAGGED)) == [StopInstance("i1", "c1", 1)]


@pytest.mark.parametrize(
    ("found", "service", "codes"),
    [
        (replace(GUEST, task_state="rebooting"), UP, (Code.INSTANCE_BUSY, Code.INSTANCE_STAYS_BUSY)),
        (GUEST, replace(UP, is_up=False), (Code.INSTANCE_HOST_DOWN, Code.INSTANCE_HOST_STAYS_DOWN)),
        (GUEST, replace(UP, forced_down=True), (Code.INSTANCE_HOST_DOWN, Code.INSTANCE_HOST_STAYS_DOWN)),
        (GUEST, None, (Code.INSTANCE_HOST_DOWN, Code.INSTANCE_HOST_STAYS_DOWN)),
    ],
)
def test_what_may_end_by_itself_is_waited_for(
    found: Instance, service: ServiceReading | None, codes: tuple[Code, Code]
) -> None:
    """It is looked at again and again, said once, and then given to a human; where it ends in time, things go on."""
    hand, other = Hand(), Hand()
    assert orders(hand.look(found, service=service)) == []
    assert hand.said[-1] is codes[0]
    assert orders(hand.look(GUEST)) == [StopInstance("i1", "c1", 1)]
    while other.state.outcome is None:
        other.look(found, service=service)
    assert other.ending() == (Outcome.FAILED, codes[1])
    assert other.said.count(codes[0]) == 1
    assert POLICY.instance_settle_seconds <= other.now - NOW < POLICY.instance_settle_seconds + 10.0


@pytest.mark.parametrize("seen", [GUEST, replace(GUEST, vm_state="error")])
def test_a_leftover_of_upstreams_stops_nothing(seen: Instance) -> None:
    """What was reported up to an hour ago may be mended since: what is not stopped is left alone, and its owner's call."""
    hand = Hand()
    hand.state = replace(hand.state, is_leftover=True)
    assert orders(hand.look(seen)) == []
    assert hand.ending() == (Outcome.LEFT_ALONE, Code.INSTANCE_LEFTOVER)


def test_a_leftover_of_upstreams_that_is_still_stopped_is_started() -> None:
    """Nobody else starts it: neither upstream's engine any more, nor a monitor, which reports once."""
    hand = Hand()
    hand.state = replace(hand.state, is_leftover=True)
    assert orders(hand.look(STOPPED)) == [StartInstance("i1", "c1", 1)]
    hand.take()
    hand.look(GUEST)
    assert hand.ending() == (Outcome.RESTARTED, Code.RESTARTED)


def test_restarts_are_bounded() -> None:
    """An instance that was started often enough within the hour is left as it is, and a human is told."""
    hand = Hand(around=Surroundings(restarts=POLICY.instance_restarts_per_hour))
    decision = hand.look(STOPPED)
    assert (orders(decision), told(decision)) == ([], True)
    assert hand.ending() == (Outcome.FAILED, Code.RESTART_LIMIT)
    again = Hand(around=Surroundings(restarts=POLICY.instance_restarts_per_hour - 1))
    assert orders(again.look(STOPPED)) == [StartInstance("i1", "c1", 1)]


def test_what_we_stopped_is_started_whatever_has_changed_since() -> None:
    """Neither the bound, nor metadata that its owner took away, nor another host keeps a guest down that ran before we came."""
    hand = Hand()
    hand.look(GUEST)
    hand.take()
    hand.around = Surroundings(restarts=99)
    hand.look(STOPPED)
    moved = replace(STOPPED, metadata=(), host="c2")
    found = hand.look(moved, migration(), service=replace(UP, host="c2"))
    assert orders(found) == [StartInstance("i1", "c2", 2)]


def test_a_move_of_what_we_stopped_is_waited_for() -> None:
    """An operator who migrates the stopped instance gets it started where it goes."""
    hand = Hand()
    hand.look(GUEST)
    hand.take()
    hand.look(STOPPED)
    assert orders(hand.look(STOPPED, migration(status="running"))) == []
    assert hand.state.outcome is None
    found = hand.look(replace(STOPPED, host="c2"), migration(), service=replace(UP, host="c2"))
    assert orders(found) == [StartInstance("i1", "c2", 2)]


# Orders and answers


@pytest.mark.parametrize("is_start", [False, True])
def test_an_order_without_an_answer_is_not_repeated_blindly(is_start: bool) -> None:
    """Only when Nova shows no trace of it and it cannot come any more, the same is ordered again."""
    hand = Hand()
    hand.to_start() if is_start else hand.look(GUEST)
    found, kind = (STOPPED, StartInstance) if is_start else (GUEST, StopInstance)
    hand.hear(events.GuestOrderUnanswered(answers=hand.state.order_key, detail="time out"))
    began = hand.now
    while hand.now < began + SETTLED:
        assert orders(hand.look(found)) == []
    (again,) = orders(hand.look(found))
    assert isinstance(again, kind)
    assert again.number == (3 if is_start else 2)


def test_a_stop_that_took_effect_was_taken() -> None:
    """The answer may be lost: seen stopped is enough; but the start waits until no late one can stop the guest again."""
    hand = Hand()
    hand.look(GUEST)
    hand.hear(events.GuestOrderUnanswered(answers="stop:1", detail="time out"))
    began = hand.now
    hand.look(STOPPED)
    assert orders(hand.look(STOPPED)) == []
    assert [type(order) for order in orders(hand.look(STOPPED))] == [StartInstance]
    assert hand.now >= began + SETTLED


def test_a_start_that_took_effect_was_taken() -> None:
    """A guest that runs is what was wanted."""
    hand = Hand()
    hand.to_start()
    hand.hear(events.GuestOrderUnanswered(answers=hand.state.order_key, detail="time out"))
    hand.look(GUEST)
    assert hand.state.outcome is Outcome.RESTARTED


@pytest.mark.parametrize("is_start", [False, True])
def test_a_refusal_is_looked_up(is_start: bool) -> None:
    """Somebody else may have been faster; after some refusals a human is told what Nova said."""
    hand = Hand()
    hand.to_start() if is_start else hand.look(GUEST)
    for _ in range(ORDERS - 1):
        hand.hear(events.GuestOrderRefused(answers=hand.state.order_key, status=409, detail="it is in vm_state odd"))
        assert orders(hand.look(STOPPED if is_start else GUEST)) != []
    hand.hear(events.GuestOrderRefused(answers=hand.state.order_key, status=409, detail="it is in vm_state odd"))
    hand.look(STOPPED if is_start else GUEST)
    assert hand.ending() == (Outcome.FAILED, Code.NOT_STARTED if is_start else Code.NOT_STOPPED)
    assert "odd" in hand.state.reason.sentence


def test_a_refused_stop_of_what_is_stopped_leads_to_the_start() -> None:
    """Nova's own stop of a crashed guest wins the race, and costs nothing."""
    hand = Hand()
    hand.look(GUEST)
    hand.hear(events.GuestOrderRefused(answers="stop:1", status=409, detail="stopped already"))
    assert orders(hand.look(STOPPED)) == [StartInstance("i1", "c1", 2)]


def test_an_order_that_never_left_does_not_count() -> None:
    """What the door held back is given again, as often as it takes."""
    hand = Hand()
    for number in range(3 * ORDERS):
        (order,) = orders(hand.look(STOPPED))
        assert order.key == f"start:{number + 1}"
        hand.hear(events.OrderNotSent(answers=order.key, instance=None, detail="the door was shut"))
    assert hand.state.starts == 0


@pytest.mark.parametrize("is_start", [False, True])
def test_what_takes_too_long_is_given_to_a_human(is_start: bool) -> None:
    """Nova has so long to stop a guest, and so long to start it."""
    hand = Hand()
    hand.to_start() if is_start else hand.look(GUEST)
    hand.take()
    began = hand.state.ordered_at
    assert began is not None
    found = replace(STOPPED, task_state="powering-on") if is_start else replace(GUEST, task_state="powering-off")
    while hand.state.outcome is None:
        assert orders(hand.look(found)) == []
    seconds = POLICY.wait_period_after_power_on if is_start else POLICY.wait_period_after_power_off
    assert seconds <= hand.now - began < seconds + 2.0
    assert hand.ending() == (Outcome.FAILED, Code.NOT_STARTED if is_start else Code.NOT_STOPPED)


def test_a_start_that_ends_in_error_is_not_waited_for() -> None:
    """Nova says at once that it cannot."""
    hand = Hand()
    hand.to_start()
    hand.take()
    hand.look(replace(GUEST, vm_state="error"))
    assert hand.ending() == (Outcome.FAILED, Code.NOT_STARTED)


def test_a_lost_answer_holds_nothing_for_ever() -> None:
    """An order whose answer never comes, not even that there was none, is looked up after a while."""
    hand = Hand()
    hand.look(GUEST)
    assert hand.hear(events.Ticked(), after=119.0).effects == ()
    assert hand.hear(events.Ticked(), after=2.0).effects == (ReadInstance("i1", closely=False),)


def test_an_instance_that_goes_while_it_is_followed_is_looked_at_closely() -> None:
    """One that is deleted, or moved, between two looks is judged anew."""
    hand = Hand()
    hand.to_start()
    hand.take()
    assert hand.look(replace(GUEST, host="c2")).effects == (ReadInstance("i1", closely=True),)
    hand.look(None)
    assert hand.ending() == (Outcome.LEFT_ALONE, Code.INSTANCE_GONE)


def test_nova_away_is_said_once_and_alerts_later() -> None:
    """While Nova does not answer it is asked again and again, said once, and told to humans after a while."""
    hand, alerts = Hand(), 0
    for _ in range(60):
        hand.hear(events.InstanceUnreadable(answers=ReadInstance.key, detail="away"))
        alerts += told(hand.hear(events.Ticked(), after=POLICY.nova_retry_seconds))
    assert (hand.said.count(Code.INSTANCE_UNREADABLE), alerts) == (1, 1)
    before, decision = hand.state, hand.look(GUEST)
    assert orders(decision) != []
    assert Code.NOVA_BACK in hand.said
    (resumed,) = alerts_of(before, decision.state, decision.effects)
    assert (before.told, decision.state.told) == (Code.INSTANCE_UNREADABLE, None)
    assert resumed.kind is AlertKind.RESUMED


def test_what_was_told_is_told_to_be_over() -> None:
    """The end of what needed nobody is told all the same to those who heard that it did not go on."""
    hand = Hand()
    while hand.state.told is None:
        hand.hear(events.InstanceUnreadable(answers=ReadInstance.key, detail="away"))
        hand.hear(events.Ticked(), after=POLICY.nova_retry_seconds)
    assert told(hand.look(None))
    assert hand.ending() == (Outcome.LEFT_ALONE, Code.INSTANCE_GONE)
    unheard = Hand()
    assert not told(unheard.look(None))


# The host


OPEN = Surroundings(host_recovery="r-of-c1")


def test_the_recovery_of_the_host_comes_first() -> None:
    """While it is open nothing is asked or ordered, and nobody is told; when it has ended the instance is looked at closely."""
    hand = Hand(around=OPEN)
    decision = hand.hear(events.Ticked())
    assert decision.effects == ()
    assert (hand.state.phase, hand.said) == (InstancePhase.AWAITING, [Code.INSTANCE_AWAITS])
    assert hand.hear(events.Ticked(), after=3600.0).effects == ()
    hand.around = ALONE
    assert hand.hear(events.Ticked(), after=1.0).effects == (ReadInstance("i1", closely=True),)


@pytest.mark.parametrize("host", ["c1", "c2"])
def test_what_the_recovery_of_the_host_brought_back_is_left_alone(host: str) -> None:
    """An instance that runs after that is absorbed, wherever it is."""
    hand = Hand(around=OPEN)
    hand.hear(events.Ticked())
    hand.around = ALONE
    decision = hand.look(replace(GUEST, host=host), service=replace(UP, host=host), after=1.0)
    assert (orders(decision), told(decision)) == ([], False)
    assert hand.ending() == (Outcome.ABSORBED, Code.INSTANCE_ABSORBED)


def test_what_the_recovery_of_the_host_left_stopped_is_started_there() -> None:
    """A guest that died before its host was evacuated stopped: it is started where it is now."""
    hand = Hand(around=OPEN)
    hand.hear(events.Ticked())
    hand.around = ALONE
    moved = migration(kind="evacuation", status="done")
    found = hand.look(replace(STOPPED, host="c2"), moved, service=replace(UP, host="c2"), after=1.0)
    assert orders(found) == [StartInstance("i1", "c2", 1)]


@pytest.mark.parametrize("is_start", [False, True])
def test_an_order_in_hand_gives_way_to_the_recovery_of_the_host(is_start: bool) -> None:
    """What the door holds back then is not given again before that has ended."""
    hand = Hand()
    hand.to_start() if is_start else hand.look(GUEST)
    hand.around = OPEN
    hand.hear(events.OrderNotSent(answers=hand.state.order_key, instance=None, detail="the host is being recovered"))
    assert hand.state.phase is InstancePhase.AWAITING
    hand.around = Surroundings(host_recovery="another")
    hand.hear(events.Ticked(), after=20.0)
    assert hand.state.awaited == "another"
    hand.around = ALONE
    hand.look(GUEST, after=20.0)
    assert hand.state.outcome is Outcome.ABSORBED


def test_an_answer_that_comes_while_it_waits_is_heard() -> None:
    """A start that Nova took just before is found out after the recovery of the host."""
    hand = Hand()
    hand.to_start()
    hand.around = OPEN
    hand.take()
    hand.hear(events.Ticked(), after=30.0)
    assert hand.state.phase is InstancePhase.AWAITING
    hand.around = ALONE
    hand.look(replace(GUEST, host="c2"), migration(), after=1.0)
    assert hand.state.outcome is Outcome.RESTARTED


# Owners and humans


def test_another_owner_looks_before_it_orders() -> None:
    """A new owner takes an order that was in hand for one without an answer, and gives none before that is over."""
    hand = Hand()
    hand.look(GUEST)
    hand.hear(events.TakenOver(engine="e2", before="e1"))
    assert hand.said[-1] is Code.INCIDENT_TAKEN_OVER
    began = hand.now
    assert orders(hand.look(GUEST)) == []
    assert [order.key for order in orders(hand.look(GUEST))] == ["stop:2"]
    assert hand.now >= began + SETTLED


def test_another_owner_finds_a_start_that_took_effect() -> None:
    """A guest that runs after a start of the owner before is what was wanted."""
    hand = Hand()
    hand.to_start()
    hand.hear(events.TakenOver(engine="e2", before="e1"))
    hand.look(GUEST)
    assert hand.state.outcome is Outcome.RESTARTED


def test_a_clock_that_was_set_back_delays_nothing_for_long() -> None:
    """After a take-over no time to come stands in the state that is further away than an answer may take."""
    hand = Hand()
    hand.look(GUEST)
    hand.hear(events.GuestOrderUnanswered(answers="stop:1", detail="time out"))
    hand.hear(events.TakenOver(engine="e1", before="e1"), after=-1800.0)
    assert hand.said[-1] is Code.INCIDENT_RESUMED
    assert hand.state.unsettled_until == hand.now + SETTLED
    assert max(hand.state.opened_at, hand.state.phase_since) <= hand.now


def test_a_wait_for_the_host_outlives_its_owner() -> None:
    """A new owner goes on waiting."""
    hand = Hand(around=OPEN)
    hand.hear(events.Ticked())
    hand.hear(events.TakenOver(engine="e2", before="e1"), after=-1800.0)
    assert hand.state.phase is InstancePhase.AWAITING


def test_humans_and_reports() -> None:
    """A further report joins, a confirm is no answer to anything, and a reject ends it."""
    hand = Hand()
    hand.hear(events.Notified(notification="n7"))
    refused = hand.hear(events.Confirmed(by="ann", why="go"))
    assert hand.said == [Code.INSTANCE_REPORTED_AGAIN, Code.CONFIRM_NOT_ASKED]
    assert [effect.kind for effect in refused.effects if isinstance(effect, Alert)] == [AlertKind.REFUSED]
    hand.hear(events.Rejected(by="ann", why="no"))
    assert hand.ending() == (Outcome.REJECTED, Code.REJECTED)


@pytest.mark.parametrize("is_stopped", [False, True])
def test_what_is_over_hears_nothing(is_stopped: bool) -> None:
    """An incident that has ended, or was stopped, is changed by no fact."""
    state = Hand().state
    over = stopped(state, state.reason, NOW) if is_stopped else rejected(state, state.reason, NOW)
    assert isinstance(over, InstanceRecovery)
    fact = events.InstanceRead(answers="instance", instance=GUEST, migrations=(), service=UP)
    decision = decide(over, fact, NOW, POLICY, ALONE)
    assert (decision.state, decision.effects) == (over, ())


# The promises


START, STOP = StartInstance("i1", "c1", 1), StopInstance("i1", "c1", 1)


def broken(effect: Effect, *, around: Surroundings = ALONE, **state: Any) -> str:
    """Return what a decision with this order breaks; as it stands, nothing."""
    seen = STOPPED if isinstance(effect, StartInstance) else GUEST
    opened = Hand().state
    before = replace(opened, seen=seen, records=(), service=UP, read_at=NOW, starts=1)
    decision = Decision(state=replace(before, **state), effects=(effect,), reasons=())
    try:
        check_instance(replace(opened, **state), decision, NOW, POLICY, around)
    except Broken as error:
        return str(error)
    return ""


@pytest.mark.parametrize("effect", [START, STOP], ids=lambda effect: effect.key)
def test_a_guest_is_ordered_by_what_was_just_seen(effect: Effect) -> None:
    """Neither order is possible by an old look, for another host, with a task under way, on a host that is down, or too early (P1)."""
    assert broken(effect) == ""
    assert "without a look" in broken(effect, read_at=NOW - 1.0)
    assert "without a look" in broken(effect, seen=None)
    other = replace(effect, host="c2")
    assert "Nova holds to be on c1" in broken(other)
    seen = STOPPED if effect is START else GUEST
    assert "(rebooting)" in broken(effect, seen=replace(seen, task_state="rebooting"))
    assert "in state" in broken(effect, seen=GUEST if effect is START else STOPPED)
    for service in (None, replace(UP, is_up=False), replace(UP, forced_down=True), replace(UP, host="c2")):
        assert "for up" in broken(effect, service=service)
    assert "may yet be taken" in broken(effect, unsettled_until=NOW + 1.0)


@pytest.mark.parametrize("effect", [START, STOP], ids=lambda effect: effect.key)
def test_a_guest_is_ordered_where_it_alone_can_be(effect: Effect) -> None:
    """Neither order is possible beside a move, after one that may have left a guest elsewhere, or beside its host's recovery (P2)."""
    assert "being recovered" in broken(effect, around=OPEN)
    assert "without a look at its migrations" in broken(effect, records=None)
    assert "is open" in broken(effect, records=(migration(status="running"),))
    assert "c2 may hold" in broken(effect, records=(migration(status="failed"),))
    assert (
        broken(effect, records=(migration(status="failed"),), around=Surroundings(proven_off=frozenset({"c2"}))) == ""
    )
    assert broken(effect, records=(migration(1, status="failed"), migration(2))) == ""
    assert broken(effect, records=(migration(status="failed", instance="i2"),)) == ""
    assert broken(effect, records=(migration(status="cancelled"),)) == ""


def test_starts_are_bounded_by_promise() -> None:
    """Neither a fourth order of one incident, nor the first of one too many in an hour (P6)."""
    assert "after three orders" in broken(START, starts=4)
    assert "3 times within the hour" in broken(START, around=Surroundings(restarts=3))
    assert broken(START, stops=1, around=Surroundings(restarts=3)) == ""


def test_an_incident_ends_with_a_reason_or_wakes() -> None:
    """Neither an end without an outcome nor a sleep without an end is stored (P4)."""
    before = Hand().state
    asleep = Decision(state=replace(before, wake_at=None), effects=(), reasons=())
    with pytest.raises(Broken, match="sleeps for ever"):
        check_instance(before, asleep, NOW, POLICY, ALONE)


def test_nothing_is_ordered_beside_a_disarming_by_promise() -> None:
    """Neither an order while something is disarmed, nor a halt while nothing is (P6)."""
    for effect in (STOP, START):
        assert "although ann disarmed all hosts" in broken(effect, around=DISARMED)
    before = Hand().state
    halted = Decision(state=replace(before, phase=InstancePhase.HALTED), effects=(), reasons=())
    with pytest.raises(Broken, match="nothing is disarmed"):
        check_instance(before, halted, NOW, POLICY, ALONE)


# Disarmed


def test_a_disarming_halts_in_place_of_an_order() -> None:
    """The message says who and until when, a human is told once, and it wakes soon, since nobody tells when it is over; then it looks anew."""
    hand = Hand(around=DISARMED)
    decision = hand.look(GUEST)
    assert (orders(decision), told(decision)) == ([], True)
    assert hand.state.phase is InstancePhase.HALTED
    assert "ann disarmed all hosts until noon: the network is rebuilt" in hand.state.reason.sentence
    for _ in range(20):
        decision = hand.hear(events.Ticked(), after=2.0)
        assert (decision.effects, decision.reasons) == ((), ())
        assert hand.state.wake_at is not None
        assert hand.state.wake_at <= hand.now + POLICY.witness_interval_seconds
    hand.around = ALONE
    decision = hand.hear(events.Ticked(), after=2.0)
    assert [reason.code for reason in decision.reasons] == [Code.INSTANCE_ARMED] == [hand.state.reason.code]
    assert decision.effects == (ReadInstance("i1", closely=True),)
    assert orders(hand.look(GUEST)) == [StopInstance("i1", "c1", 1)]
    assert hand.said.count(Code.INSTANCE_DISARMED) == 1


def test_a_longer_disarming_is_named_without_another_line() -> None:
    """Its end is shown as it stands now; the timeline does not repeat it, and a long one is told of again."""
    hand = Hand(around=DISARMED)
    hand.look(GUEST)
    hand.around = Surroundings(disarmed=replace(ORDER, until_text="midnight"))
    decision = hand.hear(events.Ticked(), after=2.0)
    assert "until midnight" in decision.state.reason.sentence
    assert decision.reasons == ()
    assert told(hand.hear(events.Ticked(), after=POLICY.alert_interval_seconds))


def test_what_needs_no_order_ends_while_it_is_disarmed() -> None:
    """Only what would be ordered waits."""
    hand = Hand(around=DISARMED)
    hand.look(None)
    assert hand.ending() == (Outcome.LEFT_ALONE, Code.INSTANCE_GONE)


def test_what_nova_took_is_followed_while_it_is_disarmed() -> None:
    """A stop is seen to its end, and the start that follows waits; a start is seen to its end."""
    hand = Hand()
    hand.look(GUEST)
    hand.around = DISARMED
    hand.take()
    hand.look(STOPPED)
    assert orders(hand.look(STOPPED)) == []
    assert hand.state.phase is InstancePhase.HALTED
    hand.around = ALONE
    hand.hear(events.Ticked(), after=700.0)
    assert orders(hand.look(STOPPED)) == [StartInstance("i1", "c1", 2)]
    hand.around = DISARMED
    hand.take()
    hand.look(GUEST)
    assert hand.ending() == (Outcome.RESTARTED, Code.RESTARTED)


def test_an_order_that_the_door_held_back_halts_once() -> None:
    """A disarming that came after the decision is found at the door: one line says so, one that it is disarmed, and then it is quiet."""
    hand = Hand()
    hand.look(GUEST)
    hand.around = DISARMED
    hand.hear(events.OrderNotSent(answers=hand.state.order_key, instance=None, detail="a human stopped it"))
    for _ in range(20):
        if ReadInstance.key in hand.state.outstanding:
            hand.look(GUEST)
        hand.hear(events.Ticked(), after=2.0)
    assert hand.said[-2:] == [Code.GUEST_ORDER_NOT_SENT, Code.INSTANCE_DISARMED]
    assert hand.state.stops == 0


def test_another_owner_stays_halted() -> None:
    """A take-over says that it is one, and neither that it is disarmed once more nor that it is armed."""
    hand = Hand(around=DISARMED)
    hand.look(GUEST)
    decision = hand.hear(events.TakenOver(engine="e2", before="e1"), after=2.0)
    assert [reason.code for reason in decision.reasons] == [Code.INCIDENT_TAKEN_OVER]
    assert hand.state.phase is InstancePhase.HALTED


def test_the_recovery_of_its_host_comes_before_a_disarming() -> None:
    """It waits for that first, and then for the other."""
    hand = Hand(around=DISARMED)
    hand.look(GUEST)
    hand.around = replace(DISARMED, host_recovery="r")
    hand.hear(events.Ticked(), after=2.0)
    assert hand.state.phase is InstancePhase.AWAITING
    hand.around = DISARMED
    hand.hear(events.Ticked(), after=2.0)
    hand.look(STOPPED)
    assert hand.state.phase is InstancePhase.HALTED


def test_a_halted_one_is_rejected() -> None:
    """A human may end it meanwhile."""
    hand = Hand(around=DISARMED)
    hand.look(GUEST)
    assert told(hand.hear(events.Rejected(by="ann", why="mended")))
    assert hand.ending() == (Outcome.REJECTED, Code.REJECTED)


# What the operator chose

CONFIRM, REPORT = (Workflows((Choice(None, Failure.INSTANCE, each),)) for each in (Workflow.CONFIRM, Workflow.REPORT))
YES = events.Confirmed(by="ann", why="its owner waits")


def test_a_human_is_asked_before_the_first_order() -> None:
    """Nothing is ordered before the word, humans are told; after it the instance is looked at closely, and no human asked again."""
    hand = Hand(policy=replace(POLICY, workflows=CONFIRM))
    assert told(hand.look(GUEST))
    assert (hand.state.phase, hand.state.reason.code) == (InstancePhase.ASKING, Code.INSTANCE_CONFIRM_WANTED)
    assert hand.hear(YES).effects == (ReadInstance("i1", closely=True),)
    assert orders(hand.look(GUEST)) == [StopInstance("i1", "c1", 1)]
    hand.take()
    hand.look(STOPPED)
    assert orders(hand.look(STOPPED)) == [StartInstance("i1", "c1", 2)]


def test_what_is_asked_about_is_told_again_and_may_be_rejected() -> None:
    """It alerts on schedule; a reject ends it."""
    hand = Hand(policy=replace(POLICY, workflows=CONFIRM))
    hand.look(GUEST)
    assert not told(hand.hear(events.Ticked(), after=POLICY.alert_interval_seconds / 2))
    assert told(hand.hear(events.Ticked(), after=POLICY.alert_interval_seconds / 2))
    hand.hear(events.Rejected(by="ann", why="its owner debugs it"))
    assert hand.ending() == (Outcome.REJECTED, Code.REJECTED)


def test_an_engine_with_another_choice_asks_no_more() -> None:
    """What waits for a human goes on where the engine of now was told to recover."""
    hand = Hand(policy=replace(POLICY, workflows=CONFIRM))
    hand.look(GUEST)
    hand.policy = POLICY
    hand.hear(events.TakenOver(engine="e2", before="e1"))
    assert hand.state.phase is InstancePhase.READING
    assert orders(hand.look(GUEST)) == [StopInstance("i1", "c1", 1)]


def test_what_would_be_restarted_is_told() -> None:
    """With report nothing is ordered, and it ends so; what would be left alone is left alone, untold."""
    hand = Hand(policy=replace(POLICY, workflows=REPORT))
    decision = hand.look(GUEST)
    assert (orders(decision), told(decision)) == ([], True)
    assert hand.ending() == (Outcome.REPORTED, Code.ONLY_REPORTED)
    hand = Hand(policy=replace(POLICY, workflows=REPORT))
    assert not told(hand.look(replace(GUEST, vm_state="paused")))
    assert hand.ending() == (Outcome.LEFT_ALONE, Code.INSTANCE_LEFT)


def test_what_has_begun_is_ended_under_any_choice() -> None:
    """A guest that we stopped is started, though an engine of now would only report it."""
    hand = Hand()
    hand.look(GUEST)
    hand.take()
    hand.policy = replace(POLICY, workflows=REPORT)
    hand.look(STOPPED)
    assert orders(hand.look(STOPPED)) == [StartInstance("i1", "c1", 2)]


# Whatever happens


class Life:
    """One incident, fed with whatever the tape says."""

    def __init__(self, tape: bytes) -> None:
        self._tape = Random(tape)
        policy = replace(POLICY, process_all_instances=self._tape.random() < 0.5)
        chosen = self._tape.choice((Workflow.RECOVER,) * 4 + (Workflow.CONFIRM, Workflow.REPORT))
        policy = replace(policy, workflows=Workflows((Choice(None, Failure.INSTANCE, chosen),)))
        self.hand = Hand(policy=policy)
        self.pending: list[effects.Effect] = [ReadInstance("i1", closely=True)]
        self.seen: set[object] = set()
        self.keys: list[str] = []

    def live(self) -> None:
        """Hear up to eighty facts."""
        pick = self._tape.choice
        for _ in range(80):
            self.hand.around = Surroundings(
                host_recovery=pick((None,) * 14 + ("r",)),
                restarts=pick((0, 0, 0, 0, 3)),
                proven_off=pick((frozenset(), frozenset({"c2"}))),
                disarmed=pick((None,) * 7 + (ORDER,)),
            )
            decision = self.hand.hear(self._fact(), after=pick((0.1, 1.0, 1.0, 5.0, 25.0, 130.0)))
            self.seen |= {self.hand.state.phase, self.hand.state.outcome}
            if self.hand.state.phase is InstancePhase.ENDED:
                return
            assert self.hand.state.wake_at is not None
            assert self.hand.now < self.hand.state.wake_at <= self.hand.now + POLICY.alert_interval_seconds
            self.pending += [effect for effect in decision.effects if not isinstance(effect, Alert)]
            self.keys += [effect.key for effect in orders(decision)]
            assert self.hand.state.outstanding <= {effect.key for effect in self.pending}

    def _fact(self) -> events.InstanceEvent:
        pick = self._tape.choice
        if not self.pending or pick((True,) + (False,) * 5):
            fact = pick(
                (
                    events.Ticked(),
                    events.Ticked(),
                    events.Notified(notification="n"),
                    events.TakenOver(engine="e2", before="e1"),
                    events.Confirmed(by="ann", why="go"),
                    pick((events.Rejected(by="ann", why="no"), events.Ticked(), events.Ticked())),
                )
            )
            if isinstance(fact, events.TakenOver):
                self.pending.clear()
            return fact
        effect = self.pending.pop()
        return self._look(effect) if isinstance(effect, ReadInstance) else self._answer(effect.key)

    def _answer(self, key: str) -> events.InstanceEvent:
        return self._tape.choice(
            (
                events.GuestOrderTaken(answers=key),
                events.GuestOrderTaken(answers=key),
                events.GuestOrderRefused(answers=key, status=409, detail="no"),
                events.GuestOrderUnanswered(answers=key, detail="away"),
                events.OrderNotSent(answers=key, instance=None, detail="shut"),
            )
        )

    def _look(self, effect: ReadInstance) -> events.InstanceEvent:
        pick = self._tape.choice
        if pick((True,) + (False,) * 7):
            return events.InstanceUnreadable(answers=effect.key, detail="away")
        states = ("active",) * 4 + ("stopped",) * 4 + ("error", "paused", "suspended")
        found = replace(
            GUEST,
            vm_state=pick(states),
            task_state=pick((None,) * 5 + ("powering-off", "deleting")),
            host=pick(("c1",) * 6 + ("c2",)),
            metadata=pick((GUEST.metadata,) * 5 + ((),)),
        )
        record = migration(status=pick(("completed", "completed", "running", "error")))
        return events.InstanceRead(
            answers=effect.key,
            instance=pick((found,) * 15 + (None,)),
            migrations=pick(((),) * 6 + ((record,),)) if effect.closely else None,
            service=replace(UP, host=found.host, is_up=pick((True,) * 6 + (False,))) if effect.closely else None,
        )


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=8))
def test_no_sequence_of_facts_breaks_a_promise(tape: bytes) -> None:
    """Any facts in any sequence keep every promise, leave a time to wake that comes and is not now, and no two orders share a key."""
    life = Life(tape)
    life.live()
    assert len(set(life.keys)) == len(life.keys)


def test_lives_go_far() -> None:
    """The tapes lead incidents through every phase and to every outcome of theirs."""
    seen: set[object] = set()
    for seed in range(600):
        life = Life(seed.to_bytes(2, "big"))
        life.live()
        seen |= life.seen
    outcomes = {
        Outcome.RESTARTED,
        Outcome.LEFT_ALONE,
        Outcome.SKIPPED,
        Outcome.ABSORBED,
        Outcome.REPORTED,
        Outcome.FAILED,
        Outcome.REJECTED,
    }
    assert seen >= set(InstancePhase) - {InstancePhase.STOPPED} | outcomes
