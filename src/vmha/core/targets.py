"""What to do with each instance of the host, and where to send it.

The table below is read by vm_state; a user's lock is neither taken nor removed. An instance goes to B only when every other host that
may hold a guest of it is proven off (P2): `suspects()` names those that are not. Where only B itself may, it goes there or nowhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.core.copying import replace
from vmha.core.effects import ReadRoom
from vmha.core.explain import Code, because
from vmha.core.metadata import is_tagged
from vmha.core.model import Move, MoveStatus, RecoveryMethod, ReservedStatus
from vmha.core.policy import LocalDisk
from vmha.core.priority import priority_of
from vmha.core.workflows import Failure, Workflow, workflow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmha.core.draft import Draft
    from vmha.core.model import Instance, Migration, Reserved
    from vmha.core.policy import Policy

EVACUABLE = ("active", "stopped", "error")
"""States that Nova evacuates; in any other it answers 409."""

WITHOUT_GUEST = ("shelved_offloaded", "deleted", "soft-delete")
"""States in which nothing of the instance runs, or should run, on the host."""

SUCCEEDED = ("done", "completed", "confirmed")
FAILED = ("failed", "error", "cancelled")
TERMINAL = (*SUCCEEDED, *FAILED, "reverted")

CLEANED_UP = "completed"
"""What a returning nova-compute writes on every evacuation from its host, also on one that is not over: no proof that it landed."""

UNNAMED = "a host that Nova has not named"

ANYWHERE = ""
"""Among the places that a move has tried: where Nova's scheduler chooses."""


def suspects(
    instance: str,
    host: str,
    migrations: Iterable[Migration],
    proven_off: frozenset[str],
    *,
    except_for: str | None = None,
) -> tuple[str, ...]:
    """Name the hosts that may hold a guest of the instance and are not proven off.

    Both ends of each record that is not terminal, or that failed after a destination was chosen (Nova spawns first and writes the
    host afterwards). Records older than the last success say nothing: that success put the guest where Nova lists it.
    """
    ends = {end for record in _doubtful(instance, migrations) for end in (record.source, record.destination) if end}
    return tuple(sorted(ends - {host, except_for} - proven_off))


def _doubtful(instance: str, migrations: Iterable[Migration]) -> list[Migration]:
    """Return the records of the instance since its last success that leave open where its guest is."""
    mine = [record for record in migrations if record.instance == instance]
    settled = max((record.id for record in mine if record.status in SUCCEEDED), default=0)
    return [r for r in mine if r.id > settled and (r.status not in TERMINAL or has_reached(r))]


def has_reached(record: Migration) -> bool:
    """Tell whether a failed migration may have left a guest on its destination.

    An evacuation ends as `error` when the scheduler found no host, also where we named one, and as `failed` when a host was at it. A live
    migration ends as `cancelled` when the source's hypervisor gave it up before the guest changed over; as `failed` or `error` also when
    nobody knows.
    """
    never_left = {"evacuation": "error", "live-migration": "cancelled"}.get(record.kind) == record.status
    return record.status in FAILED and record.destination is not None and not never_left


def holds_room(record: Migration, host: str) -> bool:
    """Tell whether the record explains what its instance holds of the host in Placement while Nova lists it elsewhere.

    It is not over, or an evacuation from the host, which keeps the room until the host is back.
    """
    return record.status not in TERMINAL or (record.kind == "evacuation" and record.source == host)


def plan_move(
    draft: Draft, instance: Instance, migrations: tuple[Migration, ...], consumers: frozenset[str] | None = None
) -> Move:
    """Rule on one instance of the host. `consumers` hold resources of it, None where that is not known."""
    mine = [record for record in migrations if record.instance == instance.uuid]
    newest = max(mine, key=lambda record: record.id, default=None)
    priority = priority_of(instance, draft.policy)
    move = Move(
        instance=instance.uuid,
        name=instance.name,
        vm_state=instance.vm_state,
        task_state=instance.task_state,
        status=MoveStatus.PENDING,
        after_migration=newest.id if newest else 0,
        local_disk=instance.image_backed or instance.local_extra,
        is_tagged=is_tagged(instance, draft.policy.ha_enabled_instance_metadata_key),
        priority=priority.number,
        priority_from=priority.origin.value,
    )
    if newest and newest.kind == "evacuation" and newest.source == draft.state.host and newest.status not in TERMINAL:
        # What older records leave open stays open: where this one fails, a guest may be there still.
        older = (record for record in mine if record is not newest)
        doubts = suspects(instance.uuid, draft.state.host, older, draft.around.proven_off)
        return replace(_adopt(draft, move, newest), suspects=doubts)
    doubts = suspects(instance.uuid, draft.state.host, migrations, draft.around.proven_off)
    if len(doubts) == 1 and all(record.status in TERMINAL for record in _doubtful(instance.uuid, mine)):
        # Nothing is under way any more, and one host alone may have kept a guest: there it cannot become a second one.
        return rule(draft, replace(move, pinned=doubts[0]), ())
    if newest and not doubts and consumers is not None and instance.uuid not in consumers:
        doubts = _cleaned_up(draft, newest)
    return rule(draft, move, doubts)


def _cleaned_up(draft: Draft, newest: Migration) -> tuple[str, ...]:
    """Name the destination of an evacuation that was not over when the host came back for a while.

    Nova lists the instance here, but it holds nothing here: the returning nova-compute gave it up.
    """
    is_evacuation = newest.kind == "evacuation" and newest.source == draft.state.host
    destination = newest.destination or UNNAMED
    return (
        (destination,)
        if is_evacuation and newest.status == CLEANED_UP and destination not in draft.around.proven_off
        else ()
    )


def _adopt(draft: Draft, move: Move, record: Migration) -> Move:
    """Follow an evacuation that is under way already, ours of an earlier recovery or somebody's by hand, instead of ordering another."""
    draft.say(Code.EVACUATION_FOUND, name=move.name, instance=move.instance, migration=record.id)
    return replace(
        move,
        status=MoveStatus.ACCEPTED,
        after_migration=record.id - 1,
        migration=record.id,
        destination=record.destination,
        attempts=1,
        ordered_at=draft.now,
        started_at=draft.now,
    )


def rule(draft: Draft, move: Move, doubts: tuple[str, ...]) -> Move:
    """Decide by the table whether the instance is moved, held, left alone, or given to a human."""
    policy, host = draft.policy, draft.state.host
    named = {"name": move.name, "instance": move.instance}
    if move.vm_state in WITHOUT_GUEST or move.task_state == "deleting":
        return _put(move, MoveStatus.SKIPPED, Code.NO_GUEST, **named, state=move.task_state or move.vm_state, host=host)
    is_left = workflow(Failure.HOST, draft.around, policy) is Workflow.POWER_OFF
    if is_left and not doubts and move.pinned is None:
        return _put(move, MoveStatus.SKIPPED, Code.NOT_EVACUATED, **named, segment=draft.around.segment_name)
    if not policy.evacuate_all_instances and move.is_tagged is False:
        key = policy.ha_enabled_instance_metadata_key
        return _put(move, MoveStatus.SKIPPED, Code.NOT_TAGGED, **named, key=key)
    if move.vm_state == "error" and policy.ignore_instances_in_error_state:
        return _put(move, MoveStatus.SKIPPED, Code.IGNORED_ERROR_STATE, **named)
    if move.vm_state not in EVACUABLE:
        return _put(move, MoveStatus.FAILED, Code.ASK, **named, state=move.vm_state)
    if doubts:
        stalled = _put(move, MoveStatus.STALLED, Code.STALLED, **named, suspects=", ".join(doubts))
        return replace(stalled, suspects=doubts)
    if must_wait_for_disk(move, policy):
        return _put(move, MoveStatus.HELD, Code.LOCAL_DISK, **named, host=host)
    return replace(move, status=MoveStatus.PENDING, reason=None, suspects=())


def must_wait_for_disk(move: Move, policy: Policy) -> bool:
    """Tell whether moving would lose a disk that may exist on the dead host only (P8)."""
    return move.local_disk and not policy.shared_storage and policy.local_disk is LocalDisk.WAIT


def _put(move: Move, status: MoveStatus, code: Code, **facts: object) -> Move:
    return replace(move, status=status, reason=because(code, **facts))


class NoTarget(Exception):
    """No destination can be named for the move: `code` says why there is none, None that one is being made ready."""

    def __init__(self, code: Code | None) -> None:
        super().__init__()
        self.code = code


def choose(draft: Draft, move: Move) -> str | None:
    """Return the destination to name, None to leave it to Nova's scheduler.

    Raises `NoTarget`: with a code when there is none, without one when a reserved host is being enabled. What the scheduler found no
    host for in this round is not left to it again: it waits for room, as after any round.
    """
    if move.pinned is not None:
        return move.pinned
    method = draft.state.method
    if method is RecoveryMethod.AUTO:
        return None
    if not wants_reserved(method, move):
        return None
    try:
        return _reserved(draft, move)
    except NoTarget as nothing:
        if nothing.code is None or method is RecoveryMethod.RESERVED_HOST:
            raise
        if ANYWHERE in move.tried:
            raise NoTarget(Code.NO_CAPACITY) from nothing
        return None


def wants_reserved(method: RecoveryMethod, move: Move) -> bool:
    """Tell whether the next place of the move is a reserved host, where there is one."""
    if method is RecoveryMethod.AUTO_PRIORITY:
        # What an older version tried is not among those: there the count of attempts says that Nova chose once.
        return ANYWHERE in move.tried or bool(move.failed_attempts)
    return method is not RecoveryMethod.AUTO


def has_another_place(draft: Draft, move: Move) -> bool:
    """Tell whether the method knows a place that the move has not tried in this round."""
    method, spares = draft.state.method, draft.state.reserved
    by_nova = method is not RecoveryMethod.RESERVED_HOST and ANYWHERE not in move.tried
    able = [entry.host for entry in spares if entry.status is not ReservedStatus.FAILED] + free_spares(draft)
    by_spare = method is not RecoveryMethod.AUTO and any(host not in move.tried for host in able)
    return move.pinned is None and (by_nova or by_spare)


def free_spares(draft: Draft) -> list[str]:
    """Name the reserved hosts that this recovery may yet claim."""
    mine = {*(entry.host for entry in draft.state.reserved), *draft.state.given_back}
    return [host for host in draft.around.reserved_hosts if host not in mine | {draft.state.host}]


def _reserved(draft: Draft, move: Move) -> str:
    """Return a reserved host that is ready, has room and was not tried; have the free ones weighed where there is none."""
    mine = draft.state.reserved
    ready = [entry for entry in mine if entry.status is ReservedStatus.READY and entry.host not in move.tried]
    fitting = [entry for entry in ready if _fits(draft, move, entry)]
    if fitting:
        # The fullest first: one that stays empty can be given back.
        return min(fitting, key=lambda entry: _left(draft, entry)).host
    if any(entry.status is ReservedStatus.ENABLING for entry in mine):
        raise NoTarget(None)
    free = [host for host in free_spares(draft) if host not in move.tried]
    if not free and ready:
        return ready[0].host  # by our count it is full; Nova knows better
    if not free:
        raise NoTarget(Code.NO_RESERVED)
    if draft.waits_for(ReadRoom.key):
        raise NoTarget(None)
    enabled = tuple(entry.host for entry in mine if entry.status is ReservedStatus.READY)
    # Of all that are free, not only of those that this one has not tried: what is not asked about counts as unable to take anything.
    draft.ask(ReadRoom(host=draft.state.host, enabled=enabled, reserves=tuple(free_spares(draft))))
    raise NoTarget(None)


def load_of(draft: Draft, host: str) -> dict[str, dict[str, int]]:
    """Return what the moves need that went to a reserved host, sent there or by Nova's choice, and did not fail there."""
    gone = (MoveStatus.PENDING, MoveStatus.FAILED, MoveStatus.GONE)
    sent = (m for m in draft.state.moves if host in (m.target, m.destination) and m.status not in gone)
    return {move.instance: dict(move.needs) for move in sent}


def _left(draft: Draft, entry: Reserved) -> int:
    """Return the sum of what is left of a reserved host: amounts of different things, good enough to compare two hosts by."""
    used = sum(sum(each.values()) for each in load_of(draft, entry.host).values())
    return sum(amount for _, amount in entry.room) - used


def _fits(draft: Draft, move: Move, entry: Reserved) -> bool:
    """Tell whether the reserved host has room for the move beside what was sent there; yes where nobody asked."""
    used = load_of(draft, entry.host).values()
    return all(
        name not in dict(entry.room) or amount + sum(each.get(name, 0) for each in used) <= dict(entry.room)[name]
        for name, amount in move.needs
    )
