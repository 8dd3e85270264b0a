"""The promises of the smaller incidents broken on purpose, as `table.py` does it for hosts."""

from __future__ import annotations

from unit_tests.mutations.table import DIFFERS, STOPPED, VIOLATION, Mutation, edit

NO_OWN = edit("core/invariants.py", "*_only_our_own(after, decision, now, policy, around), ", "")
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
    "    if draft.around.host_recovery is not None:\n",
    "    if draft.around.host_recovery == '':\n",
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
                "    elif not (_is_opposed(state) and _may_still_be_taken(draft)):\n",
                "    else:\n",
            ),
        ),
        scenarios=("process-order-late",),
        shows=DIFFERS,
    ),
)
