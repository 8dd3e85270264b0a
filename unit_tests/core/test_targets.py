"""What becomes of each instance of a failed host, and where it may go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from unit_tests.core.states import AROUND, POLICY, draft, instance, migration, move, moving
from vmha.core.effects import ReadRoom
from vmha.core.explain import Code
from vmha.core.model import Instance, Migration, MoveStatus, RecoveryMethod, Reserved, ReservedStatus
from vmha.core.policy import LocalDisk, Policy
from vmha.core.targets import (
    ANYWHERE,
    UNNAMED,
    NoTarget,
    choose,
    has_another_place,
    has_reached,
    plan_move,
    rule,
    suspects,
)

OURS: dict[str, Any] = {"kind": "evacuation", "source": "c1"}
LIVE: dict[str, Any] = {"kind": "live-migration"}
READY, ENABLING, FAILED = ReservedStatus.READY, ReservedStatus.ENABLING, ReservedStatus.FAILED
DECLARED = replace(POLICY, shared_storage=True)
REBUILD = replace(POLICY, local_disk=LocalDisk.REBUILD)
TAGGED_ONLY = replace(POLICY, evacuate_all_instances=False)
IGNORES_ERROR = replace(POLICY, ignore_instances_in_error_state=True)


@pytest.mark.parametrize(
    ("records", "named"),
    [
        ((), ()),
        ((migration(1, status="done"),), ()),
        ((migration(1, status="accepted", destination=None),), ()),
        ((migration(1, status="pre-migrating"),), ("c2",)),
        ((migration(1, status="failed"),), ("c2",)),
        ((migration(1, status="failed", destination=None),), ()),
        ((migration(1, status="error"),), ()),
        ((migration(1, **LIVE, status="error"),), ("c2",)),
        ((migration(1, **LIVE, status="failed"),), ("c2",)),
        ((migration(1, **LIVE, status="failed", source="c3", destination="c1"),), ("c3",)),
        ((migration(1, **LIVE, status="cancelled"),), ()),
        ((migration(1, kind="resize", status="error"),), ("c2",)),
        (
            (
                migration(1, status="failed"),
                migration(2, **LIVE, status="completed", destination="c3"),
                migration(3, **LIVE, status="completed", source="c3", destination="c1"),
            ),
            (),
        ),
        ((migration(1, **LIVE, status="running"),), ("c2",)),
        ((migration(1, **LIVE, status="running", source="c3", destination="c1"),), ("c3",)),
        ((migration(1, kind="resize", status="finished", source="c3", destination="c1"),), ("c3",)),
        ((migration(1, kind="resize", status="reverted"),), ()),
        ((migration(1, status="failed"), migration(2, **LIVE, status="completed", source="c9", destination="c1")), ()),
        (
            (migration(2, status="failed"), migration(1, **LIVE, status="completed", source="c9", destination="c1")),
            ("c2",),
        ),
        ((migration(1, status="failed"), migration(2, status="failed", destination="c4")), ("c2", "c4")),
        ((migration(1, status="failed", destination="off"),), ()),
        ((migration(1, instance="another", status="failed"),), ()),
    ],
)
def test_who_may_hold_a_guest(records: tuple[Migration, ...], named: tuple[str, ...]) -> None:
    """Both ends of a record that is not over, and the destination of one that failed there, unless a later success settled it."""
    assert suspects("i1", "c1", records, frozenset({"off"})) == named


@pytest.mark.parametrize(
    ("record", "reached"),
    [
        (migration(status="failed"), True),
        (migration(status="failed", destination=None), False),
        (migration(status="error"), False),
        (migration(status="cancelled"), True),
        (migration(**LIVE, status="cancelled"), False),
        (migration(**LIVE, status="failed"), True),
        (migration(**LIVE, status="error"), True),
        (migration(status="done"), False),
        (migration(status="accepted"), False),
    ],
)
def test_which_failures_reached_a_host(record: Migration, reached: bool) -> None:
    """An evacuation without a host, even where one had been named, and a live migration that was given up left nothing anywhere."""
    assert has_reached(record) is reached


@pytest.mark.parametrize(
    ("found", "policy", "status", "code"),
    [
        (instance(), POLICY, MoveStatus.PENDING, None),
        (instance(vm_state="stopped"), POLICY, MoveStatus.PENDING, None),
        (instance(vm_state="error"), POLICY, MoveStatus.PENDING, None),
        (instance(vm_state="error"), IGNORES_ERROR, MoveStatus.SKIPPED, Code.IGNORED_ERROR_STATE),
        (instance(vm_state="active"), IGNORES_ERROR, MoveStatus.PENDING, None),
        (instance(vm_state="shelved_offloaded"), POLICY, MoveStatus.SKIPPED, Code.NO_GUEST),
        (instance(vm_state="deleted"), POLICY, MoveStatus.SKIPPED, Code.NO_GUEST),
        (instance(vm_state="soft-delete"), POLICY, MoveStatus.SKIPPED, Code.NO_GUEST),
        (instance(task_state="deleting"), POLICY, MoveStatus.SKIPPED, Code.NO_GUEST),
        (instance(vm_state="error", task_state="deleting"), POLICY, MoveStatus.SKIPPED, Code.NO_GUEST),
        (instance(task_state="powering-off"), POLICY, MoveStatus.PENDING, None),
        (instance(task_state="rebuild_spawning"), POLICY, MoveStatus.PENDING, None),
        (instance(vm_state="paused"), POLICY, MoveStatus.FAILED, Code.ASK),
        (instance(vm_state="suspended"), POLICY, MoveStatus.FAILED, Code.ASK),
        (instance(vm_state="rescued"), POLICY, MoveStatus.FAILED, Code.ASK),
        (instance(vm_state="resized"), POLICY, MoveStatus.FAILED, Code.ASK),
        (instance(vm_state="building"), POLICY, MoveStatus.FAILED, Code.ASK),
        (instance(vm_state="shelved"), POLICY, MoveStatus.FAILED, Code.ASK),
        (instance(vm_state="a state to come"), POLICY, MoveStatus.FAILED, Code.ASK),
        (instance(image_backed=True), POLICY, MoveStatus.HELD, Code.LOCAL_DISK),
        (instance(local_extra=True), POLICY, MoveStatus.HELD, Code.LOCAL_DISK),
        (instance(image_backed=True), DECLARED, MoveStatus.PENDING, None),
        (instance(image_backed=True), REBUILD, MoveStatus.PENDING, None),
        (instance(image_backed=True, vm_state="paused"), POLICY, MoveStatus.FAILED, Code.ASK),
    ],
)
def test_the_table_of_states(found: Instance, policy: Policy, status: MoveStatus, code: Code | None) -> None:
    """Each state has its own answer: moved, held, left alone, or given to a human."""
    planned = plan_move(draft(policy=policy), found, ())
    assert planned.status is status
    assert (planned.reason.code if planned.reason else None) is code


@pytest.mark.parametrize(
    "records",
    [
        (migration(1, **LIVE, status="running"),),
        (migration(1, status="failed", destination="c3"), migration(2, **LIVE, status="running")),
        (migration(1, status="failed"), migration(2, status="failed", destination="c3")),
    ],
    ids=["under way", "under way after a failure", "two hosts"],
)
def test_suspects_stall_an_instance(records: tuple[Migration, ...]) -> None:
    """An instance whose move is under way, or of which one of several hosts may hold a guest, is stalled; proofs of them all free it."""
    stalled = plan_move(draft(), instance(image_backed=True), records)
    assert stalled.status is MoveStatus.STALLED
    assert stalled.suspects
    free = plan_move(draft(around=replace(AROUND, proven_off=frozenset({"c2", "c3"}))), instance(), records)
    assert (free.status, free.pinned) == (MoveStatus.PENDING, None)


@pytest.mark.parametrize(
    "record",
    [
        migration(1, status="failed"),
        migration(1, **LIVE, status="failed"),
        migration(1, **LIVE, status="error"),
        migration(1, kind="resize", status="error"),
        migration(1, **LIVE, status="failed", source="c2", destination="c1"),
    ],
)
def test_one_suspect_of_a_move_that_is_over_is_where_to_go(record: Migration) -> None:
    """Where one host alone may have kept a guest the instance may be ordered there, and nowhere else until that host is proven off."""
    pinned = plan_move(draft(), instance(), (record,))
    assert (pinned.status, pinned.pinned, pinned.suspects) == (MoveStatus.PENDING, "c2", ())
    held = plan_move(draft(), instance(image_backed=True), (record,))
    assert (held.status, held.pinned) == (MoveStatus.HELD, "c2")
    free = plan_move(draft(around=replace(AROUND, proven_off=frozenset({"c2"}))), instance(), (record,))
    assert (free.status, free.pinned) == (MoveStatus.PENDING, None)


def test_an_evacuation_under_way_is_adopted() -> None:
    """The newest record decides: an evacuation from this host that is not over is followed, and counts as one attempt."""
    records = (migration(3, status="failed"), migration(7, **OURS, status="pre-migrating"))
    adopted = plan_move(draft(), instance(), records)
    assert adopted.status is MoveStatus.ACCEPTED
    assert (adopted.migration, adopted.after_migration, adopted.attempts, adopted.destination) == (7, 6, 1, "c2")


@pytest.mark.parametrize(
    ("record", "consumers", "named"),
    [
        (migration(status="completed"), frozenset(), ("c2",)),
        (migration(status="completed", destination=None), frozenset(), (UNNAMED,)),
        (migration(status="completed"), frozenset({"i1"}), ()),
        (migration(status="completed"), None, ()),
        (migration(status="done"), frozenset(), ()),
        (migration(status="completed", source="c9"), frozenset(), ()),
        (migration(**LIVE, status="completed"), frozenset(), ()),
        (migration(status="completed", destination="off"), frozenset(), ()),
    ],
)
def test_a_returned_host_cleans_up_too_early(
    record: Migration, consumers: frozenset[str] | None, named: tuple[str, ...]
) -> None:
    """An instance that Nova lists here and that holds nothing here was given up by this host while it was being evacuated."""
    around = replace(AROUND, proven_off=frozenset({"off"}))
    assert plan_move(draft(around=around), instance(), (record,), consumers).suspects == named


def test_the_scheduler_chooses() -> None:
    """The method auto names no destination."""
    assert choose(draft(moving(move())), move()) is None


def test_a_pin_overrules_every_method() -> None:
    """Where a guest may be already is the only place to go, by whatever method."""
    for method in RecoveryMethod:
        assert choose(draft(moving(method=method)), move(pinned="c2")) == "c2"


@pytest.mark.parametrize(
    ("method", "attempts", "target"),
    [
        (RecoveryMethod.AUTO, 0, None),
        (RecoveryMethod.RESERVED_HOST, 0, "c4"),
        (RecoveryMethod.AUTO_PRIORITY, 0, None),
        (RecoveryMethod.AUTO_PRIORITY, 1, "c4"),
        (RecoveryMethod.RH_PRIORITY, 0, "c4"),
    ],
)
def test_which_method_names_a_reserved_host(method: RecoveryMethod, attempts: int, target: str | None) -> None:
    """Reserved hosts are for the methods that want them, and for auto_priority from the second attempt on."""
    state = moving(method=method, reserved=(Reserved("c4", READY),))
    assert choose(draft(state), move(attempts=attempts)) == target


def test_the_free_reserved_hosts_are_weighed() -> None:
    """Where none is ready Placement is asked for all that are free, once; moves wait for it."""
    before = draft(moving(method=RecoveryMethod.RESERVED_HOST), around=replace(AROUND, reserved_hosts=("c4", "c5")))
    for _ in range(2):
        with pytest.raises(NoTarget) as nothing:
            choose(before, move())
        assert nothing.value.code is None
    assert before.effects == [ReadRoom(host="c1", enabled=(), reserves=("c4", "c5"))]


def test_the_fullest_that_has_room_is_named() -> None:
    """By what it had free and what was sent there since; one that is full by that count is named only where no other place is left."""
    four, two = (("VCPU", 4),), (("VCPU", 2),)
    reserved = (Reserved("c4", READY, room=four), Reserved("c5", READY, room=two))
    sent = move("i2", MoveStatus.ACCEPTED, target="c5", needs=(("VCPU", 1),))
    state = moving(move(), sent, method=RecoveryMethod.RESERVED_HOST, reserved=reserved)
    assert choose(draft(state), move(needs=(("VCPU", 1),))) == "c5"
    assert choose(draft(state), move(needs=two)) == "c4"
    assert choose(draft(state), move(needs=(("VCPU", 5),))) == "c4"
    assert choose(draft(state), move(needs=(("CUSTOM_GOLD", 1),))) == "c5"


def test_the_failed_host_is_not_its_own_reserve() -> None:
    """A reserved host that failed is never chosen for itself, nor one that could not be enabled a second time."""
    around = replace(AROUND, reserved_hosts=("c1", "c4"))
    state = moving(method=RecoveryMethod.RESERVED_HOST, reserved=(Reserved("c4", FAILED),))
    with pytest.raises(NoTarget) as nothing:
        choose(draft(state, around=around), move())
    assert nothing.value.code is Code.NO_RESERVED


def test_a_full_reserved_host_is_left_for_the_next() -> None:
    """A reserved host that had no room is left for another one; with the last one reserved_host has none, and the others let Nova choose, once."""
    around = replace(AROUND, reserved_hosts=("c5",))
    full = moving(method=RecoveryMethod.RESERVED_HOST, reserved=(Reserved("c4", READY),))
    claiming = draft(full, around=around)
    with pytest.raises(NoTarget):
        choose(claiming, move(tried=("c4",)))
    assert claiming.effects == [ReadRoom(host="c1", enabled=("c4",), reserves=("c5",))]
    with pytest.raises(NoTarget):
        choose(draft(full), move(tried=("c4",)))
    assert not has_another_place(draft(full), move(tried=("c4",)))
    assert choose(draft(replace(full, method=RecoveryMethod.RH_PRIORITY)), move(tried=("c4",))) is None
    with pytest.raises(NoTarget) as nothing:
        choose(draft(replace(full, method=RecoveryMethod.AUTO_PRIORITY)), move(tried=("", "c4")))
    assert nothing.value.code is Code.NO_CAPACITY


@pytest.mark.parametrize(
    ("method", "tried", "is_left"),
    [
        (RecoveryMethod.AUTO, (), True),
        (RecoveryMethod.AUTO, (ANYWHERE,), False),
        (RecoveryMethod.RESERVED_HOST, (), True),
        (RecoveryMethod.RESERVED_HOST, (ANYWHERE,), True),
        (RecoveryMethod.RESERVED_HOST, ("c4",), True),
        (RecoveryMethod.RESERVED_HOST, ("c4", "c5"), False),
        (RecoveryMethod.AUTO_PRIORITY, (ANYWHERE, "c4"), True),
        (RecoveryMethod.AUTO_PRIORITY, (ANYWHERE, "c4", "c5"), False),
        (RecoveryMethod.RH_PRIORITY, ("c4", "c5"), True),
        (RecoveryMethod.RH_PRIORITY, ("c4", "c5", ANYWHERE), False),
    ],
)
def test_what_places_are_left(method: RecoveryMethod, tried: tuple[str, ...], is_left: bool) -> None:
    """By the method: where Nova chooses, and each reserved host that is ready or being enabled; one that failed is none."""
    reserved = (Reserved("c4", READY), Reserved("c5", ENABLING), Reserved("c6", FAILED))
    assert has_another_place(draft(moving(method=method, reserved=reserved)), move(tried=tried)) is is_left


def test_a_free_reserved_host_is_a_place_too() -> None:
    """One that nobody claimed yet; but an instance that may go to one host only has no other."""
    around = replace(AROUND, reserved_hosts=("c1", "c5"))
    drafted = draft(moving(method=RecoveryMethod.RESERVED_HOST), around=around)
    assert has_another_place(drafted, move())
    assert not has_another_place(drafted, move(pinned="c3"))


@pytest.mark.parametrize(
    ("policy", "metadata", "status", "is_tagged"),
    [
        (POLICY, (), MoveStatus.PENDING, False),
        (POLICY, (("HA_Enabled", "yes"),), MoveStatus.PENDING, True),
        (TAGGED_ONLY, (("HA_Enabled", "yes"),), MoveStatus.PENDING, True),
        (TAGGED_ONLY, (("HA_Enabled", "0"),), MoveStatus.SKIPPED, False),
        (replace(TAGGED_ONLY, ha_enabled_instance_metadata_key="ha"), (("ha", "1"),), MoveStatus.PENDING, True),
    ],
)
def test_whom_the_operator_wants_evacuated(
    policy: Policy, metadata: tuple[tuple[str, str], ...], status: MoveStatus, is_tagged: bool
) -> None:
    """All instances, or only those that their owners marked; the others are left alone with the reason."""
    found = plan_move(draft(moving(), policy=policy), instance(metadata=metadata), ())
    assert (found.status, found.is_tagged) == (status, is_tagged)
    assert status is MoveStatus.PENDING or (found.reason is not None and found.reason.code is Code.NOT_TAGGED)


def test_a_move_that_an_older_version_planned_is_not_given_up() -> None:
    """It did not look at the metadata, and would have evacuated the instance."""
    freed = rule(draft(moving(), policy=TAGGED_ONLY), move(status=MoveStatus.HELD), ())
    assert freed.status is MoveStatus.PENDING
