"""What Juju shows for the unit: one place, from the state and the machine's report. The words are those of today's charm where it has any.

The order of the checks: paused; what is wrong with the machine; a relation that is not there; an option that is unset, or wrong; what
runs and should be mended; an address; a relation that has not answered; the schema; the cluster; services that should run. So what a
human has to mend goes before a wait. A paused unit is shown as paused, with what is wrong, unless something of it runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import ops

from masakari_charm.plan import Problem, Report
from masakari_charm.relations.bags import Missing
from masakari_charm.state import State

READY = "Unit is ready"
PAUSED = "Paused. Use 'resume' action to resume normal service."
INSTALLING = "Installing packages"
UPGRADING = "Running openstack upgrade"
NO_ANSWER = "the resource wheels cannot be fetched from the controller: the release stays, the next hook tries again"
WAITS_FOR_SCHEMA = "Waiting for the leader to bring up the schema of the database"


def unit_status(state: State, report: Report) -> ops.StatusBase:
    """Return the unit's status."""
    if state.is_paused:
        return _paused(state, report)
    blocks, waits = _blocks(state, report), _waits(state, report)
    if blocks is not None:
        return ops.BlockedStatus(blocks)
    if waits is not None:
        return ops.WaitingStatus(waits)
    if report.stopped:
        return ops.BlockedStatus(f"Services not running that should be: {', '.join(report.stopped)}")
    return ops.ActiveStatus(_ready(state, report))


def _blocks(state: State, report: Report) -> str | None:
    """Say what a human has to mend."""
    if report.problems:
        return _shown(report.problems)
    if any(not each.is_joined for each in state.missing):
        return _relations(state.missing)
    if state.config.unset:
        return f"The following mandatory config is unset: {', '.join(state.config.unset)}"
    problems = (*state.problems, *state.warnings)
    return _shown(problems) if problems else None


def _waits(state: State, report: Report) -> str | None:
    """Say what comes by itself."""
    if state.networks.unknown:
        return f"Waiting for Juju to name an address of {', '.join(state.networks.unknown)}"
    if state.missing:
        return _relations(state.missing)
    if report.waits_for_schema:
        return WAITS_FOR_SCHEMA
    return "'ha' incomplete" if state.ha.is_related and not state.ha.is_clustered else None


def _paused(state: State, report: Report) -> ops.StatusBase:
    """Say that the unit is paused, and what will be met on resume."""
    problems = (*report.problems, *state.problems, *state.warnings)
    note = f" ({_shown(problems)})" if problems else ""
    if report.running:
        return ops.BlockedStatus(
            f"Services should be paused but these services running: {', '.join(report.running)}{note}"
        )
    return ops.MaintenanceStatus(PAUSED + note)


def _shown(problems: Sequence[Problem]) -> str:
    """Return the first problem with its fix; the others stand in the log."""
    first, more = problems[0], len(problems) - 1
    return f"{first.what}; {first.fix}" + (f" (and {more} more, see the log)" if more else "")


def _relations(missing: Iterable[Missing]) -> str:
    return ", ".join(f"'{each.relation}' {'incomplete' if each.is_joined else 'missing'}" for each in missing)


def _ready(state: State, report: Report) -> str:
    """Return the word for active, with what an operator should know all the same."""
    notes = [*hints(state)]
    if report.waiting_release is not None:
        notes.append(f"release {report.waiting_release} waits for the action openstack-upgrade")
    return f"{READY} ({'; '.join(notes)})" if notes else READY


def hints(state: State) -> tuple[str, ...]:
    """Say what works without, and worse."""
    found = []
    # One that cannot be used is a problem of its own, and what runs goes on with the one before.
    if state.config.inventory_secret is None:
        found.append("no fencing-inventory: no host can be fenced")
    if isinstance(state.amqp, Missing) and not state.amqp.is_joined:
        found.append("no amqp: engines look at the database once a second")
    if state.wheels is None:
        found.append(NO_ANSWER)
    return tuple(found)
