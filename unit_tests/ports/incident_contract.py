"""What every `Store` holds for the smaller incidents, of instances and processes: beside those of hosts, and never in their way."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from unit_tests.ports.store_contract import TERMS, Owner, StoreRig, entry, own, refused
from vmha.core.effects import DisableService, Effect, EnableService, PowerOff, StartInstance, StopInstance
from vmha.core.events import Notified, ProcessReported
from vmha.core.explain import Code, because
from vmha.core.incidents import InstancePhase, InstanceRecovery, ProcessPhase, ProcessRecovery, Unsettled
from vmha.core.model import Instance, Migration, Outcome, ServicePrior, ServiceReading
from vmha.errors import NoLongerWanted
from vmha.ports import Order

OfGuest = type[StopInstance] | type[StartInstance]
VM = "8f5a3d1e-8b0f-4f6c-9e1e-3c1a4f5b6c7d"
OURS = "Masakari detected process failed."
DISABLE, ENABLE = DisableService("c1", OURS, 1), EnableService("c1", OURS, 2)


def own_process(rig: StoreRig, host: str = "c1", *, is_running: bool = False, engine: str = "engine-1") -> Owner:
    """Report nova-compute of a host, and claim the incident."""
    reported = rig.report_process(host, is_running=is_running)
    claimed = {claim.recovery.uuid: claim for claim in rig.store.claim(engine, TERMS, limit=0, others=99)}
    return Owner(rig, claimed[reported.recovery])


def own_instance(rig: StoreRig, host: str = "c1", instance: str = VM, *, engine: str = "engine-1") -> Owner:
    """Report an instance of a host, and claim the incident."""
    reported = rig.report_instance(host, instance)
    claimed = {claim.recovery.uuid: claim for claim in rig.store.claim(engine, TERMS, limit=0, others=99)}
    return Owner(rig, claimed[reported.recovery])


def start_guest(owner: Owner, instance: str = VM) -> None:
    """Store the start of a guest and let it leave."""
    order = owner.order(StartInstance(instance, "c1", 1))
    owner.commit(phase=InstancePhase.STARTING, orders=(order,))
    owner.store.admit(owner.lease, order, TERMS)


def end_instance(owner: Owner, outcome: Outcome = Outcome.RESTARTED) -> None:
    """End the incident of an instance."""
    reason = because(Code.INSTANCE_GONE, instance=VM)
    owner.commit(phase=InstancePhase.ENDED, outcome=outcome, reason=reason, ended_at=owner.now, wake_at=None)


def end(owner: Owner, outcome: Outcome = Outcome.DISABLED) -> None:
    """End an incident of a process."""
    reason = because(Code.SERVICE_DISABLED, host="c1", process="nova-compute")
    owner.commit(phase=ProcessPhase.ENDED, outcome=outcome, reason=reason, ended_at=owner.now, wake_at=None)


def sent(owner: Owner, effect: Effect) -> None:
    """Store an order and let it leave."""
    order = owner.order(effect)
    owner.commit(phase=ProcessPhase.CHANGING, orders=(order,))
    owner.store.admit(owner.lease, order, TERMS)


def held_back_by(
    rig: StoreRig, owner: Owner, order: Order, kind: str, name: str, *, others: tuple[tuple[str, str], ...]
) -> None:
    """Disarm others, then this one, and see that it alone counts, for as long as it stands."""
    for other_kind, other in others:
        rig.disarm(other_kind, other, seconds=600.0)
    assert owner.surroundings().disarmed is None
    rig.disarm(kind, name, seconds=5.0)
    disarmed = owner.surroundings().disarmed
    assert disarmed is not None
    assert (disarmed.by, disarmed.why) == ("ann", "because")
    refused(rig, NoLongerWanted, lambda: rig.store.admit(owner.lease, order, TERMS))
    rig.pass_time(5.0)
    assert owner.surroundings().disarmed is None
    rig.store.admit(owner.lease, order, TERMS)


class ProcessContract:
    """Incidents of processes."""

    def test_a_process_opens_an_incident_of_its_own(self, rig: StoreRig) -> None:
        """It is claimed as it was opened, beside the recovery of its host, under its own bound."""
        reported, host = rig.report_process("c1"), rig.report("c1")
        assert rig.store.claim("engine-1", TERMS, limit=0, others=0) == ()
        (first,) = rig.store.claim("engine-1", TERMS, limit=9)
        assert first.recovery.uuid == host.recovery
        (claimed,) = rig.store.claim("engine-1", TERMS, limit=9, others=9)
        state = claimed.recovery
        assert isinstance(state, ProcessRecovery)
        assert (state.uuid, state.host, state.process) == (reported.recovery, "c1", "nova-compute")
        assert (state.phase, state.is_running, state.segment) == (ProcessPhase.READING, False, "segment")
        assert claimed.lease.epoch == 1

    def test_hosts_are_claimed_first(self, rig: StoreRig) -> None:
        """However many other incidents are older, a failed host comes before them."""
        others = [rig.report_process(name).recovery for name in ("c1", "c2", "c3")]
        host = rig.report("c3").recovery
        claimed = rig.store.claim("engine-1", TERMS, limit=1, others=2)
        assert [claim.recovery.uuid for claim in claimed] == [host, *others[:2]]

    def test_a_second_report_joins(self, rig: StoreRig) -> None:
        """A report of the same process joins the open incident and tells its engine what it says; another host's does not."""
        first, second = rig.report_process("c1"), rig.report_process("c1", is_running=True)
        assert second.recovery == first.recovery
        ((_, event),) = rig.store.inbox([first.recovery])[first.recovery]
        assert event == ProcessReported(notification=second.notification, is_running=True)
        assert rig.report_process("c2").recovery != first.recovery

    def test_a_commit_is_what_the_next_owner_reads(self, rig: StoreRig) -> None:
        """The whole state comes back as it was committed."""
        owner = own_process(rig)
        owner.commit(
            phase=ProcessPhase.CHANGING,
            service=ServiceReading(host="c1", heartbeat="b", is_up=True, disabled=True, disabled_reason="x"),
            prior=ServicePrior(disabled=False, disabled_reason=None, forced_down=False),
            unsettled=Unsettled(number=3, to_enable=True, until=owner.now),
            outstanding=frozenset({"service", "disable:1"}),
            timeline=(entry(owner, "line"),),
        )
        rig.pass_time(TERMS.lease_seconds + TERMS.claim_after_seconds)
        (claimed,) = rig.another().claim("engine-2", TERMS, limit=9, others=9)
        assert (claimed.recovery, claimed.before) == (owner.state, "engine-1")

    def test_the_end_is_shown(self, rig: StoreRig) -> None:
        """The notifications end with it, and a report after the end opens a new one."""
        reported = rig.report_process("c1")
        assert rig.status(reported.notification) == "running"
        (claimed,) = rig.store.claim("engine-1", TERMS, limit=9, others=9)
        end(Owner(rig, claimed))
        assert rig.status(reported.notification) == "finished"
        assert rig.report_process("c1").recovery != reported.recovery

    def test_it_puts_no_host_on_maintenance(self, rig: StoreRig) -> None:
        """Nothing that becomes of a process keeps the API from hearing of its host's failure."""
        owner = own_process(rig)
        sent(owner, DISABLE)
        end(owner)
        assert rig.flags("c1") == (False, False)
        rig.report("c1")

    def test_it_is_no_failure_of_a_host(self, rig: StoreRig) -> None:
        """Incidents of processes count for no brake."""
        for name in ("c1", "c2", "c3"):
            own_process(rig, name)
        assert own(rig, "c1").surroundings().segment_failures == 1

    def test_a_reserve_whose_process_stopped_is_not_offered(self, rig: StoreRig) -> None:
        """A reserved host with such an incident open takes no instances."""
        rig.add_host("spare", reserved=True)
        owner = own(rig, "c1")
        process = own_process(rig, "spare")
        assert owner.surroundings().reserved_hosts == ()
        end(process)
        assert owner.surroundings().reserved_hosts == ("spare",)

    @pytest.mark.parametrize("effect", [DISABLE, ENABLE], ids=lambda effect: effect.key)
    def test_an_order_about_a_service_passes_the_door_while_it_is_wanted(self, rig: StoreRig, effect: Effect) -> None:
        """It leaves while its incident waits for it, and not from another phase, or unless it was stored."""
        owner = own_process(rig)
        order, unstored = owner.order(effect), owner.order(effect)
        owner.commit(phase=ProcessPhase.CHANGING, orders=(order,))
        rig.store.admit(owner.lease, order, TERMS)
        refused(rig, NoLongerWanted, lambda: rig.store.admit(owner.lease, unstored, TERMS))
        owner.commit(phase=ProcessPhase.READING)
        refused(rig, NoLongerWanted, lambda: rig.store.admit(owner.lease, order, TERMS))

    @pytest.mark.parametrize("effect", [DISABLE, ENABLE], ids=lambda effect: effect.key)
    def test_no_service_changes_while_its_host_is_recovered(self, rig: StoreRig, effect: Effect) -> None:
        """From the report of the host's failure to the end of its recovery the door is shut; another host's does not shut it."""
        owner = own_process(rig)
        order = owner.order(effect)
        owner.commit(phase=ProcessPhase.CHANGING, orders=(order,))
        own(rig, "c2")
        rig.store.admit(owner.lease, order, TERMS)
        host = own(rig, "c1")
        refused(rig, NoLongerWanted, lambda: rig.store.admit(owner.lease, order, TERMS))
        assert owner.surroundings().host_recovery == host.state.uuid
        host.end()
        rig.store.admit(owner.lease, order, TERMS)
        assert owner.surroundings().host_recovery is None

    @pytest.mark.parametrize(("kind", "name"), [("all", ""), ("segment", "segment"), ("host", "c1")])
    def test_while_it_is_disarmed_no_service_changes(self, rig: StoreRig, kind: str, name: str) -> None:
        """The surroundings name the order, and the door is closed, until its time is over; other hosts and segments are not meant."""
        owner = own_process(rig)
        order = owner.order(DISABLE)
        owner.commit(phase=ProcessPhase.CHANGING, orders=(order,))
        rig.add_host("far", segment="another")
        held_back_by(rig, owner, order, kind, name, others=(("segment", "another"), ("host", "c2")))

    def test_the_last_order_that_left_says_who_disabled(self, rig: StoreRig) -> None:
        """It was us if our last order about the service that left was to disable it, in this incident or an earlier one."""
        first = own_process(rig)
        assert not first.surroundings().disabled_by_us
        first.commit(phase=ProcessPhase.CHANGING, orders=(first.order(DISABLE),))
        assert not first.surroundings().disabled_by_us
        sent(first, replace(DISABLE, number=3))
        assert first.surroundings().disabled_by_us
        end(first)
        second = own_process(rig, is_running=True)
        assert second.surroundings().disabled_by_us
        assert not own_process(rig, "c2").surroundings().disabled_by_us
        sent(second, ENABLE)
        assert not second.surroundings().disabled_by_us

    def test_a_power_off_needs_a_host(self, rig: StoreRig) -> None:
        """An incident of a process lets no power-off leave."""
        owner = own_process(rig)
        order = owner.order(PowerOff("c1", 1))
        owner.commit(phase=ProcessPhase.CHANGING, orders=(order,))
        refused(rig, NoLongerWanted, lambda: rig.store.admit(owner.lease, order, TERMS))

    def test_what_a_newer_version_wrote_is_left_alone(self, rig: StoreRig) -> None:
        """An incident that cannot be read keeps nobody from its neighbours."""
        newer, older = rig.report_process("c1"), rig.report_process("c2")
        rig.spoil(newer.recovery)
        claimed = [claim for _ in range(2) for claim in rig.store.claim("engine-1", TERMS, limit=1, others=1)]
        assert [claim.recovery.uuid for claim in claimed] == [older.recovery]

    def test_another_engine_takes_it_over(self, rig: StoreRig) -> None:
        """Its lease is a lease like any other."""
        owner = own_process(rig)
        rig.pass_time(TERMS.lease_seconds)
        assert rig.store.renew([owner.lease], TERMS) == frozenset()
        rig.pass_time(TERMS.claim_after_seconds)
        (claimed,) = rig.another().claim("engine-2", TERMS, limit=0, others=9)
        assert claimed.lease.epoch == 2


class InstanceContract:
    """Incidents of instances."""

    def test_an_instance_opens_an_incident_of_its_own(self, rig: StoreRig) -> None:
        """It is claimed as it was opened, among the others that are no hosts."""
        reported = rig.report_instance("c1", VM)
        assert rig.store.claim("engine-1", TERMS, limit=9) == ()
        (claimed,) = rig.store.claim("engine-1", TERMS, limit=0, others=9)
        state = claimed.recovery
        assert isinstance(state, InstanceRecovery)
        assert (state.uuid, state.host, state.instance) == (reported.recovery, "c1", VM)
        assert (state.phase, state.event, state.segment) == (
            InstancePhase.READING,
            "LIFECYCLE STOPPED_FAILED",
            "segment",
        )

    def test_a_second_report_joins_whoever_sent_it(self, rig: StoreRig) -> None:
        """One incident of an instance is open at a time, though another host reports it by now."""
        first, second = rig.report_instance("c1", VM), rig.report_instance("c2", VM)
        assert second.recovery == first.recovery
        ((_, event),) = rig.store.inbox([first.recovery])[first.recovery]
        assert event == Notified(notification=second.notification)
        assert rig.report_instance("c1", str(uuid4())).recovery != first.recovery

    def test_a_commit_is_what_the_next_owner_reads(self, rig: StoreRig) -> None:
        """The whole state comes back as it was committed."""
        owner = own_instance(rig)
        record = Migration(id=1, instance=VM, kind="resize", source="c1", destination=None, status="error", uuid="m")
        owner.commit(
            phase=InstancePhase.STARTING,
            seen=Instance(uuid=VM, name="vm", host="c1", vm_state="active", metadata=(("a", "b"), ("c", "ż"))),
            records=(record,),
            service=ServiceReading(host="c1", heartbeat="b", is_up=True),
            unsettled_until=owner.now,
            outstanding=frozenset({"instance"}),
        )
        rig.pass_time(TERMS.lease_seconds + TERMS.claim_after_seconds)
        (claimed,) = rig.another().claim("engine-2", TERMS, limit=9, others=9)
        assert claimed.recovery == owner.state

    def test_the_end_is_shown(self, rig: StoreRig) -> None:
        """Each way to end has upstream's word."""
        for outcome, status in (
            (Outcome.RESTARTED, "finished"),
            (Outcome.SKIPPED, "finished"),
            (Outcome.ABSORBED, "finished"),
            (Outcome.LEFT_ALONE, "ignored"),
            (Outcome.REPORTED, "ignored"),
            (Outcome.FAILED, "failed"),
        ):
            reported = rig.report_instance("c1", VM)
            assert rig.status(reported.notification) == "running"
            (claimed,) = rig.store.claim("engine-1", TERMS, limit=9, others=9)
            end_instance(Owner(rig, claimed), outcome)
            assert rig.status(reported.notification) == status

    def test_it_is_no_failure_of_a_host(self, rig: StoreRig) -> None:
        """Incidents of instances count for no brake, put no host on maintenance, and spoil no reserve."""
        rig.add_host("spare", reserved=True)
        for host in ("c1", "c2", "spare"):
            own_instance(rig, host, str(uuid4()))
        around = own(rig, "c1").surroundings()
        assert (around.segment_failures, around.reserved_hosts) == (1, ("spare",))
        assert rig.flags("c1") == (False, False)

    @pytest.mark.parametrize("kind", [StopInstance, StartInstance])
    def test_an_order_for_a_guest_passes_the_door_while_it_is_wanted(self, rig: StoreRig, kind: OfGuest) -> None:
        """It leaves while its incident waits for it, and not from another phase, or unless it was stored."""
        owner = own_instance(rig)
        order, unstored = owner.order(kind(VM, "c1", 1)), owner.order(kind(VM, "c1", 2))
        phase = InstancePhase.STOPPING if kind is StopInstance else InstancePhase.STARTING
        owner.commit(phase=phase, orders=(order,))
        rig.store.admit(owner.lease, order, TERMS)
        refused(rig, NoLongerWanted, lambda: rig.store.admit(owner.lease, unstored, TERMS))
        owner.commit(phase=InstancePhase.AWAITING)
        refused(rig, NoLongerWanted, lambda: rig.store.admit(owner.lease, order, TERMS))

    @pytest.mark.parametrize("kind", [StopInstance, StartInstance])
    def test_no_guest_is_touched_while_its_host_is_recovered(self, rig: StoreRig, kind: OfGuest) -> None:
        """The door is shut by the recovery of the host that the order is for, not by that of the host which reported."""
        owner = own_instance(rig)
        order = owner.order(kind(VM, "c2", 1))
        owner.commit(phase=InstancePhase.STOPPING if kind is StopInstance else InstancePhase.STARTING, orders=(order,))
        own(rig, "c1")
        rig.store.admit(owner.lease, order, TERMS)
        host = own(rig, "c2")
        refused(rig, NoLongerWanted, lambda: rig.store.admit(owner.lease, order, TERMS))
        host.end()
        rig.store.admit(owner.lease, order, TERMS)

    @pytest.mark.parametrize(
        ("kind", "name"), [("all", ""), ("segment", "segment"), ("segment", "another"), ("host", "c1"), ("host", "far")]
    )
    def test_while_it_is_disarmed_no_guest_is_touched(self, rig: StoreRig, kind: str, name: str) -> None:
        """So it is for the host which reported, and for the one where the instance is now; others and their segments are not meant."""
        rig.add_host("far", segment="another")
        rig.add_host("farther", segment="a-third")
        owner = own_instance(rig)
        order = owner.order(StartInstance(VM, "far", 1))
        seen = Instance(uuid=VM, name="vm", host="far", vm_state="stopped")
        owner.commit(phase=InstancePhase.STARTING, orders=(order,), seen=seen)
        held_back_by(rig, owner, order, kind, name, others=(("segment", "a-third"), ("host", "c2")))

    def test_the_recovery_of_its_host_is_seen(self, rig: StoreRig) -> None:
        """That of the host which reported, and that of the host where it is now."""
        owner = own_instance(rig)
        owner.commit(seen=Instance(uuid=VM, name="vm", host="c2", vm_state="active"))
        assert owner.surroundings().host_recovery is None
        now = own(rig, "c2")
        assert owner.surroundings().host_recovery == now.state.uuid
        now.end()
        reporting = own(rig, "c1")
        known = reporting.prove()
        assert known.host in owner.surroundings().proven_off
        assert owner.surroundings().host_recovery == reporting.state.uuid
        own(rig, "c3")
        assert owner.surroundings().host_recovery == reporting.state.uuid

    def test_starts_that_left_are_counted_for_an_hour(self, rig: StoreRig) -> None:
        """Starts of this instance count, in incidents before this one, from when they left; stops and others' do not."""
        for number in (1, 2):
            before = own_instance(rig)
            start_guest(before)
            assert before.surroundings().restarts == number - 1
            end_instance(before)
            rig.pass_time(1000.0)
        stranger = own_instance(rig, "c1", str(uuid4()))
        start_guest(stranger, stranger.state.instance)
        unsent = own_instance(rig)
        unsent.commit(phase=InstancePhase.STARTING, orders=(unsent.order(StartInstance(VM, "c1", 1)),))
        stop = unsent.order(StopInstance(VM, "c1", 2))
        unsent.commit(phase=InstancePhase.STOPPING, orders=(stop,))
        rig.store.admit(unsent.lease, stop, TERMS)
        end_instance(unsent)
        now = own_instance(rig)
        assert now.surroundings().restarts == 2
        rig.pass_time(1700.0)
        (now,) = [
            Owner(rig, claim)
            for claim in rig.store.claim("engine-1", TERMS, limit=0, others=9)
            if claim.recovery.uuid == now.state.uuid
        ]
        assert now.surroundings().restarts == 1
        rig.pass_time(1000.0)
        assert now.surroundings().restarts == 0


class IncidentContract(ProcessContract, InstanceContract):
    """All of it."""
