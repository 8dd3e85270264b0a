"""Why an instance could not be moved, by what is known of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from unit_tests.core.states import move
from vmha.core.causes import ActionEvent, Cause, Findings
from vmha.core.diagnosis import NEXT, classify
from vmha.core.explain import Code, because
from vmha.core.model import Move, MoveStatus

NAMED = {"name": "web", "instance": "i1"}
MOVE_SECONDS = 600.0
NOT_ENOUGH = "No valid host was found. There are not enough hosts available."


def failed(code: Code = Code.MOVE_FAILED, **facts: object) -> Move:
    """A move that failed after three orders, by default since a host that had been chosen gave it up."""
    said = {"detail": "its migration to c2 ended failed", "attempts": 3, "state": "active", **facts}
    return move(status=MoveStatus.FAILED, attempts=3, destination="c2", reason=because(code, **NAMED, **said))


def nowhere() -> Move:
    """A move that failed since Nova found no host."""
    return failed(Code.NO_CAPACITY)


def found(fault: str | None = None, **changes: Any) -> Findings:
    """What Nova says of an instance in error whose flavor asks for little."""
    needs = (("VCPU", 1), ("MEMORY_MB", 512))
    return replace(Findings(vm_state="error", flavor="m1.small", needs=needs, fault=fault), **changes)


def cause(of: Move, findings: Findings | None) -> Cause:
    """Return the cause alone."""
    return classify(of, findings, move_seconds=MOVE_SECONDS).cause


def test_without_room_anywhere_capacity_is_the_cause() -> None:
    """Placement names no host: there is no capacity, and the evidence says what is needed, whatever the flavor binds to."""
    for extra_specs in ((), (("hw:cpu_policy", "dedicated"),)):
        given = classify(nowhere(), found(NOT_ENOUGH, room_on=(), extra_specs=extra_specs), move_seconds=MOVE_SECONDS)
        assert given.cause is Cause.NO_CAPACITY
        assert f"Nova: {NOT_ENOUGH}" in given.evidence
        assert any("VCPU 1, MEMORY_MB 512" in each for each in given.evidence)
        assert any("on no host" in each for each in given.evidence)


def test_where_there_is_room_a_filter_is_the_cause() -> None:
    """Placement names hosts and Nova's scheduler none: its filters took them, and the evidence names them and the zone."""
    seen = found(NOT_ENOUGH, room_on=("c2", "c3", "c4"), room_count=7, zone="az-1")
    given = classify(nowhere(), seen, move_seconds=MOVE_SECONDS)
    assert given.cause is Cause.SCHEDULER_FILTER
    assert "Placement has room for that on c2, c3, c4 and 4 more" in given.evidence
    assert "it was in zone az-1" in given.evidence


@pytest.mark.parametrize(
    "spec",
    [
        ("pci_passthrough:alias", "gpu:1"),
        ("resources:VGPU", "1"),
        ("resources1:CUSTOM_FPGA", "1"),
        ("accel:device_profile", "fpga"),
        ("hw:cpu_policy", "dedicated"),
        ("hw:numa_nodes", "2"),
        ("hw:mem_page_size", "large"),
    ],
)
def test_a_flavor_that_asks_for_a_device_is_bound(spec: tuple[str, str]) -> None:
    """There is room for the plain part of the flavor: what it asks of a host's devices, or pins, is the cause."""
    given = classify(nowhere(), found(NOT_ENOUGH, room_on=("c2",), extra_specs=(spec,)), move_seconds=MOVE_SECONDS)
    assert given.cause is Cause.HOST_BOUND_DEVICE
    assert any("=".join(spec) in each for each in given.evidence)


@pytest.mark.parametrize(
    "spec", [("hw:cpu_policy", "shared"), ("hw:mem_page_size", "any"), ("trait:CUSTOM_FAST", "required")]
)
def test_other_extra_specs_bind_to_nothing(spec: tuple[str, str]) -> None:
    """A shared policy, any page size or a trait are for the scheduler's filters."""
    assert cause(nowhere(), found(NOT_ENOUGH, room_on=("c2",), extra_specs=(spec,))) is Cause.SCHEDULER_FILTER


def test_without_placements_answer_novas_words_decide() -> None:
    """Nova says that there are not enough hosts only where Placement had candidates."""
    assert cause(nowhere(), found(NOT_ENOUGH)) is Cause.SCHEDULER_FILTER
    assert cause(nowhere(), found("No valid host was found. ")) is Cause.NO_CAPACITY
    assert cause(nowhere(), None) is Cause.NO_CAPACITY


def test_without_a_reserved_host_the_reserve_is_the_cause() -> None:
    """The method allows reserved hosts only, so that room on others counts for nothing; the next step is a reserved host."""
    lacking = replace(failed(Code.NO_RESERVED), attempts=0)
    given = classify(lacking, found(room_on=("c2",)), move_seconds=MOVE_SECONDS)
    assert given.cause is Cause.NO_CAPACITY
    assert "reserved host" in given.next_step


def test_a_reserved_host_that_breaks_is_no_lack_of_room() -> None:
    """The reserved host was tried, and Nova says what was raised there."""
    assert cause(failed(Code.NO_RESERVED), found("the hypervisor is gone")) is Cause.NO_CAPACITY
    assert cause(failed(Code.NO_RESERVED), found("Image 1 could not be found.")) is Cause.IMAGE_OR_VOLUME


def test_a_state_has_a_next_step_of_its_own() -> None:
    """What Nova does not evacuate is named with its state and lock, whatever it was at the survey."""
    asked = replace(failed(Code.ASK, state="paused"), attempts=0, vm_state="active")
    seen = found(vm_state="paused", is_locked=True, fault="of another time")
    given = classify(asked, seen, move_seconds=MOVE_SECONDS)
    assert (given.cause, given.evidence[0]) == (Cause.STATE_REFUSED, "vm_state paused")
    assert any("locked" in each for each in given.evidence)
    assert "unpause" in given.next_step


def test_what_was_never_ordered_has_no_fault_of_ours() -> None:
    """The fault and the events of an instance that was never ordered elsewhere are of another time."""
    lacking = replace(failed(Code.NO_RESERVED), attempts=0)
    old = found("Quota exceeded for instances", events=(ActionEvent(name="x", result="Error"),))
    given = classify(lacking, old, move_seconds=MOVE_SECONDS)
    assert given.cause is Cause.NO_CAPACITY
    assert not any("Quota" in each or "Error" in each for each in given.evidence)


def test_an_order_that_nova_does_not_end_is_a_timeout() -> None:
    """The only suspect is where our own order went; the event that goes on is named."""
    late = move(status=MoveStatus.STALLED, attempts=1, migration=7, destination="c2", suspects=("c2",))
    events = (
        ActionEvent(name="rebuild_server", host="conductor", result="Success"),
        ActionEvent(name="compute_rebuild", host="c2"),
    )
    given = classify(late, found(events=events), move_seconds=MOVE_SECONDS)
    assert given.cause is Cause.TIMEOUT
    assert given.evidence == (
        "Nova took its evacuation to c2 and did not end it within 600 s",
        "compute_rebuild on c2 has not ended",
    )
    assert cause(late, None) is Cause.TIMEOUT
    assert cause(replace(late, destination=None, suspects=()), None) is Cause.TIMEOUT


def test_what_nova_has_no_record_of_is_not_said_to_be_taken() -> None:
    """An order without an answer and without a record may have begun, and nobody claims that Nova took it."""
    unheard = move(status=MoveStatus.STALLED, attempts=1)
    given = classify(unheard, None, move_seconds=MOVE_SECONDS)
    assert given.cause is Cause.TIMEOUT
    assert given.evidence == (
        "it was ordered to be evacuated, and Nova has no record of that; it may have begun all the same",
    )


@pytest.mark.parametrize(("attempts", "suspects"), [(0, ("c2",)), (1, ("c2", "c4"))])
def test_a_suspect_of_others_is_a_fencing_gap(attempts: int, suspects: tuple[str, ...]) -> None:
    """A record that is not our order's leaves a host in doubt, which the evidence names."""
    stalled = move(status=MoveStatus.STALLED, attempts=attempts, destination="c2", suspects=suspects)
    given = classify(stalled, None, move_seconds=MOVE_SECONDS)
    assert given.cause is Cause.FENCING_GAP
    assert ", ".join(suspects) in given.evidence[0]


def test_a_disk_on_the_host_needs_no_question() -> None:
    """What is held for its local disk has the cause and both ways out."""
    given = classify(move(status=MoveStatus.HELD, local_disk=True), None, move_seconds=MOVE_SECONDS)
    assert given.cause is Cause.LOCAL_DISK
    assert "rebuild" in given.next_step
    assert "shared_storage" in given.next_step


def test_words_that_say_nothing_are_an_error_of_novas() -> None:
    """The words and the event that failed are the evidence; without either it is our own sentence."""
    events = (ActionEvent(name="compute_rebuild_instance", host="c2", result="Error", details="boom"),)
    given = classify(failed(), found("boom", events=events), move_seconds=MOVE_SECONDS)
    assert (given.cause, given.evidence) == (
        Cause.NOVA_ERROR,
        ("Nova: boom", "compute_rebuild_instance on c2 ended Error"),
    )
    bare = classify(failed(), None, move_seconds=MOVE_SECONDS)
    assert (bare.cause, bare.evidence) == (Cause.NOVA_ERROR, ("its migration to c2 ended failed",))


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("Timed out waiting for a reply to message ID 3f2a while the volume was reserved", Cause.TIMEOUT),
        ("Timed out during operation: cannot acquire state change lock; volume 3f2a was attached", Cause.TIMEOUT),
        ("Timeout waiting for response from cell", Cause.TIMEOUT),
        ("Request to http://10.0.0.9:8776/v3/p/attachments/3f2a/action timed out", Cause.IMAGE_OR_VOLUME),
        ("Request to https://cloud/volume/v3/p/volumes/3f2a timed out", Cause.IMAGE_OR_VOLUME),
        ("Request to https://glance.example.com/v2/images/3f2a timed out", Cause.IMAGE_OR_VOLUME),
        ("Connection to cinder host failed: timed out", Cause.IMAGE_OR_VOLUME),
        ("Volume 3f2a could not be attached. Reason: timed out", Cause.IMAGE_OR_VOLUME),
        ("Volume 3f2a did not finish being created even after we waited 180 seconds", Cause.IMAGE_OR_VOLUME),
        ("Request to http://10.0.0.9:9696/v2.0/ports timed out", Cause.TIMEOUT),
        ("Timeout waiting for [('network-vif-plugged', 'x')] for instance with vm_state error", Cause.TIMEOUT),
    ],
)
def test_a_timeout_is_told_from_a_volume(fault: str, cause: Cause) -> None:
    """Of Nova's own parts it is one whatever was at hand; where Cinder or Glance do not answer, the volume or image is not to be had."""
    assert classify(failed(), found(fault), move_seconds=MOVE_SECONDS).cause is cause


def test_the_list_is_closed() -> None:
    """Each cause has a next step, and there are no more than the eleven."""
    assert set(NEXT) == set(Cause)
    assert len(Cause) == 11
