"""What every implementation of `Outbox` holds, and that a store writes alerts into it with what decided them, or not at all."""

from __future__ import annotations

from typing import Any, Protocol

import pytest

from unit_tests.ports.store_contract import Owner, StoreRig, own, refused, take_over
from vmha.core.alerting import Delivered, GivenUp, Overtaken, RetryTerms, TryAgain
from vmha.core.effects import Alert, AlertKind
from vmha.core.explain import Code, because
from vmha.core.model import Outcome, Phase
from vmha.errors import Conflict, LeaseLost
from vmha.ports import Delivery, Outbox

RETRY = RetryTerms(retry_seconds=5.0, longest_retry_seconds=60.0, give_up_seconds=3600.0)
HOOK = {"w": "receiver"}
CLAIM_SECONDS = 15.0


class OutboxRig(StoreRig, Protocol):
    """A store, and the outbox of the same memory."""

    @property
    def outbox(self) -> Outbox:
        """The outbox."""

    def told(self, recovery: str) -> list[dict[str, Any]]:
        """Return the documents of a recovery's alerts, oldest first."""


def tell(owner: Owner, kind: AlertKind = AlertKind.WAITS, **after: Any) -> None:
    """Commit a step with an alert."""
    reason = because(Code.NO_DEVICE, host=owner.state.host)
    order = owner.order(Alert(owner.state.host, reason, kind))
    owner.commit(owner.change(orders=(order,), **{"told": Code.NO_DEVICE, "reason": reason, **after}))


def kinds(rig: OutboxRig, recovery: str) -> list[str]:
    """Return what kinds of alerts a recovery has."""
    return [document["kind"] for document in rig.told(recovery)]


def take(rig: OutboxRig, engine: str = "engine-1") -> Delivery:
    """Take what is due, which there is."""
    delivery = rig.outbox.take("w", engine, seconds=CLAIM_SECONDS)
    assert delivery is not None
    return delivery


def nothing_due(rig: OutboxRig) -> bool:
    """Tell whether nothing is due, neither seen nor taken."""
    return not rig.outbox.look(HOOK, RETRY).due and rig.outbox.take("w", "engine-9", seconds=CLAIM_SECONDS) is None


class OutboxContract:
    """The contract. The `rig` fixture gives a store with its outbox."""

    def test_an_opening_is_an_alert(self, rig: OutboxRig) -> None:
        """The report that opens a recovery stores its alert; a report that joins it stores none."""
        recovery = rig.report("c1").recovery
        rig.report("c1")
        (told,) = rig.told(recovery)
        assert (told["kind"], told["number"], told["incident"], told["host"]) == ("opened", 1, recovery, "c1")
        assert told["instances"] is None

    def test_alerts_of_a_recovery_are_numbered(self, rig: OutboxRig) -> None:
        """Every alert has the incident's uuid and key, an id of its own, and a number that grows, whoever owns the recovery."""
        owner = own(rig)
        tell(owner)
        successor = take_over(rig, owner.state.uuid)
        tell(successor, AlertKind.REMINDER)
        told = rig.told(owner.state.uuid)
        assert [(each["kind"], each["number"]) for each in told] == [("opened", 1), ("waits", 2), ("reminder", 3)]
        assert {(each["incident"], each["dedup_key"]) for each in told} == {
            (owner.state.uuid, f"vmha-{owner.state.uuid}")
        }
        assert len({each["id"] for each in told}) == 3

    def test_going_on_is_told_after_a_wait_alone(self, rig: OutboxRig) -> None:
        """The step in which a told wait ends is an alert; one that ends no told wait is none."""
        owner = own(rig)
        owner.commit(phase=Phase.UNPROVEN)
        owner.commit(phase=Phase.FENCING)
        tell(owner, phase=Phase.UNPROVEN)
        owner.commit(phase=Phase.FENCING, told=None)
        owner.commit(phase=Phase.FORCING_DOWN)
        assert kinds(rig, owner.state.uuid) == ["opened", "waits", "resumed"]

    def test_a_refused_commit_tells_nothing(self, rig: OutboxRig) -> None:
        """An alert of a decision that was not stored is not stored."""
        owner = own(rig)
        rig.store.commit(owner.lease, owner.version, owner.change(verified=True))
        refused(rig, Conflict, lambda: tell(owner))
        other = own(rig, "c2")
        take_over(rig, other.state.uuid)
        refused(rig, LeaseLost, lambda: tell(other))

    def test_the_end_says_how_it_ended(self, rig: OutboxRig) -> None:
        """The last alert has the outcome of the commit that it came with."""
        owner = own(rig)
        tell(owner, AlertKind.ENDED, phase=Phase.ENDED, outcome=Outcome.FAILED, ended_at=owner.now, told=None)
        told = rig.told(owner.state.uuid)[-1]
        assert (told["kind"], told["outcome"], told["severity"]) == ("ended", "failed", "critical")

    def test_nothing_is_due_before_it_is_addressed(self, rig: OutboxRig) -> None:
        """A look addresses what is new to each webhook, once; until then nobody can take it."""
        rig.report("c1")
        assert rig.outbox.take("w", "engine-1", seconds=CLAIM_SECONDS) is None
        assert rig.outbox.look({"w": "one", "x": "other"}, RETRY).due == {"w", "x"}
        assert rig.outbox.look({"y": "a third"}, RETRY).due == frozenset()
        assert take(rig).attempt == 1
        assert rig.outbox.take("y", "engine-1", seconds=CLAIM_SECONDS) is None

    def test_a_look_sees_its_own_webhooks_alone(self, rig: OutboxRig) -> None:
        """What is due for a webhook that this engine does not have is no work of its."""
        rig.report("c1")
        rig.outbox.look({"x": "other"}, RETRY)
        assert rig.outbox.look(HOOK, RETRY).due == frozenset()

    def test_the_oldest_is_taken_first(self, rig: OutboxRig) -> None:
        """Alerts leave in the order in which they were stored, with what they say and how old they are."""
        first = rig.report("c1").recovery
        rig.pass_time(10.0)
        second = rig.report("c2").recovery
        rig.outbox.look(HOOK, RETRY)
        taken = [take(rig), take(rig)]
        assert [each.alert for each in taken] == [rig.told(first)[0]["id"], rig.told(second)[0]["id"]]
        assert [each.host for each in taken] == ["c1", "c2"]
        assert taken[0].age_seconds == pytest.approx(10.0, abs=0.5)
        assert nothing_due(rig)

    def test_what_is_taken_is_nobody_elses_for_a_while(self, rig: OutboxRig) -> None:
        """Who dies with a delivery loses it after the time it took it for; the next attempt has the next number."""
        rig.report("c1")
        rig.outbox.look(HOOK, RETRY)
        taken = take(rig)
        rig.pass_time(CLAIM_SECONDS - 1.0)
        assert nothing_due(rig)
        rig.pass_time(1.0)
        assert rig.outbox.look(HOOK, RETRY).due == {"w"}
        again = take(rig, "engine-2")
        assert (again.id, again.alert, again.attempt) == (taken.id, taken.alert, 2)

    def test_what_came_of_an_older_attempt_counts_no_more(self, rig: OutboxRig) -> None:
        """An engine that slept over its time changes nothing of what another one does with the delivery."""
        rig.report("c1")
        rig.outbox.look(HOOK, RETRY)
        slept = take(rig)
        rig.pass_time(CLAIM_SECONDS)
        again = take(rig, "engine-2")
        refused_ones = (Delivered(), TryAgain(why="late", pause_seconds=1.0), GivenUp(why="late"), Overtaken())
        assert [rig.outbox.settle(slept, verdict) for verdict in refused_ones] == [False] * 4
        assert rig.outbox.settle(again, Delivered())

    @pytest.mark.parametrize("verdict", [Delivered(), GivenUp(why="too old"), Overtaken()], ids=repr)
    def test_what_is_over_is_never_due_again(self, rig: OutboxRig, verdict: Any) -> None:
        """A delivery that was taken, given up or overtaken is settled once and for all, and no other one with it."""
        rig.report("c1")
        rig.report("c2")
        rig.outbox.look(HOOK, RETRY)
        taken, other = take(rig), take(rig)
        assert rig.outbox.settle(taken, verdict)
        assert not rig.outbox.settle(taken, Delivered())
        rig.pass_time(RETRY.give_up_seconds)
        assert take(rig).id == other.id
        assert nothing_due(rig)

    def test_a_failure_is_due_after_its_pause(self, rig: OutboxRig) -> None:
        """It is taken again when its pause is over, and not before, whatever the time was that it was taken for."""
        rig.report("c1")
        rig.outbox.look(HOOK, RETRY)
        assert rig.outbox.settle(take(rig), TryAgain(why="it answered 500", pause_seconds=40.0))
        rig.pass_time(39.0)
        assert nothing_due(rig)
        rig.pass_time(1.0)
        assert take(rig).attempt == 2

    def test_a_reminder_is_overtaken_by_any_younger_alert(self, rig: OutboxRig) -> None:
        """Of a pile of reminders the last says how it stands; a wait and an end are never left out."""
        owner = own(rig)
        tell(owner, phase=Phase.UNPROVEN)
        tell(owner, AlertKind.REMINDER)
        tell(owner, AlertKind.REMINDER)
        rig.outbox.look(HOOK, RETRY)
        assert [take(rig).is_overtaken for _ in range(4)] == [False, False, True, False]

    def test_what_nobody_could_send_for_too_long_is_not_sent(self, rig: OutboxRig) -> None:
        """An alert that is older than it may be when the first webhook is there is counted once, and sent to nobody."""
        rig.report("c1")
        rig.pass_time(RETRY.give_up_seconds)
        rig.report("c2")
        found = rig.outbox.look(HOOK, RETRY)
        assert (found.too_old, found.due) == (1, {"w"})
        assert take(rig).host == "c2"
        assert rig.outbox.look(HOOK, RETRY).too_old == 0

    def test_what_no_engine_serves_is_closed(self, rig: OutboxRig) -> None:
        """What lies for a webhook that was taken out of the configuration is given up in time, by whichever engine looks."""
        rig.report("c1")
        rig.outbox.look({"x": "the old receiver"}, RETRY)
        rig.pass_time(RETRY.give_up_seconds - 1.0)
        assert rig.outbox.look(HOOK, RETRY).unserved == {}
        rig.pass_time(1.0)
        assert rig.outbox.look({"x": "the old receiver"}, RETRY).unserved == {}
        assert rig.outbox.look(HOOK, RETRY).unserved == {"the old receiver": 1}
        assert rig.outbox.look(HOOK, RETRY).unserved == {}
        assert rig.outbox.take("x", "engine-1", seconds=CLAIM_SECONDS) is None

    def test_a_clock_that_was_set_back_holds_up_nothing(self, rig: OutboxRig) -> None:
        """What would be due in a day, since it was taken before the clock was set back by a day, is due at the next look."""
        rig.report("c1")
        rig.outbox.look(HOOK, RETRY)
        taken = take(rig)
        rig.pass_time(-86_400.0)
        assert rig.outbox.look(HOOK, RETRY).due == {"w"}
        assert take(rig).id == taken.id

    def test_alerts_are_stored_by_another_connection_too(self, rig: OutboxRig) -> None:
        """What one engine stored, every engine's outbox has."""
        owner = own(rig)
        owner.store = rig.another()
        tell(owner)
        rig.outbox.look(HOOK, RETRY)
        assert [take(rig).kind for _ in range(2)] == ["opened", "waits"]
