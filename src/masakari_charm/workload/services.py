"""Services by systemd: started when they should run, restarted when what they read at their start has changed, else left alone.

Rules:
1. What a service was last started with is a stamp. Nothing else says whether it must be restarted, so no hook restarts for nothing,
   and one that died before the restart is made up for.
2. A paused unit's services are stopped and masked, also one that a plan names no more. Only a plan that is not paused takes that back,
   or one that leaves a service to Pacemaker, which could not start it while it is masked.
3. What Pacemaker runs is never started or stopped here: it is disabled in systemd, unmasked, and reloaded.
4. A service that a plan names no more is stopped and disabled before anything else is done, whoever ran it: it may hold the port that
   another one is about to take, and without hacluster nobody else would stop it. As long as Pacemaker lives it may start it again;
   so every hook looks again, until one finds it stopped. The API meanwhile tries again by itself (`Restart=always`).
5. haproxy stands before the API. `_in_order` says which of the two goes first, so that their port is never wanted by both and is
   closed as short as possible; the engine, which may take long to stop, comes after both.
6. Unit files belong into /usr/local/lib/systemd/system: systemd masks nothing that lies in /etc/systemd/system.
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
    problems = list(pause(machine, plan.services)) if plan.is_paused else []
    for service in _in_order(machine, plan.services):
        if plan.is_paused and service.is_ours:
            continue
        try:
            (_run if service.is_ours else _leave_to_pacemaker)(machine, plan, service, release)
        except CommandFailed as error:
            fix = f"see journalctl -u {service.name}; the next hook tries again"
            problems.append(Problem(what=f"{service.name} does not start: {error}", fix=fix))
    return tuple(problems)


def pause(machine: Machine, services: Iterable[Service]) -> tuple[Problem, ...]:
    """Stop and mask what is ours, hand over what is not; return what did not work."""
    problems = []
    for name in _ours(machine, services):
        try:
            if _enablement(machine, name) != "masked":
                machine.run(SYSTEMCTL, "mask", name)
            if _is_active(machine, name):
                machine.run(SYSTEMCTL, "stop", name)
        except CommandFailed as error:
            fix = f"run systemctl stop {name} and see what it says"
            problems.append(Problem(what=f"{name} cannot be stopped: {error}", fix=fix))
    for service in services:
        try:
            if not service.is_ours:
                _hand_over(machine, service.name)
        except CommandFailed as error:
            fix = f"run systemctl unmask {service.name} and see what it says"
            problems.append(Problem(what=f"{service.name} cannot be left to Pacemaker: {error}", fix=fix))
    return tuple(problems)


def _hand_over(machine: Machine, name: str) -> None:
    """Let a service be started by Pacemaker, and by nobody else."""
    if _unmasked(machine, name) == "enabled":
        machine.run(SYSTEMCTL, "disable", name)


def _ours(machine: Machine, services: Iterable[Service]) -> list[str]:
    """Name what is ours: by the plan, and what ran for an earlier one. What Pacemaker has by the plan is not, whoever started it."""
    planned = {service.name: service.is_ours for service in services}
    before = [name for name in stamps.names(machine, PREFIX) if name not in planned]
    return [*(name for name, is_ours in planned.items() if is_ours), *before]


def running(machine: Machine, plan: Plan) -> tuple[str, ...]:
    """Name the services of a paused unit that run all the same."""
    if not plan.is_paused:
        return ()
    return tuple(name for name in _ours(machine, plan.services) if _is_active(machine, name))


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


def _in_order(machine: Machine, services: Sequence[Service]) -> Sequence[Service]:
    """Return the services in the order in which they are started, restarted and reloaded.

    Where haproxy has the port already it goes first: a reload keeps the port open, and the API behind it can only move between loopback
    ports, which nobody else wants. Where haproxy does not run, or not with a file of ours, the API may hold the port and must let go of
    it first: it is restarted, which frees the port, and haproxy comes right after it. Where haproxy goes, it was stopped before all this,
    and the API comes first of those that are left.
    """
    front = next((service for service in services if service.stands_before), None)
    if front is None or _has_port(machine, front):
        return services
    others = [service for service in services if service != front]
    place = 1 + next((n for n, service in enumerate(others) if service.name == front.stands_before), -1)
    return (*others[:place], front, *others[place:])


def _has_port(machine: Machine, front: Service) -> bool:
    """Tell whether haproxy runs with a configuration of ours. Its package starts it too, with one that opens no port."""
    return bool(_stamp(machine, front)) and _is_active(machine, front.name)


def _run(machine: Machine, plan: Plan, service: Service, release: str) -> None:
    if _unmasked(machine, service.name) == "disabled":
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
    _hand_over(machine, service.name)
    before, now = _stamp(machine, service), _wanted_stamp(machine, plan, service, release)
    if before == now:
        return
    if _is_active(machine, service.name):
        machine.run(SYSTEMCTL, "reload", service.name)
    stamps.write(machine, f"{PREFIX}{service.name}", " ".join(now))


def _stamp(machine: Machine, service: Service) -> list[str]:
    return (stamps.read(machine, f"{PREFIX}{service.name}") or "").split()


def _wanted_stamp(machine: Machine, plan: Plan, service: Service, release: str) -> list[str]:
    """Return the digest of what can be reloaded, and the digest of what cannot."""
    read = stamps.digest(part for path in service.reads for part in (path, files.read(machine, path) or "absent"))
    own = [path for path in _unit_paths(plan) if f"/{service.name}." in path]
    fixed = [part for path in own for part in (path, files.read(machine, path) or "absent")]
    if service.runs_release:
        fixed.append(release)
    return [read, stamps.digest(fixed)]


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
    """Stop a service for good, and forget it once it is found stopped."""
    with explained(f"cannot stop {name}", fix=f"run systemctl disable --now {name} and see what it says"):
        if _unmasked(machine, name) == "enabled":
            machine.run(SYSTEMCTL, "disable", name)
        if _is_active(machine, name):
            machine.run(SYSTEMCTL, "stop", name)
            return
    stamps.drop(machine, f"{PREFIX}{name}")


def _is_active(machine: Machine, name: str) -> bool:
    """Tell whether it runs, or is just about to; a service that systemd restarts over and over counts as stopped in between."""
    return machine.ask(SYSTEMCTL, "is-active", name).out.strip() in ("active", "reloading")


def _unmasked(machine: Machine, name: str) -> str:
    """Take a mask away where there is one; return the enablement without it."""
    found = _enablement(machine, name)
    if found != "masked":
        return found
    machine.run(SYSTEMCTL, "unmask", name)
    return _enablement(machine, name)


def _enablement(machine: Machine, name: str) -> str:
    """Return systemd's word: enabled, disabled, masked, static, or nothing for a service that it does not know."""
    return machine.ask(SYSTEMCTL, "is-enabled", name).out.strip()
