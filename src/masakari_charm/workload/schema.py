"""The schema: the leader brings it up before its release is switched to; the others look whether it is there.

Steps only add, and the service itself holds a lock in the database while it takes them. So a leader that dies in the middle, or two
units that both believe to be the leader, do no harm: whoever comes next goes on.

Who looked too early is called again by Juju: the leader writes into the peers' bag for which release and database the schema is
there (`publish.tell_schema`). That is a call and no permission: each unit asks the database itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from masakari_charm.plan import CONFIG_FILE, SYSTEM_USER
from masakari_charm.workload import candidate, release, stamps
from masakari_charm.workload.machine import Trouble, last_words

if TYPE_CHECKING:
    from masakari_charm.plan import Plan
    from masakari_charm.workload.machine import Answer, Machine

STAMP = "schema"
CHECK_SECONDS = 60.0
SYNC_SECONDS = 900.0
"""How long the steps may take, the wait for another process's lock (120 s) included."""

BEHIND = 3
"""What `masakari-manage db check` exits with where the schema is older than the release needs."""

FIX = "see that the database is reachable and takes this user (relation shared-db); the next hook tries again"


def is_there(machine: Machine, plan: Plan, name: str) -> bool:
    """Tell whether release `name` can run on the database, after bringing it up where the plan says so. Raises `Trouble`.

    It is asked once for each release and configuration, while the candidate is written.
    """
    if CONFIG_FILE not in {file.path for file in plan.files}:
        return True
    mark = candidate.identity(plan, name)
    if stamps.read(machine, STAMP) == mark:
        return True
    answer = _manage(machine, name, "check", seconds=CHECK_SECONDS)
    if answer.code == BEHIND and plan.may_migrate:
        answer = _manage(machine, name, "sync", seconds=SYNC_SECONDS)
    if answer.code == BEHIND:
        return False
    if answer.code != 0:
        said = last_words(answer).removeprefix("masakari-manage: ") or "it did not answer in time"
        raise Trouble(f"cannot use the database: {said}", FIX)
    stamps.write(machine, STAMP, mark)
    return True


def _manage(machine: Machine, name: str, verb: str, *, seconds: float) -> Answer:
    program = release.program(machine, "masakari-manage", name)
    file = candidate.scratch(machine, CONFIG_FILE)
    return machine.ask(program, "--config-file", file, "db", verb, user=SYSTEM_USER, timeout_seconds=seconds)
