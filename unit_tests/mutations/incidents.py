"""The promises of the smaller incidents broken on purpose, as `table.py` does it for hosts."""

from __future__ import annotations

from unit_tests.mutations.table import DIFFERS, STOPPED, VIOLATION, Mutation, edit

NO_OWN = edit("core/invariants.py", "        *_only_our_own(after, decision, now, policy, around),\n", "")
ENABLES_ANYTHING = (
    edit(
        "core/process_recovery.py",
        "    elif state.is_running and not _is_ours(draft, state.service):\n",
        "    elif False:\n",
    ),
)
ENABLES_BLINDLY = (
    *ENABLES_ANYTHING,
    NO_OWN,
    edit(
        "sim/ports.py",
        "            if reason is not None and (prior.forced_down or",
        "            if reason == '' and (prior.forced_down or",
    ),
)
NOT_ABSORBED = edit(
    "core/process_recovery.py",
    "    if recovery is None:\n        return False\n",
    "    if recovery != '':\n        return False\n",
)

NO_SUSPICION = edit(
    "core/guests.py",
    "    if not doubts:\n        return False\n",
    "    if not doubts or seen.host:\n        return False\n",
)
NOT_ALONE = edit("core/invariants.py", "        *_guest_here_alone(after, decision, around),\n", "")
NOT_AS_SEEN = edit("core/invariants.py", "        *_guest_as_seen(before, decision, now),\n", "")
BESIDE_HOST = edit(
    "core/instance_recovery.py",
    "    if recovery is None:\n        return False\n",
    "    if recovery != '':\n        return False\n",
)
TOO_SOON = edit("core/guests.py", "    _is_limited,\n    _is_unsettled,\n", "    _is_limited,\n")
ENDLESS = edit("core/guests.py", "    _is_limited,\n    _is_unsettled,\n", "    _is_unsettled,\n")
UNBOUNDED = edit("core/invariants.py", "        *_bounded_restarts(after, decision, policy, around),\n", "")

ARMED = edit("core/guests.py", "    _is_unsettled,\n    _is_disarmed,\n", "    _is_unsettled,\n")
ARMED_PROCESS = edit(
    "core/process_recovery.py", " and not _halt(draft) and not _is_left(draft):", " and not _is_left(draft):"
)

INCIDENTS = (
    Mutation(
        name="enables-what-others-disabled",
        promise="P6",
        why="a service that an operator disabled is enabled when its process is back",
        edits=ENABLES_ANYTHING,
        scenarios=("process-disabled-by-operator",),
        shows=STOPPED,
    ),
    Mutation(
        name="enables-what-others-disabled-unchecked",
        promise="P6",
        why="a service that an operator disabled is enabled when its process is back",
        edits=ENABLES_BLINDLY,
        scenarios=("process-disabled-by-operator",),
        shows=VIOLATION,
    ),
    Mutation(
        name="process-acts-beside-its-host",
        promise="P7",
        why="a service is disabled or enabled in the middle of its host's recovery",
        edits=(NOT_ABSORBED,),
        scenarios=("process-host-recovers-already",),
        shows=STOPPED,
    ),
    Mutation(
        name="process-acts-beside-its-host-at-the-door",
        promise="P7",
        why="a service is disabled or enabled in the middle of its host's recovery; the database's door is what still holds",
        edits=(NOT_ABSORBED, NO_OWN),
        scenarios=("process-host-recovers-already",),
        shows=DIFFERS,
    ),
    Mutation(
        name="opposite-order-does-not-wait",
        promise="P5",
        why="a service is enabled while an order to disable it may yet be taken",
        edits=(
            edit(
                "core/process_recovery.py",
                "    elif not (_is_opposed(state) and _may_still_be_taken(draft)) and not _halt(draft) and not _is_left(draft):\n",
                "    elif not _halt(draft) and not _is_left(draft):\n",
            ),
        ),
        scenarios=("process-order-late",),
        shows=DIFFERS,
    ),
    Mutation(
        name="restarts-what-moved",
        promise="P2",
        why="an instance is stopped in the middle of a migration",
        edits=(edit("core/guests.py", "    _is_moving,\n    _is_busy,\n    _runs,\n", "    _runs,\n"),),
        scenarios=("instance-moved",),
        shows=STOPPED,
    ),
    Mutation(
        name="restarts-what-may-be-elsewhere",
        promise="P2",
        why="an instance is restarted although its last move may have left a guest on another host",
        edits=(NO_SUSPICION,),
        scenarios=("instance-failed-migration",),
        shows=STOPPED,
    ),
    Mutation(
        name="restarts-what-may-be-elsewhere-unchecked",
        promise="P2",
        why="an instance is restarted although its last move may have left a guest on another host",
        edits=(NO_SUSPICION, NOT_ALONE),
        scenarios=("instance-failed-migration",),
        shows=DIFFERS,
    ),
    Mutation(
        name="restarts-beside-its-host",
        promise="P2",
        why="a guest is started while its host is being recovered",
        edits=(BESIDE_HOST,),
        scenarios=("instance-host-dies", "instance-host-rejected"),
        shows=STOPPED,
    ),
    Mutation(
        name="restarts-beside-its-host-at-the-door",
        promise="P2",
        why="a guest is started while its host is being recovered; the database's door is what still holds",
        edits=(BESIDE_HOST, NOT_ALONE),
        scenarios=("instance-host-rejected",),
        shows=DIFFERS,
    ),
    Mutation(
        name="restarts-on-a-host-that-is-down",
        promise="P1",
        why="a guest is ordered on a host that is not up, where the order lies in a queue",
        edits=(edit("core/guests.py", "    _host_is_down,\n", ""),),
        scenarios=("instance-host-down",),
        shows=STOPPED,
    ),
    Mutation(
        name="starts-too-soon",
        promise="P1",
        why="a guest is started while a stop without an answer may yet be taken",
        edits=(TOO_SOON,),
        scenarios=("instance-stop-late",),
        shows=STOPPED,
    ),
    Mutation(
        name="starts-too-soon-unchecked",
        promise="P1",
        why="a guest is started while a stop without an answer may yet be taken, and is stopped by it in the end",
        edits=(TOO_SOON, NOT_AS_SEEN),
        scenarios=("instance-stop-late",),
        shows=DIFFERS,
    ),
    Mutation(
        name="orders-blindly-again",
        promise="P5",
        why="an order for a guest that got no answer is given again at once",
        edits=(
            edit(
                "core/instance_recovery.py",
                "    if until is None or draft.now < until or seen",
                "    if until is None or seen",
            ),
        ),
        scenarios=("instance-order-lost",),
        shows=DIFFERS,
    ),
    Mutation(
        name="restarts-without-end",
        promise="P6",
        why="an instance that fails again and again is restarted each time",
        edits=(ENDLESS,),
        scenarios=("instance-fails-again",),
        shows=STOPPED,
    ),
    Mutation(
        name="restarts-without-end-unchecked",
        promise="P6",
        why="an instance that fails again and again is restarted each time",
        edits=(ENDLESS, UNBOUNDED),
        scenarios=("instance-fails-again",),
        shows=VIOLATION,
    ),
    Mutation(
        name="absorbed-for-good",
        promise="P4",
        why="an instance that was stopped before its host was evacuated stays stopped",
        edits=(
            edit(
                "core/guests.py",
                '    if seen.vm_state != "active" or not (state.starts or state.awaited):\n',
                "    if not (state.starts or state.awaited):\n",
            ),
            edit(
                "core/guests.py",
                "    if state.starts:\n        runs_again",
                "    if state.starts and not state.awaited:\n        runs_again",
            ),
        ),
        scenarios=("instance-on-failing-host",),
        shows=DIFFERS,
    ),
    Mutation(
        name="stopped-and-left",
        promise="P4",
        why="an instance that we stopped, and that is migrated meanwhile, is left stopped",
        edits=(
            edit(
                "core/guests.py",
                "    if under_way and state.has_stopped:\n",
                "    if under_way and state.has_stopped and not seen.host:\n",
            ),
        ),
        scenarios=("instance-migrated-while-stopped",),
        shows=VIOLATION,
    ),
    Mutation(
        name="instance-not-disarmed",
        promise="P6",
        why="a guest is started while all is disarmed",
        edits=(ARMED,),
        scenarios=("instance-disarmed",),
        shows=STOPPED,
    ),
    Mutation(
        name="process-not-disarmed",
        promise="P6",
        why="a service is disabled while its host is disarmed",
        edits=(ARMED_PROCESS,),
        scenarios=("process-disarmed",),
        shows=STOPPED,
    ),
    Mutation(
        name="door-open-to-a-disarmed-process",
        promise="P6",
        why="the order for a service leaves although its host was disarmed since it was given",
        edits=(
            edit(
                "sim/store_nearby.py",
                "    return disarmed(store, state, *hosts) is not None\n",
                "    return isinstance(state, Recovery) and disarmed(store, state) is not None\n",
            ),
        ),
        scenarios=("process-disarmed",),
        shows=DIFFERS,
    ),
)
