"""What Nova and Placement answer about an instance that could not be moved, as findings; and causes by recorded answers.

The answers have the shapes of Nova 34 at 2.94 and Placement at 1.31, and the words of nova/exception.py, castellan and os-brick. Causes
that our own cloud cannot bring about (it has no Cinder, key manager or devices) are shown by these alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from unit_tests.adapters.http_stub import Answer, Stub, running_stub
from unit_tests.adapters.nova_stub import PROVIDERS, nova, refused, server, within
from unit_tests.core.states import move
from vmha.core.causes import ActionEvent, Cause, Findings
from vmha.core.diagnosis import classify
from vmha.core.explain import Code, because
from vmha.core.model import MoveStatus
from vmha.errors import NovaUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER = "/compute/v2.1/servers/i1"
ACTIONS = f"{SERVER}/os-instance-actions"
ACTION = f"{ACTIONS}/req-2"
CANDIDATES = "/placement/allocation_candidates"
FLAVOR = {"vcpus": 2, "ram": 2048, "disk": 10, "ephemeral": 5, "swap": 1025, "original_name": "m1", "extra_specs": {}}
TRACEBACK = (
    'Traceback (most recent call last):\n  File "/nova/compute/manager.py", line 3\n    self.driver.spawn()\n{raised}\n'
)


def action(name: str, request: str, started: str) -> dict[str, Any]:
    """Build a record of GET /servers/{id}/os-instance-actions."""
    return {
        "action": name,
        "request_id": request,
        "instance_uuid": "i1",
        "start_time": started,
        "updated_at": started,
        "message": "Error",
        "project_id": "p",
        "user_id": "u",
    }


def event(name: str, host: str, result: str | None, details: str | None = None, second: int = 1) -> dict[str, Any]:
    """Build an event as 2.84 shows it to an administrator."""
    return {
        "event": name,
        "host": host,
        "hostId": "f00",
        "start_time": f"2026-03-14T03:00:0{second}.100000",
        "finish_time": None if result is None else f"2026-03-14T03:00:0{second}.900000",
        "result": result,
        "traceback": None if result != "Error" else "  File ...\n    raise\n",
        "details": details,
    }


def fault(message: str, *, raised: str = "", created: str = "2026-03-14T03:00:02Z") -> dict[str, Any]:
    """Build a fault as an administrator sees it."""
    return {"code": 500, "created": created, "message": message, "details": TRACEBACK.format(raised=raised or message)}


@pytest.fixture
def stub() -> Iterator[Stub]:
    """Serve an instance in error whose last evacuation failed, and room on two hosts beside its own."""
    with running_stub() as running:
        in_error = server("i1", flavor=FLAVOR, locked=False, fault=fault("boom"), **{"OS-EXT-STS:vm_state": "error"})
        running.answer("GET", SERVER, Answer(body={"server": in_error}))
        first, last = (
            action("evacuate", "req-1", "2026-03-13T01:00:00.000000"),
            action("evacuate", "req-2", "2026-03-14T03:00:00.500000"),
        )
        later = action("reboot", "req-3", "2026-03-14T04:00:00.000000")
        running.answer("GET", ACTIONS, Answer(body={"instanceActions": [later, last, first]}))
        events = [
            event("compute_rebuild_instance", "c2", "Error", "boom", 3),
            event("rebuild_server", "conductor", "Success"),
        ]
        running.answer("GET", ACTION, Answer(body={"instanceAction": {**last, "events": events}}))
        running.answer("GET", PROVIDERS, Answer(body={"resource_providers": [{"uuid": "rp-1", "name": "c1"}]}))
        roots = {f"rp-{number}": {"root_provider_uuid": f"rp-{number}"} for number in (1, 2, 3)}
        roots["child"] = {"root_provider_uuid": "rp-3"}
        running.answer("GET", CANDIDATES, Answer(body={"allocation_requests": [], "provider_summaries": roots}))
        for number in (2, 3):
            running.answer(
                "GET", f"{PROVIDERS}/rp-{number}", Answer(body={"uuid": f"rp-{number}", "name": f"c{number}"})
            )
        yield running


def examine(stub: Stub, target: str | None = None) -> Findings:
    """Ask the adapter."""
    found = nova(stub).examine("i1", source="c1", target=target, deadline=within())
    assert found is not None
    return found


def show(stub: Stub, **fields: Any) -> None:
    """Let Nova show the instance otherwise."""
    shown = {"flavor": FLAVOR, "locked": False, "OS-EXT-STS:vm_state": "error", **fields}
    stub.answer("GET", SERVER, Answer(body={"server": server("i1", **shown)}))


def test_everything_is_read_with_few_requests(stub: Stub) -> None:
    """The last evacuation's events are in their order; the dead host is not among those with room; nine requests are enough."""
    found = examine(stub)
    assert (found.vm_state, found.fault, found.flavor) == ("error", "boom", "m1")
    assert found.events == (
        ActionEvent(name="rebuild_server", host="conductor", result="Success"),
        ActionEvent(name="compute_rebuild_instance", host="c2", result="Error", details="boom"),
    )
    assert dict(found.needs) == {"VCPU": 2, "MEMORY_MB": 2048, "DISK_GB": 17}
    assert (found.room_on, found.room_count) == (("c2", "c3"), 2)
    asked = [request for request in stub.sent() if "/identity" not in request.path and "/v3" not in request.path]
    assert len([each for each in asked if each.path.startswith(("/compute/v2.1/", "/placement/"))]) <= 9
    [query] = [request.query for request in stub.sent("GET") if request.path == CANDIDATES]
    assert query["resources"] == "VCPU:2,MEMORY_MB:2048,DISK_GB:17"
    assert query["required"] == "!COMPUTE_STATUS_DISABLED"
    assert "in_tree" not in query


def test_a_volume_takes_no_room_on_a_host(stub: Stub) -> None:
    """The root disk of an instance that boots from a volume is not asked of hosts, nor shared CPUs of one that has its own."""
    pinned = {**FLAVOR, "ephemeral": 0, "swap": 0, "extra_specs": {"hw:cpu_policy": "dedicated"}}
    show(stub, image="", flavor=pinned)
    assert dict(examine(stub).needs) == {"MEMORY_MB": 2048}


def test_of_a_named_target_only_its_own_room_counts(stub: Stub) -> None:
    """Placement is asked below the target's root alone."""
    stub.answer("GET", PROVIDERS, Answer(body={"resource_providers": [{"uuid": "rp-3", "name": "c3"}]}))
    found = examine(stub, target="c3")
    assert (found.room_on, found.room_count) == (("c3",), 1)
    [query] = [request.query for request in stub.sent("GET") if request.path == CANDIDATES]
    assert query["in_tree"] == "rp-3"


def test_an_old_fault_is_none_of_this_evacuation(stub: Stub) -> None:
    """A fault of before the last evacuation began says nothing of it; nor does any where there was no evacuation."""
    show(stub, fault=fault("of long ago", created="2026-03-14T02:59:59Z"))
    assert examine(stub).fault is None
    show(stub, fault=fault("of long ago"))
    stub.answer("GET", ACTIONS, Answer(body={"instanceActions": []}))
    found = examine(stub)
    assert (found.fault, found.events) == (None, ())


def test_an_instance_that_is_unknown_has_no_findings(stub: Stub) -> None:
    """Nova says 404, and nothing more is asked; what it cannot say is told as such."""
    stub.answer("GET", SERVER, refused(404, "Instance i1 could not be found."))
    assert nova(stub).examine("i1", source="c1", target=None, deadline=within()) is None
    assert not [request for request in stub.sent("GET") if request.path == ACTIONS]
    show(stub)
    stub.answer("GET", CANDIDATES, Answer(status=503))
    with pytest.raises(NovaUnavailable):
        nova(stub).examine("i1", source="c1", target=None, deadline=within())


UUID = "4b1e0c9a-3a52-4f4e-9a3b-3c8a6e1f0c11"
ABORTED = f"Build of instance {UUID} aborted: Insufficient compute resources"
RECORDED: tuple[tuple[Cause, str, dict[str, Any]], ...] = (
    # nova/exception.py: ComputeResourcesUnavailable in a BuildAbortException; compute/claims.py has the reasons.
    (
        Cause.HOST_BOUND_DEVICE,
        f"{ABORTED}: Requested instance NUMA topology cannot fit the given host NUMA topology.",
        {},
    ),
    (
        Cause.HOST_BOUND_DEVICE,
        f"{ABORTED}: Claim pci failed.",
        {},
    ),
    (Cause.HOST_BOUND_DEVICE, "PCI device request [{'count': 1}] failed", {}),
    (Cause.HOST_BOUND_DEVICE, "Insufficient compute resources: vGPU resource is not available.", {}),
    (Cause.LOCAL_DISK, "Invalid state of instance files on shared storage", {}),
    (Cause.LOCAL_DISK, f"No disk at /var/lib/nova/instances/{UUID}/disk", {}),
    (Cause.IMAGE_OR_VOLUME, f"Image {UUID} could not be found.", {}),
    (Cause.IMAGE_OR_VOLUME, f"Image {UUID} is not active.", {}),
    (Cause.IMAGE_OR_VOLUME, "Connection to glance host http://glance:9292 failed: timed out", {}),
    (Cause.IMAGE_OR_VOLUME, f"Volume {UUID} could not be found.", {}),
    (Cause.IMAGE_OR_VOLUME, f"Block Device Mapping is Invalid: failed to get volume {UUID}.", {}),
    (Cause.IMAGE_OR_VOLUME, "Connection to cinder host failed: Unable to establish connection", {}),
    (
        Cause.IMAGE_OR_VOLUME,
        "VolumeDeviceNotFound",
        {"raised": "os_brick.exception.VolumeDeviceNotFound: Volume device not found at /dev/sdz."},
    ),
    # Not Nova's own: the message gives the class, the traceback's last line what castellan said of Barbican's 403.
    (
        Cause.ENCRYPTED_VOLUME,
        "KeyManagerError",
        {
            "raised": "castellan.common.exception.KeyManagerError: Key manager error: Forbidden: Secret payload retrieval attempt "
            "not allowed - please review your user/project privileges"
        },
    ),
    (Cause.ENCRYPTED_VOLUME, f"TPM encryption secret for instance {UUID} was not found.", {}),
    (Cause.QUOTA, "Quota exceeded for cores: Requested 4, but already used 20 of 20 cores", {}),
    (Cause.QUOTA, "Project 7f is over a limit for [Resource servers is over limit of 10]", {}),
    (
        Cause.NO_CAPACITY,
        f"{ABORTED}: Free memory 512.00 MB < requested 2048 MB.",
        {},
    ),
    (Cause.TIMEOUT, "Timed out waiting for a reply to message ID 0b", {}),
    (
        Cause.NOVA_ERROR,
        "libvirtError",
        {"raised": "libvirt.libvirtError: internal error: qemu unexpectedly closed the monitor"},
    ),
)


@pytest.mark.parametrize(
    ("cause", "message", "more"), RECORDED, ids=[f"{cause.value}-{n}" for n, (cause, _, _) in enumerate(RECORDED)]
)
def test_a_recorded_fault_has_its_cause(stub: Stub, cause: Cause, message: str, more: dict[str, Any]) -> None:
    """Nova's recorded words, as the fault or as the details of the event alone, lead to the cause and stand in the evidence."""
    reason = because(Code.MOVE_FAILED, name="web", instance="i1", detail="its migration to c2 ended failed")
    lost = move(status=MoveStatus.FAILED, attempts=3, destination="c2", reason=reason)
    show(stub, fault=fault(message, **more))
    stub.answer(
        "GET",
        ACTION,
        Answer(body={"instanceAction": {**action("evacuate", "req-2", "2026-03-14T03:00:00.500000"), "events": []}}),
    )
    given = classify(lost, examine(stub), move_seconds=600.0)
    assert given.cause is cause
    assert (more.get("raised") or message)[:60] in given.evidence[0]
    if not more:
        # A claim that fails leaves the instance as it was: Nova shows no fault, only the event.
        show(stub, **{"OS-EXT-STS:vm_state": "active"})
        events = [event("compute_rebuild_instance", "c2", "Error", message)]
        last = action("evacuate", "req-2", "2026-03-14T03:00:00.500000")
        stub.answer("GET", ACTION, Answer(body={"instanceAction": {**last, "events": events}}))
        assert classify(lost, examine(stub), move_seconds=600.0).cause is cause


@pytest.mark.parametrize(
    ("cause", "status", "detail"),
    [
        (Cause.QUOTA, 403, "Quota exceeded for instances: Requested 1, but already used 10 of 10 instances"),
        (Cause.STATE_REFUSED, 409, f"Cannot 'evacuate' instance {UUID} while it is in vm_state suspended"),
        (Cause.STATE_REFUSED, 409, f"Instance {UUID} is locked"),
        (Cause.STATE_REFUSED, 409, f"Operation 'evacuate' not supported for vTPM-enabled instance ({UUID})."),
        (Cause.FENCING_GAP, 400, "Compute service of c1 is still in use."),
    ],
)
def test_a_recorded_refusal_has_its_cause(stub: Stub, cause: Cause, status: int, detail: str) -> None:
    """Nova's answer to the order itself is the evidence where nothing was begun."""
    reason = because(Code.EVACUATION_REFUSED, name="web", instance="i1", detail=f"{detail} ({status})")
    lost = move(status=MoveStatus.FAILED, attempts=3, reason=reason)
    stub.answer("GET", ACTIONS, Answer(body={"instanceActions": []}))
    show(stub, **{"OS-EXT-STS:vm_state": "active"})
    given = classify(lost, examine(stub), move_seconds=600.0)
    assert given.cause is cause
    assert any(detail in each for each in given.evidence)
