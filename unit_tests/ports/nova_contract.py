"""What every implementation of the port `Nova` must do, simulated or real.

A test module makes a class of its own from `NovaContract` with a fixture `harness`, which prepares the cloud behind the port. Each test
uses hosts of its own, so that one cloud may serve all of them; the times are those of the cloud's own heartbeats.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import pytest

from vmha.core.flags import ServiceFlags, flags_of
from vmha.core.model import Instance, Migration, ServiceReading
from vmha.errors import NovaRefused, NovaUnavailable, OrderExpired
from vmha.ports import Clock, Deadline, Nova

UNKNOWN = "00000000-0000-4000-8000-000000000000"
# A real Nova with its default intervals needs 60 s to say down, and some more to evacuate.
PATIENCE_SECONDS = 180.0
CALL_SECONDS = 30.0


class NovaHarness(Protocol):
    """A cloud that can be brought into a state, and the port to look at it. At least three hosts are up and enabled at any time."""

    nova: Nova
    clock: Clock
    report_seconds: float

    def host(self) -> str:
        """Return a host that is up, enabled and not forced down, without instances, and not used by another test."""

    def boot(self, host: str, *, image_backed: bool = False, stopped: bool = False) -> str:
        """Run an instance on `host` (booted from a volume unless `image_backed`); return its uuid when it is there."""

    def delete(self, instance: str) -> None:
        """Delete an instance."""

    def disable(self, host: str, reason: str) -> None:
        """Disable the service of `host`, as an operator."""

    def kill(self, host: str) -> None:
        """End the nova-compute of `host` and every guest there."""


class NovaContract:
    """The contract. Subclasses give a fixture `harness`."""

    def test_every_host_has_a_service_with_a_heartbeat(self, harness: NovaHarness) -> None:
        """The list names each host once; that of a living host is up, and its heartbeat changes as time goes by."""
        host = harness.host()
        first = reading(harness, host)
        assert (first.is_up, first.forced_down, first.disabled) == (True, False, False)
        eventually(harness, lambda: reading(harness, host).heartbeat != first.heartbeat)
        names = [each.host for each in harness.nova.services(deadline=soon(harness))]
        assert len(names) == len(set(names)) >= 3

    def test_hypervisors_are_found_by_a_part_of_their_name(self, harness: NovaHarness) -> None:
        """Each leads to the host of its service; a text that no name contains finds none."""
        host = harness.host()
        assert host in harness.nova.hypervisors(host, deadline=soon(harness)).values()
        assert harness.nova.hypervisors("no-such-hypervisor", deadline=soon(harness)) == {}

    def test_a_dead_host_goes_silent_and_then_down(self, harness: NovaHarness) -> None:
        """The heartbeat of a dead host stands still, and Nova says down after a while."""
        host = harness.host()
        harness.kill(host)
        eventually(harness, lambda: not reading(harness, host).is_up)
        last = reading(harness, host).heartbeat
        harness.clock.sleep(3 * harness.report_seconds)
        assert reading(harness, host).heartbeat == last

    def test_force_down_disables_and_returns_what_was(self, harness: NovaHarness) -> None:
        """Forcing down sets both flags with our reason; the answer is the state before, also the second time."""
        host = harness.host()
        before = harness.nova.force_down(host, reason="vmha: dead", deadline=soon(harness))
        now = reading(harness, host)
        assert (before.disabled, before.disabled_reason, before.forced_down) == (False, None, False)
        assert (now.is_up, now.forced_down, now.disabled, now.disabled_reason) == (False, True, True, "vmha: dead")
        again = harness.nova.force_down(host, reason="vmha: dead", deadline=soon(harness))
        assert (again.disabled, again.disabled_reason, again.forced_down) == (True, "vmha: dead", True)

    def test_force_down_keeps_the_reason_of_an_operator(self, harness: NovaHarness) -> None:
        """A service that somebody disabled before keeps the reason that they gave."""
        host = harness.host()
        harness.disable(host, "maintenance")
        before = harness.nova.force_down(host, reason="vmha: dead", deadline=soon(harness))
        now = reading(harness, host)
        assert (before.disabled, before.disabled_reason, before.forced_down) == (True, "maintenance", False)
        assert (now.forced_down, now.disabled_reason) == (True, "maintenance")

    def test_an_unknown_host_is_refused(self, harness: NovaHarness) -> None:
        """Neither order is possible for a host without a compute service."""
        with pytest.raises(NovaRefused) as error:
            harness.nova.force_down("nowhere", reason="vmha: dead", deadline=soon(harness))
        assert error.value.status == 404
        with pytest.raises(NovaRefused) as error:
            harness.nova.enable("nowhere", deadline=soon(harness))
        assert error.value.status == 404
        with pytest.raises(NovaRefused) as error:
            harness.nova.disable("nowhere", reason="vmha: stopped", deadline=soon(harness))
        assert error.value.status == 404

    def test_enable_may_be_sent_twice(self, harness: NovaHarness) -> None:
        """A disabled service takes instances afterwards; the second time changes nothing."""
        host = harness.host()
        harness.disable(host, "reserved")
        for _ in range(2):
            harness.nova.enable(host, deadline=soon(harness))
            now = reading(harness, host)
            assert (now.disabled, now.disabled_reason, now.is_up) == (False, None, True)

    def test_a_service_is_read_by_its_host(self, harness: NovaHarness) -> None:
        """One service is what the list says of it; a host that nobody knows has none."""
        host = harness.host()
        harness.disable(host, "maintenance")
        found = harness.nova.service(host, deadline=soon(harness))
        assert found is not None
        assert (found.host, found.is_up, found.disabled, found.disabled_reason) == (host, True, True, "maintenance")
        assert harness.nova.service("nowhere", deadline=soon(harness)) is None

    def test_disable_keeps_the_reason_of_others(self, harness: NovaHarness) -> None:
        """A service is disabled with our reason, also the second time; one that somebody else disabled keeps theirs."""
        host, others = harness.host(), harness.host()
        harness.disable(others, "maintenance")
        for was in (False, True):
            prior = harness.nova.disable(host, reason="vmha: stopped", deadline=soon(harness))
            now = reading(harness, host)
            assert prior.disabled is was
            assert (now.disabled, now.disabled_reason, now.forced_down) == (True, "vmha: stopped", False)
        prior = harness.nova.disable(others, reason="vmha: stopped", deadline=soon(harness))
        assert (prior.disabled_reason, reading(harness, others).disabled_reason) == ("maintenance", "maintenance")

    def test_enable_with_a_reason_enables_nothing_of_others(self, harness: NovaHarness) -> None:
        """What is disabled with another reason, or forced down, is refused and stays as it is."""
        host, others = harness.host(), harness.host()
        harness.disable(others, "maintenance")
        harness.nova.disable(host, reason="vmha: stopped", deadline=soon(harness))
        with pytest.raises(NovaRefused, match="maintenance") as error:
            harness.nova.enable(others, reason="vmha: stopped", deadline=soon(harness))
        assert (error.value.status, reading(harness, others).disabled) == (409, True)
        prior = harness.nova.enable(host, reason="vmha: stopped", deadline=soon(harness))
        assert (prior.disabled, prior.disabled_reason) == (True, "vmha: stopped")
        assert not reading(harness, host).disabled
        harness.nova.force_down(host, reason="vmha: dead", deadline=soon(harness))
        with pytest.raises(NovaRefused, match="forced down"):
            harness.nova.enable(host, reason="vmha: dead", deadline=soon(harness))

    def test_flags_are_set_in_one_order(self, harness: NovaHarness) -> None:
        """A service that was forced down and disabled is neither afterwards, and up; the second time nothing is sent."""
        host = harness.host()
        harness.nova.force_down(host, reason="vmha: dead", deadline=soon(harness))
        seen = flags_of(reading(harness, host))
        assert seen == ServiceFlags(forced_down=True, disabled=True, disabled_reason="vmha: dead")
        for _ in range(2):
            harness.nova.set_flags(host, ServiceFlags(), seen=seen, deadline=soon(harness))
            now = reading(harness, host)
            assert (flags_of(now), now.is_up) == (ServiceFlags(), True)

    def test_one_flag_is_set_alone(self, harness: NovaHarness) -> None:
        """A service is disabled with a reason, gets another reason, and is enabled; forced_down stays as it is."""
        host, before = harness.host(), ServiceFlags()
        for reason in ("vmha: reserve", "vmha: another"):
            after = ServiceFlags(disabled=True, disabled_reason=reason)
            harness.nova.set_flags(host, after, seen=before, deadline=soon(harness))
            assert flags_of(reading(harness, host)) == after
            before = after
        harness.nova.set_flags(host, ServiceFlags(), seen=before, deadline=soon(harness))
        assert flags_of(reading(harness, host)) == ServiceFlags()

    def test_flags_that_somebody_else_changed_are_left_alone(self, harness: NovaHarness) -> None:
        """Where the service has not the flags that were seen, nothing is sent: they are somebody else's by now."""
        host = harness.host()
        harness.nova.force_down(host, reason="vmha: dead", deadline=soon(harness))
        seen = ServiceFlags(forced_down=True, disabled=True, disabled_reason="vmha: other")
        with pytest.raises(NovaRefused) as error:
            harness.nova.set_flags(host, ServiceFlags(), seen=seen, deadline=soon(harness))
        assert error.value.status == 409
        assert reading(harness, host).forced_down
        with pytest.raises(NovaRefused) as error:
            harness.nova.set_flags("nowhere", ServiceFlags(), seen=seen, deadline=soon(harness))
        assert error.value.status == 404

    def test_nothing_is_let_back_before_it_was_cleaned_up(self, harness: NovaHarness) -> None:
        """Nova refuses to clear forced_down while an evacuation from there is done and its source has not come back."""
        host = harness.host()
        instance = harness.boot(host, image_backed=True)
        fail(harness, host)
        harness.nova.evacuate(instance, target=None, deadline=soon(harness))
        [record] = harness.nova.evacuations_from(host, deadline=soon(harness))
        wait_for_end(harness, host, record.id)
        seen = flags_of(reading(harness, host))
        with pytest.raises(NovaRefused) as error:
            harness.nova.set_flags(host, ServiceFlags(), seen=seen, deadline=soon(harness))
        assert error.value.status == 400
        assert flags_of(reading(harness, host)) == seen

    def test_what_an_evacuated_instance_left_is_released(self, harness: NovaHarness) -> None:
        """The dead host holds nothing for it afterwards, its new host still does; the second time changes nothing."""
        host = harness.host()
        instance = harness.boot(host, image_backed=True)
        fail(harness, host)
        harness.nova.evacuate(instance, target=None, deadline=soon(harness))
        [record] = harness.nova.evacuations_from(host, deadline=soon(harness))
        done = wait_for_end(harness, host, record.id)
        assert done.destination is not None
        for _ in range(2):
            harness.nova.release_room(host, instance, deadline=soon(harness))
            assert held_on(harness, host) == set()
            assert instance in held_on(harness, done.destination)

    def test_a_service_is_deleted_with_its_provider(self, harness: NovaHarness) -> None:
        """A dead host without instances is known neither to Nova nor to Placement afterwards."""
        host = harness.host()
        fail(harness, host)
        harness.nova.delete_service(host, deadline=soon(harness))
        assert host not in [each.host for each in harness.nova.services(deadline=soon(harness))]
        assert harness.nova.room(host, deadline=soon(harness)) is None
        with pytest.raises(NovaRefused) as error:
            harness.nova.delete_service(host, deadline=soon(harness))
        assert error.value.status == 404

    def test_a_service_with_instances_stays(self, harness: NovaHarness) -> None:
        """Nova refuses to delete the service of a host that instances are on."""
        host = harness.host()
        harness.boot(host, image_backed=True)
        fail(harness, host)
        with pytest.raises(NovaRefused) as error:
            harness.nova.delete_service(host, deadline=soon(harness))
        assert error.value.status == 409
        assert reading(harness, host).forced_down

    def test_a_survey_lists_what_a_host_holds(self, harness: NovaHarness) -> None:
        """Instances with their state and disks, and Placement's consumers; no migrations where there are none."""
        host = harness.host()
        stopped, image_backed = harness.boot(host, stopped=True), harness.boot(host, image_backed=True)
        survey = harness.nova.survey(host, deadline=soon(harness))
        found = {each.uuid: each for each in survey.instances}
        assert set(found) == survey.consumers == {stopped, image_backed}
        assert (found[stopped].vm_state, found[image_backed].vm_state) == ("stopped", "active")
        assert all(each.host == host and each.name and each.task_state is None for each in found.values())
        assert found[image_backed].image_backed
        assert not [each for each in survey.migrations if each.instance in found]
        assert {each.uuid for each in harness.nova.instances_on(host, deadline=soon(harness))} == set(found)

    def test_an_instance_that_could_not_be_moved_is_examined(self, harness: NovaHarness) -> None:
        """After an evacuation for which Nova found no host: its fault, its event that failed, and where Placement has the room."""
        host, disabled = harness.host(), harness.host()
        instance = harness.boot(host, image_backed=True)
        harness.disable(disabled, "full")
        fail(harness, host)
        harness.nova.evacuate(instance, target=disabled, deadline=soon(harness))
        [record] = harness.nova.evacuations_from(host, deadline=soon(harness))
        assert wait_for_end(harness, host, record.id).status == "error"
        nova = harness.nova
        eventually(harness, lambda: look(harness, instance).vm_state == "error")
        found = nova.examine(instance, source=host, target=disabled, deadline=soon(harness))
        assert found is not None
        assert (found.vm_state, found.task_state, found.is_locked, found.room_on) == ("error", None, False, ())
        assert found.fault is not None
        assert "No valid host was found" in found.fault
        assert [(each.name, each.result) for each in found.events] == [("rebuild_server", "Error")]
        assert dict(found.needs)["VCPU"] >= 1
        assert found.flavor
        anywhere = nova.examine(instance, source=host, target=None, deadline=soon(harness))
        assert anywhere is not None
        assert anywhere.room_on
        assert not {host, disabled} & set(anywhere.room_on)
        assert len(anywhere.room_on) <= min(anywhere.room_count, 3)
        assert nova.examine(UNKNOWN, source=host, target=None, deadline=soon(harness)) is None

    def test_a_guest_is_stopped_and_started(self, harness: NovaHarness) -> None:
        """Each order is taken where the state allows it, ends in the state that it is for, and is refused with 409 there."""
        host = harness.host()
        instance = harness.boot(host, image_backed=True)
        nova, seen = harness.nova, partial(look, harness, instance)
        assert (seen().host, seen().vm_state, seen().task_state) == (host, "active", None)
        for order, state in ((nova.stop, "stopped"), (nova.start, "active")):
            order(instance, deadline=soon(harness))
            eventually(harness, lambda state=state: (seen().vm_state, seen().task_state) == (state, None))
            with pytest.raises(NovaRefused) as error:
                order(instance, deadline=soon(harness))
            assert error.value.status == 409

    def test_a_close_look_brings_moves_and_the_hosts_service(self, harness: NovaHarness) -> None:
        """It shows all records of the instance and of no other, and the service of the host where it is now."""
        host = harness.host()
        instance, other = harness.boot(host, image_backed=True), harness.boot(host, image_backed=True)
        plain = harness.nova.look_at(instance, closely=False, deadline=soon(harness))
        assert plain is not None
        assert (plain.migrations, plain.service) == (None, None)
        fail(harness, host)
        harness.nova.evacuate(instance, target=None, deadline=soon(harness))
        [record] = harness.nova.evacuations_from(host, deadline=soon(harness))
        done = wait_for_end(harness, host, record.id)
        found = harness.nova.look_at(instance, closely=True, deadline=soon(harness))
        assert found is not None
        assert found.migrations == (done,)
        assert found.service is not None
        assert (found.instance.host, found.service.host, found.service.is_up) == (
            done.destination,
            done.destination,
            True,
        )
        left = harness.nova.look_at(other, closely=True, deadline=soon(harness))
        assert left is not None
        assert left.migrations == ()
        assert left.service is not None
        assert (left.service.host, left.service.forced_down) == (host, True)

    def test_an_instance_that_nobody_knows(self, harness: NovaHarness) -> None:
        """It is not there, and no order for it is taken."""
        assert harness.nova.look_at(UNKNOWN, closely=True, deadline=soon(harness)) is None
        for order in (harness.nova.stop, harness.nova.start):
            with pytest.raises(NovaRefused) as error:
                order(UNKNOWN, deadline=soon(harness))
            assert error.value.status == 404

    def test_room_is_what_placement_says(self, harness: NovaHarness) -> None:
        """A host has vcpus, an instance holds some of them, and together they are no more than there are."""
        host = harness.host()
        empty = harness.nova.room(host, deadline=soon(harness))
        assert empty is not None
        assert (empty.held, empty.used) == ({}, {})
        assert empty.size["VCPU"] >= empty.largest["VCPU"] > 0
        instance = harness.boot(host, image_backed=True)
        room = harness.nova.room(host, deadline=soon(harness))
        assert room is not None
        assert set(room.held) == {instance}
        assert room.free["VCPU"] == empty.free["VCPU"] - room.used["VCPU"] < empty.free["VCPU"]

    def test_a_deleted_instance_is_on_no_list(self, harness: NovaHarness) -> None:
        """What an owner deleted is neither an instance nor a consumer."""
        host = harness.host()
        instance = harness.boot(host, image_backed=True)
        harness.delete(instance)
        eventually(harness, lambda: harness.nova.survey(host, deadline=soon(harness)).consumers == frozenset())
        assert harness.nova.instances_on(host, deadline=soon(harness)) == ()

    def test_a_host_that_nobody_knows_holds_nothing(self, harness: NovaHarness) -> None:
        """The survey of an unknown host is empty, and says that Placement has no such provider."""
        survey = harness.nova.survey("nowhere", deadline=soon(harness))
        assert (survey.instances, survey.migrations, survey.consumers) == ((), (), None)
        assert harness.nova.evacuations_from("nowhere", deadline=soon(harness)) == ()
        assert harness.nova.room("nowhere", deadline=soon(harness)) is None

    def test_no_evacuation_from_a_host_that_is_up(self, harness: NovaHarness) -> None:
        """Nova refuses while the service of the source is up, and begins nothing."""
        host = harness.host()
        instance = harness.boot(host, image_backed=True)
        with pytest.raises(NovaRefused, match="in use") as error:
            harness.nova.evacuate(instance, target=None, deadline=soon(harness))
        assert error.value.status == 400
        assert harness.nova.evacuations_from(host, deadline=soon(harness)) == ()

    def test_no_evacuation_of_what_nobody_knows(self, harness: NovaHarness) -> None:
        """An unknown instance and an unknown destination are refused."""
        host = harness.host()
        instance = harness.boot(host, image_backed=True)
        fail(harness, host)
        with pytest.raises(NovaRefused) as error:
            harness.nova.evacuate(UNKNOWN, target=None, deadline=soon(harness))
        assert error.value.status == 404
        with pytest.raises(NovaRefused) as error:
            harness.nova.evacuate(instance, target="nowhere", deadline=soon(harness))
        assert error.value.status == 404
        assert harness.nova.evacuations_from(host, deadline=soon(harness)) == ()

    def test_an_evacuation_shows_in_the_records_until_it_is_done(self, harness: NovaHarness) -> None:
        """A record of its own appears at once, and ends done; the instance runs on the destination that it names."""
        host = harness.host()
        instance = harness.boot(host, image_backed=True)
        fail(harness, host)
        harness.nova.evacuate(instance, target=None, deadline=soon(harness))
        [record] = harness.nova.evacuations_from(host, deadline=soon(harness))
        assert (record.instance, record.kind, record.source) == (instance, "evacuation", host)
        done = wait_for_end(harness, host, record.id)
        assert (done.status, done.id) == ("done", record.id)
        moved = on(harness, done.destination, instance)
        assert (moved.vm_state, moved.task_state) == ("active", None)
        assert harness.nova.instances_on(host, deadline=soon(harness)) == ()

    def test_placement_remembers_an_evacuated_instance(self, harness: NovaHarness) -> None:
        """The dead host keeps the allocation and the record, which say no more that an instance is there."""
        host = harness.host()
        instance = harness.boot(host, image_backed=True)
        fail(harness, host)
        harness.nova.evacuate(instance, target=None, deadline=soon(harness))
        [record] = harness.nova.evacuations_from(host, deadline=soon(harness))
        wait_for_end(harness, host, record.id)
        survey = harness.nova.survey(host, deadline=soon(harness))
        assert survey.instances == ()
        assert survey.consumers == {instance}
        mine = [(each.id, each.status) for each in survey.migrations if each.instance == instance]
        assert mine == [(record.id, "done")]

    def test_a_survey_shows_how_an_instance_came(self, harness: NovaHarness) -> None:
        """The record of an evacuation that is over is in the survey of its destination too: it settles all that was before it."""
        host, target = harness.host(), harness.host()
        instance = harness.boot(host, image_backed=True)
        fail(harness, host)
        harness.nova.evacuate(instance, target=target, deadline=soon(harness))
        [record] = harness.nova.evacuations_from(host, deadline=soon(harness))
        wait_for_end(harness, host, record.id)
        survey = harness.nova.survey(target, deadline=soon(harness))
        assert [each.uuid for each in survey.instances] == [instance]
        mine = [(each.uuid, each.source, each.status) for each in survey.migrations if each.instance == instance]
        assert mine == [(record.uuid, host, "done")]

    def test_a_stopped_instance_ends_stopped_where_we_said(self, harness: NovaHarness) -> None:
        """One call moves a stopped instance to the destination that it names, and leaves it stopped."""
        host, target = harness.host(), harness.host()
        instance = harness.boot(host, image_backed=True, stopped=True)
        fail(harness, host)
        harness.nova.evacuate(instance, target=target, deadline=soon(harness))
        [record] = harness.nova.evacuations_from(host, deadline=soon(harness))
        assert record.destination == target
        wait_for_end(harness, host, record.id)
        assert on(harness, target, instance).vm_state == "stopped"

    def test_an_order_after_its_deadline_does_not_leave(self, harness: NovaHarness) -> None:
        """No write is sent after its deadline; the cloud is as it was."""
        host = harness.host()
        instance = harness.boot(host, image_backed=True)
        past = Deadline(at=harness.clock.monotonic() - 1.0)
        with pytest.raises(OrderExpired):
            harness.nova.evacuate(instance, target=None, deadline=past)
        with pytest.raises(OrderExpired):
            harness.nova.force_down(host, reason="vmha: dead", deadline=past)
        for order in (harness.nova.stop, harness.nova.start):
            with pytest.raises(OrderExpired):
                order(instance, deadline=past)
        assert look(harness, instance).vm_state == "active"
        with pytest.raises(OrderExpired):
            harness.nova.disable(host, reason="vmha: stopped", deadline=past)
        now = reading(harness, host)
        assert (now.disabled, now.forced_down) == (False, False)
        harness.disable(host, "maintenance")
        with pytest.raises(OrderExpired):
            harness.nova.enable(host, deadline=past)
        flags = flags_of(reading(harness, host))
        with pytest.raises(OrderExpired):
            harness.nova.set_flags(host, ServiceFlags(), seen=flags, deadline=past)
        with pytest.raises(OrderExpired):
            harness.nova.delete_service(host, deadline=past)
        assert flags_of(reading(harness, host)) == flags
        assert harness.nova.evacuations_from(host, deadline=soon(harness)) == ()

    def test_a_reading_after_its_deadline_gives_no_answer(self, harness: NovaHarness) -> None:
        """A reading that has no time left fails like one that got no answer."""
        host = harness.host()
        past = Deadline(at=harness.clock.monotonic() - 1.0)
        nova = harness.nova
        for read in (nova.survey, nova.instances_on, nova.evacuations_from, nova.service):
            with pytest.raises(NovaUnavailable):
                read(host, deadline=past)
        with pytest.raises(NovaUnavailable):
            harness.nova.services(deadline=past)


def soon(harness: NovaHarness) -> Deadline:
    """Return a deadline that no call should need."""
    return Deadline(at=harness.clock.monotonic() + CALL_SECONDS)


def reading(harness: NovaHarness, host: str) -> ServiceReading:
    """Return what Nova says of one host."""
    [found] = [each for each in harness.nova.services(deadline=soon(harness)) if each.host == host]
    return found


def look(harness: NovaHarness, instance: str) -> Instance:
    """Return what Nova says of one instance."""
    found = harness.nova.look_at(instance, closely=False, deadline=soon(harness))
    assert found is not None
    return found.instance


def fail(harness: NovaHarness, host: str) -> None:
    """Kill a host and tell Nova, as the engine would."""
    harness.kill(host)
    harness.nova.force_down(host, reason="vmha: dead", deadline=soon(harness))


def held_on(harness: NovaHarness, host: str) -> set[str]:
    """Return who holds room on a host."""
    room = harness.nova.room(host, deadline=soon(harness))
    assert room is not None
    return set(room.held)


def on(harness: NovaHarness, host: str | None, instance: str) -> Instance:
    """Return an instance as the list of its host shows it."""
    assert host is not None
    [found] = [each for each in harness.nova.instances_on(host, deadline=soon(harness)) if each.uuid == instance]
    return found


def wait_for_end(harness: NovaHarness, host: str, number: int) -> Migration:
    """Wait until a migration record is over, and return it."""
    terminal = ("done", "failed", "error", "completed")

    def record() -> Migration:
        [found] = [each for each in harness.nova.evacuations_from(host, deadline=soon(harness)) if each.id == number]
        return found

    eventually(harness, lambda: record().status in terminal)
    return record()


def eventually(harness: NovaHarness, check: Callable[[], bool]) -> None:
    """Let time pass until `check` holds."""
    end = harness.clock.monotonic() + PATIENCE_SECONDS
    while not check():
        assert harness.clock.monotonic() < end, "waited too long"
        harness.clock.sleep(min(0.5, harness.report_seconds))
