"""Services by systemd: started when they should run, restarted when what they read at their start has changed, else left alone.

Rules:
1. What a service was last started with is a stamp. Nothing else says whether it must be restarted, so no hook restarts for nothing,
   and one that died before the restart is made up for.
2. A paused unit's services are stopped and masked. Only a plan that is not paused takes that back.
3. What Pacemaker runs is never started or stopped here: it is disabled in systemd, and reloaded.
4. A service that a plan names no more is stopped, where this charm had started it.
5. Unit files belong into /usr/local/lib/systemd/system: systemd masks nothing that lies in /etc/systemd/system.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from masakari_charm.plan import File, Problem, Service
from masakari_charm.workload import files, stamps
from masakari_charm.workload.machine import CommandFailed, explained

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from masakari_charm.plan import Plan
    from masakari_charm.workload.machine import Machine

SYSTEMCTL = "/usr/bin/systemctl"
UNIT_FOLDERS = ("/usr/local/lib/systemd/system/", "/etc/systemd/system/")
PREFIX = "service-"
FOREIGN = "foreign"
OURS = "ours"
PAUSED = f"{stamps.FOLDER}/paused"


def is_paused(machine: Machine) -> bool:
    """Tell whether the operator paused this unit: a file says so, and outlives every hook."""
    return files.read(machine, PAUSED) is not None


def remember_pause(machine: Machine, *, paused: bool) -> None:
    """Note that the unit is paused, or that it is not any more. The next convergence does it."""
    if not paused:
        files.remove(machine, PAUSED)
        return
    files.make_folder(machine, stamps.FOLDER, mode=0o700)
    files.write(machine, File(path=PAUSED, content="", mode=0o600))


def converge(machine: Machine, plan: Plan, release: str) -> tuple[Problem, ...]:
    """Start, restart and reload what has to be; return what did not work, service by service."""
    _reload_systemd(machine, plan)
    _stop_unplanned(machine, plan.services)
    if plan.is_paused:
        return pause(machine, plan.services)
    problems = []
    for service in plan.services:
        try:
            (_run if service.is_ours else _leave_to_pacemaker)(machine, plan, service, release)
        except CommandFailed as error:
            fix = f"see journalctl -u {service.name}; the next hook tries again"
            problems.append(Problem(what=f"{service.name} does not start: {error}", fix=fix))
    return tuple(problems)


def pause(machine: Machine, services: Iterable[Service]) -> tuple[Problem, ...]:
    """Stop and mask what is ours; return what still runs."""
    problems = []
    for service in services:
        if not service.is_ours:
            continue
        try:
            if _enablement(machine, service.name) != "masked":
                machine.run(SYSTEMCTL, "mask", service.name)
            if _is_active(machine, service.name):
                machine.run(SYSTEMCTL, "stop", service.name)
        except CommandFailed as error:
            fix = f"run systemctl stop {service.name} and see what it says"
            problems.append(Problem(what=f"{service.name} cannot be stopped: {error}", fix=fix))
    return tuple(problems)


def stopped(machine: Machine, plan: Plan) -> tuple[str, ...]:
    """Name the services that should run and do not: those of the plan that this charm has started before."""
    if plan.is_paused:
        return ()
    started = set(stamps.names(machine, PREFIX))
    return tuple(each.name for each in plan.services if each.name in started and not _is_active(machine, each.name))


def restart(machine: Machine, services: Sequence[Service]) -> None:
    """Stop all of ours, then start them in the plan's order, as an operator's action asks for. Raises `Trouble`."""
    ours = [service.name for service in services if service.is_ours]
    with explained("cannot restart", fix="see journalctl -u of that service"):
        for name in reversed(ours):
            machine.run(SYSTEMCTL, "stop", name)
        for name in ours:
            machine.run(SYSTEMCTL, "start", name)


def stop_all(machine: Machine) -> None:
    """Stop and disable everything of ours that was ever started. Raises `Trouble`."""
    for name in stamps.names(machine, PREFIX):
        _retire(machine, name)


def _run(machine: Machine, plan: Plan, service: Service, release: str) -> None:
    enablement = _enablement(machine, service.name)
    if enablement == "masked":
        machine.run(SYSTEMCTL, "unmask", service.name)
        enablement = _enablement(machine, service.name)
    if enablement == "disabled":
        machine.run(SYSTEMCTL, "enable", service.name)
    before, now = _stamp(machine, service), _wanted_stamp(machine, plan, service, release)
    if not _is_active(machine, service.name):
        # After too many failures in a row systemd refuses another start until this.
        machine.ask(SYSTEMCTL, "reset-failed", service.name)
        machine.run(SYSTEMCTL, "start", service.name)
    elif before != now:
        only_reads = before[1:] == now[1:]
        machine.run(SYSTEMCTL, "reload" if service.can_reload and only_reads else "restart", service.name)
    if before != now:
        stamps.write(machine, f"{PREFIX}{service.name}", " ".join(now))


def _leave_to_pacemaker(machine: Machine, plan: Plan, service: Service, release: str) -> None:
    enablement = _enablement(machine, service.name)
    if enablement == "masked":
        machine.run(SYSTEMCTL, "unmask", service.name)
        enablement = _enablement(machine, service.name)
    if enablement == "enabled":
        machine.run(SYSTEMCTL, "disable", service.name)
    before, now = _stamp(machine, service), _wanted_stamp(machine, plan, service, release)
    if before[:2] != now[:2] and _is_active(machine, service.name):
        machine.run(SYSTEMCTL, "reload", service.name)
    if before != now:
        stamps.write(machine, f"{PREFIX}{service.name}", " ".join(now))


def _stamp(machine: Machine, service: Service) -> list[str]:
    return (stamps.read(machine, f"{PREFIX}{service.name}") or "").split()


def _wanted_stamp(machine: Machine, plan: Plan, service: Service, release: str) -> list[str]:
    """Return the digest of what can be reloaded, the digest of what cannot, and whose the service is."""
    read = stamps.digest(part for path in service.reads for part in (path, files.read(machine, path) or "absent"))
    own = [path for path in _unit_paths(plan) if f"/{service.name}." in path]
    fixed = [part for path in own for part in (path, files.read(machine, path) or "absent")]
    if service.runs_release:
        fixed.append(release)
    return [read, stamps.digest(fixed), OURS if service.is_ours else FOREIGN]


def _unit_paths(plan: Plan) -> list[str]:
    paths = (*(file.path for file in plan.files), *plan.removed)
    return sorted(path for path in paths if path.startswith(UNIT_FOLDERS))


def _reload_systemd(machine: Machine, plan: Plan) -> None:
    """Let systemd read its unit files again when one of them is new, other or gone."""
    now = stamps.digest(part for path in _unit_paths(plan) for part in (path, files.read(machine, path) or "absent"))
    if stamps.read(machine, "systemd") == now:
        return
    with explained("systemd does not take its unit files", fix="see what systemctl daemon-reload says"):
        machine.run(SYSTEMCTL, "daemon-reload")
    stamps.write(machine, "systemd", now)


def _stop_unplanned(machine: Machine, services: Iterable[Service]) -> None:
    planned = {service.name for service in services}
    for name in stamps.names(machine, PREFIX):
        if name not in planned:
            _retire(machine, name)


def _retire(machine: Machine, name: str) -> None:
    """Stop a service for good, unless Pacemaker runs it, and forget it."""
    if (stamps.read(machine, f"{PREFIX}{name}") or "").endswith(OURS):
        with explained(f"cannot stop {name}", fix=f"run systemctl disable --now {name} and see what it says"):
            if _enablement(machine, name) == "masked":
                machine.run(SYSTEMCTL, "unmask", name)
            if _is_active(machine, name):
                machine.run(SYSTEMCTL, "stop", name)
            if _enablement(machine, name) == "enabled":
                machine.run(SYSTEMCTL, "disable", name)
    stamps.drop(machine, f"{PREFIX}{name}")


def _is_active(machine: Machine, name: str) -> bool:
    """Tell whether it runs, or is just about to; a service that systemd restarts over and over counts as stopped in between."""
    return machine.ask(SYSTEMCTL, "is-active", name).out.strip() in ("active", "reloading")


def _enablement(machine: Machine, name: str) -> str:
    """Return systemd's word: enabled, disabled, masked, static, or nothing for a service that it does not know."""
    return machine.ask(SYSTEMCTL, "is-enabled", name).out.strip()
