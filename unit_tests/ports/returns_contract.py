"""What every implementation of `Returns` holds: the one in memory, and the one in SQL on whatever database.

A test module makes a class of `ReturnsContract` and gives it a `rig` fixture. Time passes only where a test lets it pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol
from uuid import uuid4

import pytest

from unit_tests.ports.store_contract import TERMS, Owner, StoreRig, move, own
from vmha.core.aggregates import Membership
from vmha.core.effects import ForceDown
from vmha.core.explain import Code, because
from vmha.core.model import HumanWord, Outcome, Reserved, ReservedStatus, Rung, ServicePrior
from vmha.core.returning import Known, Past, ReturnRefused
from vmha.errors import NotYet
from vmha.ports import Order
from vmha.return_ports import Hold, Returns

PRIOR = ServicePrior(disabled=False, disabled_reason=None, forced_down=False)
BACK = because(Code.RETURNED, host="c1", done="enabled")


class ReturnsRig(StoreRig, Protocol):
    """A store, and beside it what lets hosts back."""

    @property
    def returns(self) -> Returns:
        """The port under test."""

    def disband(self, host: str) -> None:
        """Take a host out of its segment, as the API does."""


def known(rig: ReturnsRig, host: str = "c1") -> Known:
    """Return what is known of a host that is there."""
    found = rig.returns.look(host)
    assert found is not None
    return found


def hold(by: str = "ann", host: str = "c1", seconds: float = 30.0, record: str | None = None) -> Hold:
    """Build a right that is to be taken."""
    return Hold(host=host, token=str(uuid4()), by=by, seconds=seconds, record=record)


def recovered(rig: ReturnsRig, host: str = "c1") -> Owner:
    """Let a recovery prove the host off, force it down, and end."""
    owner = own(rig, host)
    owner.prove()
    owner.commit(prior=PRIOR)
    owner.end()
    return owner


def codes(refused: ReturnRefused) -> list[Code]:
    """Return the codes of what was against it."""
    return [reason.code for reason in refused.reasons]


@contextmanager
def is_refused(rig: ReturnsRig, *expected: Code) -> Iterator[None]:
    """See that an act is refused for these reasons, and that nothing was stored by it."""
    before = rig.stored()
    with pytest.raises(ReturnRefused) as error:
        yield
    assert codes(error.value) == list(expected)
    assert rig.stored() == before


class LookContract:
    """What is known of a host."""

    def test_a_host_that_never_failed(self, rig: ReturnsRig) -> None:
        """It has no recovery and no flag, and the time is the database's."""
        found = known(rig)
        assert found == Known(host="c1", uuid=found.uuid, now=found.now)
        assert found.now == pytest.approx(rig.store.now())

    def test_a_name_that_is_no_host(self, rig: ReturnsRig) -> None:
        """Nobody has it, or somebody had it."""
        assert rig.returns.look("c9") is None
        rig.disband("c1")
        assert rig.returns.look("c1") is None

    def test_a_recovery_that_is_open(self, rig: ReturnsRig) -> None:
        """It is named with its phase, and is no past one; its host is on maintenance from the first proof on."""
        owner = own(rig)
        assert known(rig).open == (owner.state.uuid, "witnessing")
        owner.prove()
        found = known(rig)
        assert (found.open, found.past, found.on_maintenance) == ((owner.state.uuid, "witnessing"), (), True)

    def test_a_recovery_that_has_ended(self, rig: ReturnsRig) -> None:
        """What it did to the host is known: that it was proven off, and how its service stood before."""
        owner = recovered(rig)
        (past,) = known(rig).past
        assert past == Past(uuid=owner.state.uuid, ended_at=past.ended_at, was_proven_off=True, prior=PRIOR)
        assert past.ended_at == pytest.approx(rig.store.now(), abs=0.01)
        assert known(rig).failures == (past,)

    def test_incidents_of_instances_and_processes_are_no_recoveries_of_it(self, rig: ReturnsRig) -> None:
        """Neither open nor past do they count, nor do they keep anybody from the right to the host."""
        rig.report_process("c1")
        found = known(rig)
        assert (found.open, found.past) == (None, ())
        rig.report_instance("c1", str(uuid4()))
        right = hold()
        rig.returns.hold(right, found, ends_maintenance=False)
        rig.returns.settle(right, on_maintenance=True)
        assert known(rig).on_maintenance

    def test_a_false_alarm_is_no_failure(self, rig: ReturnsRig) -> None:
        """A recovery that proved nothing is among the past ones, and not among the failures."""
        own(rig).end(Outcome.FALSE_ALARM)
        assert [past.was_proven_off for past in known(rig).past] == [False]
        assert known(rig).failures == ()

    @pytest.mark.parametrize("rung", [Rung.HUMAN, Rung.DETECTOR])
    def test_a_word_was_the_proof(self, rig: ReturnsRig, rung: Rung) -> None:
        """Where nothing but a word stood for the proof, a human's or its monitor's, and evacuations were ordered, both is known."""
        owner = own(rig)
        by_power = owner.prove()
        word = HumanWord("ann", "pulled the plug", owner.now)
        by_word = replace(by_power, uuid=str(uuid4()), rung=rung, readings=(), word=word)
        owner.commit(owner.change(proof=by_word, moves=(move("vm1", attempts=1),)))
        owner.end(Outcome.REJECTED)
        assert [(past.by_word, past.ordered) for past in known(rig).past] == [(False, False)]
        other = own(rig, "c2")
        first = replace(by_word, uuid=str(uuid4()), host="c2", recovery=other.state.uuid)
        fence = replace(other.state.fence, proofs=1)
        other.commit(other.change(proof=first, fence=fence, moves=(move("vm2", attempts=1),)))
        other.end(Outcome.REJECTED)
        assert [(past.by_word, past.ordered) for past in known(rig, "c2").past] == [(True, True)]

    def test_the_youngest_comes_first(self, rig: ReturnsRig) -> None:
        """Several recoveries of a host are known, and none of another."""
        recovered(rig, "c2")
        uuids = [recovered(rig).state.uuid for _ in range(3)]
        assert [past.uuid for past in known(rig).past] == uuids[::-1]

    def test_what_only_a_newer_version_can_read(self, rig: ReturnsRig) -> None:
        """The host is not judged by half of what is known."""
        owner = recovered(rig)
        rig.spoil(owner.state.uuid)
        with is_refused(rig, Code.RETURN_UNREADABLE):
            rig.returns.look("c1")

    def test_spares_are_known_until_one_takes_their_place(self, rig: ReturnsRig) -> None:
        """A reserved host that was spent is named, also after a return; not after the host itself became the reserve."""
        rig.add_host("spare", reserved=True)
        owner = own(rig)
        owner.prove()
        owner.commit(reserved=(Reserved("spare", ReservedStatus.READY),))
        owner.end()
        assert known(rig).spares == ("spare",)
        assert not known(rig, "spare").is_reserved
        rig.returns.tell(owner.state.uuid, (BACK,))
        assert known(rig).spares == ("spare",)
        rig.returns.tell(owner.state.uuid, (because(Code.RETURNED_AS_RESERVED, host="c1", done="reserved"),))
        assert known(rig).spares == ()

    def test_what_a_spare_was_added_to_is_known(self, rig: ReturnsRig) -> None:
        """Each time, with the spares that were in doubt, until a return."""
        rig.add_host("spare", reserved=True)
        owner = own(rig)
        owner.prove()
        rack, gold = Membership(1, "rack"), Membership(2, "gold")
        owner.commit(
            reserved=(
                Reserved("spare", ReservedStatus.READY, joins=(rack, gold)),
                Reserved("c2", ReservedStatus.FAILED, doubted_at=1.0, joins=(rack,)),
            )
        )
        owner.end()
        found = known(rig)
        assert (found.joins_of("spare"), found.joins_of("c2"), found.joins_of("c3")) == ((rack, gold), (rack,), ())
        assert found.spares == ("spare", "c2")
        assert not known(rig, "c2").is_reserved

    def test_a_spare_that_went_back_is_known(self, rig: ReturnsRig) -> None:
        """The line of the timeline says which: a return that is run again leaves it to whoever needs it now."""
        rig.add_host("spare", reserved=True)
        owner = own(rig)
        owner.prove()
        owner.commit(reserved=(Reserved("spare", ReservedStatus.READY), Reserved("c2", ReservedStatus.READY)))
        owner.end()
        rig.returns.tell(owner.state.uuid, (because(Code.SPARE_BACK, reserved="spare"),))
        assert [past.given_back for past in known(rig).past] == [frozenset({"spare"})]
        assert known(rig).spares == ("c2",)

    def test_a_recovery_that_took_the_host_for_its_reserve(self, rig: ReturnsRig) -> None:
        """It is named from the claim to its end."""
        rig.add_host("spare", reserved=True)
        owner = own(rig)
        owner.prove()
        owner.commit(reserved=(Reserved("spare", ReservedStatus.ENABLING),))
        assert known(rig, "spare").claimed_by == owner.state.uuid
        assert known(rig).claimed_by is None
        owner.end()
        assert known(rig, "spare").claimed_by is None


class HoldContract:
    """The right to a host."""

    def test_a_return_from_beginning_to_end(self, rig: ReturnsRig) -> None:
        """The right ends the maintenance; with its end the host is known to be back, and the timeline tells it all."""
        owner = recovered(rig)
        begun = because(Code.RETURN_BEGUN, by="ann", host="c1", why="new memory")
        right = hold(record=owner.state.uuid)
        rig.returns.hold(right, known(rig), ends_maintenance=True, told=(begun,))
        assert rig.flags("c1") == (False, False)
        rig.returns.settle(right, told=(BACK,))
        assert [past.is_returned for past in known(rig).past] == [True]
        assert rig.timeline(owner.state.uuid)[-2:] == [begun.sentence, BACK.sentence]

    def test_two_returns_at_once(self, rig: ReturnsRig) -> None:
        """The second is refused with who is at it, until the first has given the right back."""
        first, second = hold("ann"), hold("bob")
        rig.returns.hold(first, known(rig), ends_maintenance=False)
        rig.pass_time(4.0)
        before = rig.stored()
        with pytest.raises(ReturnRefused) as error:
            rig.returns.hold(second, known(rig), ends_maintenance=True)
        assert rig.stored() == before
        assert codes(error.value) == [Code.RETURN_HELD]
        assert str(error.value).startswith("ann is letting c1 back, since 4 s; wait for that, or try again in 26 s")
        rig.returns.settle(first)
        rig.returns.hold(second, known(rig), ends_maintenance=False)

    def test_another_host_is_free(self, rig: ReturnsRig) -> None:
        """A right is to one host."""
        rig.returns.hold(hold(), known(rig), ends_maintenance=False)
        rig.returns.hold(hold(host="c2"), known(rig, "c2"), ends_maintenance=False)

    def test_a_right_is_over_by_itself(self, rig: ReturnsRig) -> None:
        """Whoever was killed holds a host no longer than was said; and comes too late if it lives."""
        first, second = hold("ann"), hold("bob")
        rig.returns.hold(first, known(rig), ends_maintenance=False)
        rig.pass_time(30.0)
        with is_refused(rig, Code.RETURN_TOO_SLOW):
            rig.returns.settle(first, is_reserved=True, told=(BACK,))
        rig.returns.hold(second, known(rig), ends_maintenance=False)
        with is_refused(rig, Code.RETURN_TOO_SLOW):
            rig.returns.settle(first, is_reserved=True)

    def test_a_right_may_be_kept(self, rig: ReturnsRig) -> None:
        """Flags are stored, and nobody else gets the host before the time is over."""
        right = hold()
        rig.returns.hold(right, known(rig), ends_maintenance=False)
        rig.returns.settle(right, on_maintenance=True, keeps=True)
        assert rig.flags("c1") == (False, True)
        with is_refused(rig, Code.RETURN_HELD):
            rig.returns.hold(hold("bob"), known(rig), ends_maintenance=True)

    def test_a_host_becomes_a_reserve(self, rig: ReturnsRig) -> None:
        """The flag is stored with the end of the right."""
        right = hold()
        rig.returns.hold(right, known(rig), ends_maintenance=False)
        rig.returns.settle(right, is_reserved=True)
        assert rig.flags("c1") == (True, False)

    def test_no_right_to_a_host_that_is_being_recovered(self, rig: ReturnsRig) -> None:
        """While a recovery is open there is none, whatever was known before."""
        before = known(rig)
        own(rig)
        with is_refused(rig, Code.RETURN_RECOVERY_OPEN):
            rig.returns.hold(hold(), before, ends_maintenance=True)

    def test_no_right_after_a_failure_that_was_not_known(self, rig: ReturnsRig) -> None:
        """A recovery that was opened and has ended since the host was looked at makes all that was seen old."""
        before = known(rig)
        recovered(rig)
        with is_refused(rig, Code.RETURN_CHANGED):
            rig.returns.hold(hold(), before, ends_maintenance=True)
        rig.returns.hold(hold(), known(rig), ends_maintenance=True)

    def test_no_right_to_a_host_that_was_taken_for_a_reserve(self, rig: ReturnsRig) -> None:
        """What stands in for another host since it was looked at is left to that recovery; where that was known, others have judged it."""
        rig.add_host("spare", reserved=True)
        before = known(rig, "spare")
        owner = own(rig)
        owner.prove()
        owner.commit(reserved=(Reserved("spare", ReservedStatus.ENABLING),))
        with is_refused(rig, Code.RETURN_CLAIMED):
            rig.returns.hold(hold(host="spare"), before, ends_maintenance=False)
        rig.returns.hold(hold(host="spare"), known(rig, "spare"), ends_maintenance=False)

    def test_no_right_to_a_host_that_is_gone(self, rig: ReturnsRig) -> None:
        """A host that was taken out of its segment meanwhile, or is another one of that name, was not looked at."""
        before = known(rig)
        with is_refused(rig, Code.RETURN_CHANGED):
            rig.returns.hold(hold(), replace(before, uuid="another"), ends_maintenance=False)
        rig.disband("c1")
        with is_refused(rig, Code.RETURN_CHANGED):
            rig.returns.hold(hold(), before, ends_maintenance=False)

    def test_a_host_that_fails_again_is_left_to_its_recovery(self, rig: ReturnsRig) -> None:
        """A return that could not be done puts no host on maintenance whose failure was reported meanwhile."""
        recovered(rig)
        right = hold()
        rig.returns.hold(right, known(rig), ends_maintenance=True)
        rig.report("c1")
        rig.returns.settle(right, on_maintenance=True)
        assert rig.flags("c1") == (False, False)

    def test_a_host_is_forgotten(self, rig: ReturnsRig) -> None:
        """A retired host is in no segment any more, and that is told; without the right it stays."""
        owner = recovered(rig)
        right = hold(record=owner.state.uuid)
        gone = because(Code.RETIRED, by="ann", host="c1", why="burnt", done="all")
        with is_refused(rig, Code.RETURN_TOO_SLOW):
            rig.returns.forget(right, (gone,))
        rig.returns.hold(right, known(rig), ends_maintenance=False)
        rig.returns.forget(right, (gone,))
        assert rig.returns.look("c1") is None
        assert rig.timeline(owner.state.uuid)[-1] == gone.sentence

    def test_a_host_that_fails_while_it_is_retired_stays(self, rig: ReturnsRig) -> None:
        """Its failure was reported meanwhile: a host that is added again under its name would get a second recovery beside that one."""
        right = hold()
        rig.returns.hold(right, known(rig), ends_maintenance=False)
        rig.report("c1")
        with is_refused(rig, Code.RETURN_RECOVERY_OPEN):
            rig.returns.forget(right, ())
        assert known(rig).open is not None


class DoorContract:
    """What the right keeps from happening."""

    def test_forcing_down_waits(self, rig: ReturnsRig) -> None:
        """A host that fails again while it is let back is forced down once that is over, and not before."""
        right = hold()
        rig.returns.hold(right, known(rig), ends_maintenance=False)
        owner, order = _forcing_down(rig)
        with pytest.raises(NotYet, match="c1"):
            rig.store.admit(owner.lease, order, TERMS)
        rig.returns.settle(right)
        rig.store.admit(owner.lease, order, TERMS)

    def test_forcing_down_waits_no_longer_than_said(self, rig: ReturnsRig) -> None:
        """The right of one who was killed is over after its seconds."""
        rig.returns.hold(hold(seconds=5.0), known(rig), ends_maintenance=False)
        owner, order = _forcing_down(rig)
        with pytest.raises(NotYet):
            rig.store.admit(owner.lease, order, TERMS)
        rig.pass_time(5.0)
        rig.store.admit(owner.lease, order, TERMS)

    def test_a_right_to_another_host_keeps_nobody_waiting(self, rig: ReturnsRig) -> None:
        """Only the host that is held is meant."""
        rig.returns.hold(hold(host="c2"), known(rig, "c2"), ends_maintenance=False)
        owner, order = _forcing_down(rig)
        rig.store.admit(owner.lease, order, TERMS)

    def test_a_right_from_a_time_to_come_is_none(self, rig: ReturnsRig) -> None:
        """After the clock was set back nobody waits until it has caught up."""
        rig.pass_time(3600.0)
        rig.returns.hold(hold("ann"), known(rig), ends_maintenance=False)
        rig.pass_time(-1800.0)
        owner, order = _forcing_down(rig)
        rig.store.admit(owner.lease, order, TERMS)
        owner.end()
        rig.returns.hold(hold("bob"), known(rig), ends_maintenance=False)


def _forcing_down(rig: ReturnsRig) -> tuple[Owner, Order]:
    """Report c1, prove it off, and store the order to force it down."""
    owner = own(rig)
    owner.prove()
    order = owner.order(ForceDown("c1"))
    owner.commit(owner.change(orders=(order,)))
    return owner, order


class ReturnsContract(LookContract, HoldContract, DoorContract):
    """The whole contract."""
