"""Makes the machine match the plan: the one function that a hook calls.

Rules:
1. Each step does nothing where nothing changed, so a second call runs no command but readings.
2. Nothing that runs is touched before the new configuration was read by the release that will use it, and before the database has
   what that release needs. A step that fails leaves the service as it was, and says what to do; the next call goes on.
3. The order: packages, user, release made, configuration checked, schema, switch, files, services.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from masakari_charm.plan import Problem, Report
from masakari_charm.workload import accounts, candidate, files, packages, release, schema, services, stamps, trust
from masakari_charm.workload.machine import MAKE_ROOM, Trouble

if TYPE_CHECKING:
    from masakari_charm.plan import Plan
    from masakari_charm.workload.machine import Machine

MANIFEST = "files"
"""The stamp that lists what was written, for removal: no plan is known then."""

NEEDED = ("python3-venv", "ca-certificates", "logrotate")
"""Packages that the workload itself works with, whatever the plan says."""


def converge(plan: Plan, machine: Machine) -> Report:
    """Do what is missing, and report what came of it. Whatever a human can mend is a problem in the report, and no exception."""
    problems: tuple[Problem, ...] = ()
    ready: str | None = None
    waits = False
    try:
        # A pause must not wait for a mirror, a disk or a database.
        if plan.is_paused:
            problems = services.pause(machine, plan.services)
        ready = _prepare(plan, machine)
        waits = plan.is_complete and ready is None
        if ready is not None:
            problems = _apply(plan, machine, ready)
    except Trouble as trouble:
        problems = (*problems, trouble.problem)
    except OSError as error:
        problems = (*problems, _disk_problem(error))
    return _report(plan, machine, problems, schema_of=ready, waits_for_schema=waits)


def _prepare(plan: Plan, machine: Machine) -> str | None:
    """Do all that can be done beside what runs; return the release that may run now, None where something is still waited for."""
    packages.install(machine, plan.archive, (*NEEDED, *plan.packages))
    accounts.prepare(machine)
    name = _choose_release(plan, machine)
    if not plan.is_complete:
        if release.current(machine) is None:
            release.switch(machine, name)  # nothing runs yet, and the operator has his programs
        return None
    if _is_checked(plan, machine, name):
        return name
    with candidate.written(machine, plan):
        candidate.check(machine, plan, name)
        return name if schema.is_there(machine, plan, name) else None


def _is_checked(plan: Plan, machine: Machine, name: str) -> bool:
    mark = candidate.identity(plan, name)
    return stamps.read(machine, candidate.STAMP) == mark == stamps.read(machine, schema.STAMP)


def _choose_release(plan: Plan, machine: Machine) -> str:
    """Make the release that the wheels hold, unless it has to wait or is not known; return the one that shall run."""
    running = release.current(machine)
    if plan.wheels is None:
        if running is None:
            raise Trouble("the resource wheels cannot be fetched from the controller", "the next hook tries again")
        return running
    offer = release.offered(machine, plan.wheels)
    if running not in (None, offer.name) and not plan.may_switch:
        return running
    release.make(machine, offer)
    return offer.name


def _apply(plan: Plan, machine: Machine, name: str) -> tuple[Problem, ...]:
    """Replace what runs: release, files, services."""
    trust.converge(machine, plan.trusted)
    release.switch(machine, name)
    _remember_files(plan, machine)
    for path in plan.removed:
        files.remove(machine, path)
    for file in plan.files:
        files.write(machine, file)
    return services.converge(machine, plan, name)


def _remember_files(plan: Plan, machine: Machine) -> None:
    """Note what is about to be written, so that removal finds it, also after a hook that died here."""
    known = set((stamps.read(machine, MANIFEST) or "").split("\n")) - {""}
    paths = known | {file.path for file in plan.files}
    if paths != known:
        stamps.write(machine, MANIFEST, "\n".join(sorted(paths)))


def _disk_problem(error: OSError) -> Problem:
    place = error.filename or "the disk"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Problem(what=f"no space left for {place}", fix=MAKE_ROOM)
    return Problem(what=f"cannot write {place}: {error.strerror or error}", fix="correct that; the next hook goes on")


def _report(
    plan: Plan, machine: Machine, problems: tuple[Problem, ...], *, schema_of: str | None, waits_for_schema: bool
) -> Report:
    running, waiting = release.current(machine), None
    if not plan.may_switch and running is not None and plan.wheels is not None:
        try:
            waiting = release.offered(machine, plan.wheels).name
        except Trouble:  # it stands among the problems already
            waiting = None
    return Report(
        problems=problems,
        release=running,
        waiting_release=None if waiting == running else waiting,
        waits_for_schema=waits_for_schema,
        stopped=services.stopped(machine, plan),
        running=services.running(machine, plan),
        schema=schema_of,
    )
