"""May a host be let back? What each fact makes of it (P7), and which flags are whose."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from unit_tests.core.states import PRIOR, instance, migration
from vmha.core.explain import Code
from vmha.core.flags import OurReasons, ServiceFlags
from vmha.core.model import Power, ServicePrior, ServiceReading
from vmha.core.reserve import RESERVE_REASON, why_kept
from vmha.core.returning import Known, Left, Past, Seen, Verdict, Wish, judge

OURS = "Masakari detected host failed."
STOPPED = "Masakari detected process failed."
NOW = 10_000.0
SETTLE_SECONDS = 15.0
ANN = Wish(by="ann", why="new memory")
FAILED = Past(uuid="r1", ended_at=NOW - 600.0, was_proven_off=True, prior=PRIOR)
KNOWN = Known(host="c1", uuid="uuid-of-c1", now=NOW, on_maintenance=True, past=(FAILED,))
DOWN = ServiceReading(host="c1", heartbeat="b2", is_up=False, forced_down=True, disabled=True, disabled_reason=OURS)
SEEN = Seen(service=DOWN, left=Left(), was_heard=True, watched_seconds=8.0, power=Power.ON, address="10.0.0.1:623")


def verdict(known: Known = KNOWN, seen: Seen = SEEN, wish: Wish = ANN) -> Verdict:
    """Judge."""
    return judge(known, seen, wish, our_reasons=OurReasons(host=OURS, process=STOPPED), settle_seconds=SETTLE_SECONDS)


def against(known: Known = KNOWN, seen: Seen = SEEN, wish: Wish = ANN) -> list[Code]:
    """Return the codes of what is against it."""
    return [reason.code for reason in verdict(known, seen, wish).against]


def notes(known: Known = KNOWN, seen: Seen = SEEN, wish: Wish = ANN) -> list[Code]:
    """Return the codes of what is said beside it."""
    return [reason.code for reason in verdict(known, seen, wish).notes]


def left(**what: Any) -> Seen:
    """What was seen, with something left on the host."""
    return replace(SEEN, left=replace(Left(), **what))


def service(**changes: Any) -> Seen:
    """What was seen, with other flags."""
    return replace(SEEN, service=replace(DOWN, **changes))


def past(**changes: Any) -> Known:
    """What is known, with another recovery behind the host."""
    return replace(KNOWN, past=(replace(FAILED, **changes),))


def test_a_repaired_host_is_let_back() -> None:
    """All flags that we set are cleared in one order, the maintenance ends, and what nobody reports is said."""
    found = verdict()
    assert found.against == ()
    assert found.flags == ServiceFlags()
    assert (found.ends_maintenance, found.becomes_reserved, found.spares) == (True, False, ())
    assert (found.record, found.is_told) == ("r1", False)
    assert notes() == [Code.RETURN_NO_CENSUS]


@pytest.mark.parametrize(
    ("known", "seen", "code"),
    [
        (replace(KNOWN, open=("r2", "held")), SEEN, Code.RETURN_RECOVERY_OPEN),
        (past(ended_at=NOW - 14.0), SEEN, Code.RETURN_TOO_SOON),
        (KNOWN, replace(SEEN, trouble="Nova is away"), Code.RETURN_NOVA_AWAY),
        (KNOWN, replace(SEEN, service=None), Code.RETURN_NO_SERVICE),
        (KNOWN, replace(SEEN, was_heard=False, watched_seconds=30.0), Code.RETURN_SILENT),
        (KNOWN, replace(SEEN, was_heard=False, watched_seconds=0.0), Code.RETURN_SILENT),
        (KNOWN, replace(SEEN, power=Power.OFF), Code.RETURN_READS_OFF),
        (KNOWN, left(consumers=None), Code.RETURN_NO_PROVIDER),
        (KNOWN, left(consumers=frozenset({"hidden"})), Code.RETURN_HIDDEN),
        (KNOWN, replace(SEEN, census=frozenset({"i1"})), Code.RETURN_LEFTOVERS),
        (past(by_word=True, ordered=True), SEEN, Code.RETURN_UNINSPECTED),
    ],
)
def test_one_reason_is_enough(known: Known, seen: Seen, code: Code) -> None:
    """Each of these alone keeps the host where it is, with its facts in the sentence and what to do."""
    (reason,) = verdict(known, seen).against
    assert reason.code is code
    assert "c1" in reason.sentence
    assert "{" not in reason.sentence


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("accepted", Code.RETURN_MOVING),
        ("pre-migrating", Code.RETURN_MOVING),
        ("a status of tomorrow", Code.RETURN_MOVING),
        ("done", Code.RETURN_NOT_CLEANED_UP),
        ("completed", None),
        ("failed", None),
        ("error", None),
        ("cancelled", None),
    ],
)
def test_evacuations_must_be_over_and_cleaned_up(status: str, code: Code | None) -> None:
    """What Nova still works on, or knows to be left there, is against it; what it has cleaned up or given up is not."""
    assert against(seen=left(migrations=(migration(status=status),))) == ([code] if code else [])


def test_other_moves_are_not_its_evacuations() -> None:
    """An evacuation to the host, or a live migration from it, says nothing of what was left when it failed."""
    incoming = migration(1, source="c2", destination="c1", status="done")
    live = migration(2, kind="live-migration", status="running")
    assert against(seen=left(migrations=(incoming, live))) == []


def test_every_reason_is_given_at_once() -> None:
    """Whoever repairs the host learns of everything in one go."""
    seen = replace(left(consumers=None, migrations=(migration(),)), was_heard=False, watched_seconds=30.0)
    assert against(replace(KNOWN, open=("r2", "held")), seen) == [
        Code.RETURN_RECOVERY_OPEN,
        Code.RETURN_SILENT,
        Code.RETURN_NO_PROVIDER,
        Code.RETURN_NOT_CLEANED_UP,
    ]


def test_nobody_waits_for_a_host_that_is_off() -> None:
    """Where its power reads OFF, or its recovery is open, no heartbeat was waited for, and silence is no reason of its own."""
    silent = replace(SEEN, was_heard=False, watched_seconds=0.0)
    assert against(seen=replace(silent, power=Power.OFF)) == [Code.RETURN_READS_OFF]
    assert against(replace(KNOWN, open=("r2", "held")), silent) == [Code.RETURN_RECOVERY_OPEN]


def test_a_recovery_that_ended_long_ago_has_no_order_on_its_way() -> None:
    """What counts is the youngest, whether it proved the host off or not; one from a time to come is not waited for."""
    old = replace(FAILED, ended_at=NOW - SETTLE_SECONDS)
    assert against(replace(KNOWN, past=(old,))) == []
    alarm = Past(uuid="r2", ended_at=NOW - 1.0)
    assert against(replace(KNOWN, past=(alarm, old))) == [Code.RETURN_TOO_SOON]
    assert against(past(ended_at=NOW + 3600.0)) == []


class TestFlags:
    """Which flags are ours."""

    def test_what_was_disabled_before_stays_disabled(self) -> None:
        """An operator's own disable keeps its reason, and is said with the command that ends it."""
        seen = service(disabled_reason="disk is going")
        known = past(prior=replace(PRIOR, disabled=True, disabled_reason="disk is going"))
        found = verdict(known, seen)
        assert found.against == ()
        assert found.flags == ServiceFlags(disabled=True, disabled_reason="disk is going")
        assert Code.RETURN_LEFT_DISABLED in notes(known, seen)

    def test_what_was_disabled_meanwhile_stays_disabled(self) -> None:
        """A reason that is not ours is somebody else's, though the service was enabled when it failed."""
        assert verdict(seen=service(disabled_reason="mine, ann")).flags == ServiceFlags(
            disabled=True, disabled_reason="mine, ann"
        )
        assert Code.RETURN_LEFT_DISABLED in notes(seen=service(disabled_reason=None))

    def test_what_its_stopped_process_disabled_is_enabled(self) -> None:
        """We disabled it, before the host failed too: the way back ends that, also where nothing but the process had stopped."""
        seen = service(disabled_reason=STOPPED)
        assert verdict(seen=seen).flags == ServiceFlags()
        assert notes(seen=seen) == [Code.RETURN_NO_CENSUS]
        alone = verdict(
            replace(KNOWN, on_maintenance=False, past=()), service(disabled_reason=STOPPED, forced_down=False)
        )
        assert (alone.flags, alone.ends_maintenance) == (ServiceFlags(), False)

    def test_a_stopped_process_ends_no_maintenance(self) -> None:
        """It never began one, so that it is an operator's."""
        known = replace(KNOWN, past=())
        assert not verdict(known, service(disabled_reason=STOPPED, forced_down=False)).ends_maintenance

    def test_what_was_forced_down_before_stays_down(self) -> None:
        """An operator's own forced_down is left alone, and said."""
        known = past(prior=replace(PRIOR, forced_down=True))
        assert verdict(known).flags == ServiceFlags(forced_down=True)
        assert Code.RETURN_LEFT_FORCED_DOWN in notes(known)

    @pytest.mark.parametrize(("reason", "is_ours"), [(OURS, True), (STOPPED, True), ("maintenance", False)])
    def test_a_lost_answer_is_told_by_the_reason(self, reason: str, is_ours: bool) -> None:
        """Where no recovery knows how the service stood before, our reason says that both flags are ours."""
        found = verdict(past(prior=None), service(disabled_reason=reason)).flags
        assert found is None or found.forced_down is not is_ours
        assert (found is None) is not is_ours

    def test_an_upstream_failure_is_undone(self) -> None:
        """A host that upstream's engine disabled before this service came has its reason, and no recovery here."""
        seen = service(forced_down=False)
        found = verdict(replace(KNOWN, past=()), seen)
        assert (found.flags, found.ends_maintenance, found.record, found.is_told) == (ServiceFlags(), True, None, True)

    def test_maintenance_that_no_failure_began_goes_on(self) -> None:
        """An operator's own maintenance is left alone: there was no failure, or the host has been back since."""
        up = service(forced_down=False, disabled=False, disabled_reason=None, is_up=True)
        for known in (replace(KNOWN, past=()), past(is_returned=True)):
            found = verdict(known, up)
            assert (found.flags, found.ends_maintenance) == (None, False)
            assert Code.RETURN_LEFT_ON_MAINTENANCE in notes(known, up)

    def test_forced_down_since_the_return_is_not_ours(self) -> None:
        """Once a host was let back, what forced it down is not that failure any more."""
        assert verdict(past(is_returned=True), service(disabled_reason="x")).flags is None

    def test_the_youngest_prior_counts(self) -> None:
        """The service is brought to where it stood before the youngest failure."""
        first = replace(FAILED, uuid="r0", prior=ServicePrior(disabled=False, disabled_reason=None, forced_down=True))
        assert verdict(replace(KNOWN, past=(FAILED, first))).flags == ServiceFlags()
        later = replace(first, uuid="r2")
        assert verdict(replace(KNOWN, past=(later, FAILED))).flags == ServiceFlags(forced_down=True)

    def test_a_return_that_broke_off_is_finished(self) -> None:
        """What was done before is not done again, but it is told."""
        up = service(forced_down=False, disabled=False, disabled_reason=None, is_up=True)
        found = verdict(replace(KNOWN, on_maintenance=False), up)
        assert (found.flags, found.ends_maintenance, found.is_told) == (None, False, False)


class TestReserve:
    """A host that becomes the reserve."""

    RESERVE = replace(ANN, as_reserved=True)

    def test_it_is_disabled_with_a_reason_of_its_own(self) -> None:
        """It is not forced down any more, disabled as a reserve, and reserved."""
        found = verdict(wish=self.RESERVE)
        assert found.flags == ServiceFlags(disabled=True, disabled_reason=RESERVE_REASON)
        assert found.becomes_reserved

    def test_what_an_operator_disabled_may_be_a_reserve(self) -> None:
        """A reserve is disabled anyway, and keeps the operator's reason."""
        found = verdict(seen=service(disabled_reason="spare"), wish=self.RESERVE)
        assert (found.against, found.flags) == ((), ServiceFlags(disabled=True, disabled_reason="spare"))

    def test_it_must_be_empty(self) -> None:
        """An instance that was not moved, or one on its way, keeps it from being a reserve, and from nothing else."""
        coming = migration(1, source="c2", destination="c1", kind="live-migration", status="running")
        for seen in (left(instances=(instance(),)), left(migrations=(coming,))):
            assert against(seen=seen, wish=self.RESERVE) == [Code.RETURN_NOT_EMPTY]
            assert against(seen=seen) == []

    def test_one_that_somebody_forced_down_is_none(self) -> None:
        """Nobody could be evacuated there when it is needed."""
        known = past(prior=replace(PRIOR, forced_down=True))
        assert against(known, wish=self.RESERVE) == [Code.RETURN_NO_RESERVE]

    def test_one_that_stands_in_for_another_is_none(self) -> None:
        """What an open recovery of another host took is not taken from it; to let it back as it is takes nothing away."""
        taken = replace(KNOWN, claimed_by="r9")
        assert against(taken, wish=replace(ANN, as_reserved=True)) == [Code.RETURN_CLAIMED]
        assert against(taken) == []

    def test_one_that_is_a_reserve_already_stays_one(self) -> None:
        """The second time nothing is left to be done, and nothing is said of its being disabled."""
        known = replace(past(is_returned=True), is_reserved=True, on_maintenance=False)
        seen = service(forced_down=False, disabled_reason=RESERVE_REASON, is_up=True)
        for wish in (ANN, self.RESERVE):
            found = verdict(known, seen, wish)
            assert (found.against, found.flags, found.becomes_reserved) == ((), None, False)
            assert notes(known, seen, wish) == [Code.RETURN_NO_CENSUS]

    def test_one_that_was_left_halfway_is_no_reserve(self) -> None:
        """A host that a broken return disabled as a reserve, and that is none, is enabled as any other."""
        seen = service(disabled_reason=RESERVE_REASON)
        assert verdict(seen=seen).flags == ServiceFlags()


class TestWord:
    """A human's word stood for the proof."""

    WORD = past(by_word=True, ordered=True)

    def test_the_one_who_looked_says_so(self) -> None:
        """A look on the host, or a census of what runs there, is what the word has to be answered by."""
        assert against(self.WORD, wish=replace(ANN, inspected=True)) == []
        assert against(self.WORD, replace(SEEN, census=frozenset())) == []

    def test_a_look_does_not_excuse_what_is_seen(self) -> None:
        """What the census or Nova's records show stands against any word."""
        looked = replace(ANN, inspected=True)
        assert against(self.WORD, replace(SEEN, census=frozenset({"i1"})), looked) == [Code.RETURN_LEFTOVERS]
        assert against(self.WORD, left(migrations=(migration(),)), looked) == [Code.RETURN_NOT_CLEANED_UP]

    def test_a_word_after_which_nothing_moved_left_nothing(self) -> None:
        """Without an evacuation, or once the host was let back, nobody is asked to look."""
        assert against(past(by_word=True, ordered=False)) == []
        assert against(past(by_word=True, ordered=True, is_returned=True)) == []


class TestNotes:
    """What an operator should know, and need not wait for."""

    def test_instances_that_stayed(self) -> None:
        """What was not moved is still there, and is named; one that may run elsewhere is warned of."""
        failed = migration(1, status="failed")
        seen = left(instances=(instance(),), migrations=(failed,), consumers=frozenset({"i1"}))
        told = {reason.code: reason.sentence for reason in verdict(seen=seen).notes}
        assert "name of i1" in told[Code.RETURN_STILL_THERE]
        assert "may be on c2" in told[Code.RETURN_MAY_BE_ELSEWHERE]

    def test_an_evacuation_that_was_given_up(self) -> None:
        """What was on its way when the host came back is called completed, and listed here: its guest may run where it was to go."""
        seen = left(instances=(instance(),), migrations=(migration(status="completed"),), consumers=frozenset({"i1"}))
        told = {reason.code: reason.sentence for reason in verdict(seen=seen).notes}
        assert "may be on c2" in told[Code.RETURN_MAY_BE_ELSEWHERE]
        later = migration(2, kind="live-migration", source="c2", destination="c1", status="completed")
        settled = replace(seen, left=replace(seen.left or Left(), migrations=(migration(status="completed"), later)))
        assert Code.RETURN_MAY_BE_ELSEWHERE not in notes(seen=settled)

    def test_room_that_nobody_needs(self) -> None:
        """What an evacuated or deleted instance still holds here is named, and keeps nobody waiting."""
        done = migration(status="completed")
        seen = left(migrations=(done,), consumers=frozenset({"i1", "gone"}), elsewhere=frozenset({"gone"}))
        (stale,) = [reason for reason in verdict(seen=seen).notes if reason.code is Code.RETURN_STALE_ROOM]
        assert "gone, i1" in stale.sentence

    def test_a_host_that_cannot_be_fenced(self) -> None:
        """A BMC that does not answer is no reason to wait, but its next failure will be one."""
        found = verdict(seen=replace(SEEN, power=None, power_detail="no BMC"))
        assert found.against == ()
        assert Code.RETURN_UNPROTECTED in [reason.code for reason in found.notes]

    def test_many_are_counted(self) -> None:
        """Three are named, all are counted."""
        many = tuple(instance(f"i{number}") for number in range(9))
        (reason,) = [reason for reason in verdict(seen=left(instances=many)).notes if "i0" in reason.sentence]
        assert dict(reason.facts)["count"] == "9"
        assert dict(reason.facts)["names"] == "name of i0, name of i1, name of i2, …"


class TestChapter:
    """Which recoveries a return is about."""

    def test_those_since_the_return_before(self) -> None:
        """All that proved the host off since then; the youngest in any case, so that a return may be done again."""
        back = replace(FAILED, uuid="r0", is_returned=True, reserved=("s0",))
        first, second = replace(FAILED, uuid="r1", reserved=("s1",)), replace(FAILED, uuid="r2", reserved=("s2", "s1"))
        alarm = Past(uuid="r3", ended_at=NOW - 60.0)
        known = replace(KNOWN, past=(alarm, second, first, back))
        assert [each.uuid for each in known.failures] == ["r2", "r1"]
        assert known.spares == ("s2", "s1")
        again = replace(KNOWN, past=(replace(second, is_returned=True), replace(first, is_returned=True)))
        assert [each.uuid for each in again.failures] == ["r2"]

    def test_it_is_told_where_the_failure_is_told(self) -> None:
        """On the timeline of the youngest recovery that proved the host off, else of the youngest."""
        alarm = Past(uuid="r3", ended_at=NOW - 60.0)
        assert verdict(replace(KNOWN, past=(alarm, FAILED))).record == "r1"
        assert verdict(replace(KNOWN, past=(alarm,))).record == "r3"


class TestSpare:
    """A reserved host that was spent."""

    SPARE = Known(host="s1", uuid="uuid-of-s1", now=NOW)
    UP = Seen(service=ServiceReading(host="s1", heartbeat="b", is_up=True), left=Left())

    def test_an_empty_one_goes_back(self) -> None:
        """Nothing on it, nothing on its way, nothing that holds room; what was evacuated from there is over."""
        for on_it in (Left(), Left(migrations=(migration(source="s1", status="completed"),))):
            assert why_kept(self.SPARE, replace(self.UP, left=on_it)) is None

    @pytest.mark.parametrize(
        ("known", "seen", "words"),
        [
            (None, UP, "in no segment"),
            (replace(SPARE, open=("r9", "moving")), UP, "r9 is open"),
            (replace(SPARE, claimed_by="r9"), UP, "recovery r9 is open"),
            (replace(SPARE, on_maintenance=True), UP, "on maintenance"),
            (SPARE, Seen(service=None, left=None, trouble="Nova is away"), "Nova is away"),
            (SPARE, Seen(service=None, left=Left()), "no compute service"),
            (SPARE, replace(UP, service=replace(DOWN, host="s1")), "forced down"),
            (SPARE, replace(UP, left=Left(consumers=None)), "no resource provider"),
            (SPARE, replace(UP, left=Left(instances=(instance(host="s1"),))), "1 instances"),
            (SPARE, replace(UP, left=Left(consumers=frozenset({"i7"}), elsewhere=frozenset({"i7"}))), "i7"),
            (SPARE, replace(UP, left=Left(migrations=(migration(destination="s1", status="accepted"),))), "i1"),
        ],
    )
    def test_one_that_is_needed_stays(self, known: Known | None, seen: Seen, words: str) -> None:
        """It is said why, and what it waits for."""
        assert words in (why_kept(known, seen) or "")
