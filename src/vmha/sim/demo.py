"""`python -m vmha.sim.demo [FAULT]`: a host dies, is fenced, and its instances run elsewhere; or a fault, and how it is refused.

The service is the real one: masakari-standalone on SQLite, speaking HTTP and IPMI over loopback. The cloud is simulated and says so. At
the end the checker, which shares no code with the service, reads the cloud's own record: exit 0 only if every promise held, and the
run came to what its fault should lead to.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmha.sim.checker import Kind, Violation, check
from vmha.sim.demo_view import View
from vmha.sim.record import read_lines
from vmha.sim.stage import Stage, StageError

if TYPE_CHECKING:
    from collections.abc import Callable

VICTIM = "c1"
TWELVE = 12
PATIENCE_SECONDS = 55.0
"""The demo promises to end within a minute of its set-up; a run that has not come to its end by then has failed."""
WATCH_SECONDS = 6.0
"""How long a refusal is watched standing: long enough for several readings, in which nothing may be ordered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A fault: what it is, how it is made, and the phase or outcome that the recovery must come to."""

    words: str
    ends_in: tuple[str, ...]
    make: Callable[[Stage], None]
    hosts: int = 4
    engines: int = 1
    options: tuple[tuple[str, str], ...] = ()
    meanwhile: Callable[[Stage], None] | None = None
    moves: bool = False
    """Some instances are expected to have moved."""


def _host_dies(stage: Stage) -> None:
    stage.inject("host_crashes", host=VICTIM)
    stage.report(VICTIM)


def _with_bmc(fault: str) -> Callable[[Stage], None]:
    def make(stage: Stage) -> None:
        stage.inject(fault, host=VICTIM)
        _host_dies(stage)

    return make


def _false_report(stage: Stage) -> None:
    stage.report(VICTIM)


def _returns(stage: Stage) -> None:
    stage.inject("host_returns", host=VICTIM, seconds=9.0)
    _host_dies(stage)


def _three_at_once(stage: Stage) -> None:
    for host in ("c1", "c2", "c3"):
        stage.inject("network_cut", host=host)
    for host in ("c1", "c2", "c3"):
        stage.report(host)


def _stop_first_engine(stage: Stage) -> None:
    """Stop the owner in mid-evacuation, let another take over, wake the first, and kill it in the end."""
    first = stage.wait_for_order("evacuation")["caller"]
    stage.say(f"{first} is stopped in mid-evacuation (SIGSTOP), as a machine that swaps or a paused VM would be")
    stage.pause(first)
    second = stage.wait_for_order("evacuation", other_than=first)["caller"]
    stage.say(f"{second} has taken over; {first} wakes (SIGCONT) and must find that it owns nothing any more")
    stage.wake(first)
    stage.wait(3.0, "the first engine has had time to do harm")
    stage.say(f"{first} is killed (SIGKILL)")
    stage.kill(first)


SLOW = (("moves_in_flight", "3"),)

CASES: dict[str, Case] = {
    "": Case(
        words="a host's kernel dies; its power stays on and its BMC answers",
        ends_in=("recovered",),
        make=_host_dies,
        moves=True,
    ),
    "bmc-silent": Case(
        words="the host dies and its BMC does not answer: nothing may be evacuated without a proof",
        ends_in=("unproven",),
        make=_with_bmc("bmc_silent"),
    ),
    "bmc-lies": Case(
        words="the BMC takes the power-off, says OFF once, and the host stays on: one reading is no proof",
        ends_in=("unproven",),
        make=_with_bmc("bmc_stale"),
    ),
    "bmc-bad-password": Case(
        words="the inventory has a wrong password for the BMC",
        ends_in=("unproven",),
        make=_with_bmc("bmc_bad_password"),
    ),
    "disputed": Case(
        words="a monitor reports a host that is well, and Nova still hears it",
        ends_in=("disputed",),
        make=_false_report,
    ),
    "host-returns": Case(
        words="the host switches itself on again in the middle of its recovery",
        ends_in=("unproven",),
        make=_returns,
        options=SLOW,
        moves=True,
    ),
    "engine-killed": Case(
        words="the engine is stopped in mid-evacuation, another takes over, the first one wakes and is killed",
        ends_in=("recovered",),
        make=_host_dies,
        engines=2,
        options=SLOW,
        meanwhile=_stop_first_engine,
        moves=True,
    ),
    "storm": Case(
        words="three of eight hosts are reported at once, as when a switch fails: no power-off without a human",
        ends_in=("braked",),
        make=_three_at_once,
        hosts=8,
    ),
}


def main() -> int:
    """Play the fault named on the command line; exit 0 if the promises held, 1 if not, 2 for an unknown fault."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    case = CASES.get(name)
    if case is None:
        print(f"unknown FAULT {name}; known are: {', '.join(known for known in CASES if known)}", file=sys.stderr)
        return 2
    view = View()
    view.title(case.words)
    with tempfile.TemporaryDirectory(prefix="vmha-demo-") as folder:
        stage = Stage(Path(folder), say=view.say, hosts=case.hosts, engines=case.engines, options=dict(case.options))
        try:
            stage.set_up(f"{VICTIM}={TWELVE},c2=3,c3=3")
            return _play(case, stage, view)
        except StageError as error:
            print(f"the demo cannot go on: {error}", file=sys.stderr)
            return 1
        finally:
            stage.tear_down()


def _play(case: Case, stage: Stage, view: View) -> int:
    view.begin()
    case.make(stage)
    if case.meanwhile is not None:
        stage.follow_in_background(view.line)
        case.meanwhile(stage)
    recoveries = _follow(case, stage, view)
    facts = read_lines(stage.record)
    problems = [str(violation) for violation in check(facts) if not _is_allowed(violation)]
    problems += _shortfalls(case, recoveries, stage, facts)
    view.table(recoveries[0], facts, VICTIM)
    view.verdict(recoveries[0], problems)
    return 1 if problems else 0


def _follow(case: Case, stage: Stage, view: View) -> list[dict[str, Any]]:
    """Show what happens until all recoveries have come to the end of the case; a refusal is watched for a while."""
    until = time.monotonic() + PATIENCE_SECONDS
    settled_at: float | None = None
    while time.monotonic() < until:
        recoveries = stage.recoveries()
        for recovery in recoveries:
            view.timeline(recovery["host"], stage.timeline(recovery["uuid"]))
        view.progress(recoveries)
        standing = [recovery["outcome"] or recovery["phase"] for recovery in recoveries]
        settled = bool(standing) and all(each in case.ends_in for each in standing)
        settled_at = (settled_at or time.monotonic()) if settled else None
        watch_seconds = 0.0 if "recovered" in case.ends_in else WATCH_SECONDS
        if settled_at is not None and time.monotonic() - settled_at >= watch_seconds:
            return [stage.recovery(recovery["uuid"]) for recovery in recoveries]
        stage.wait(0.3, "the next look")
    return [stage.recovery(recovery["uuid"]) for recovery in stage.recoveries()]


def _is_allowed(violation: Violation) -> bool:
    """Allow what no engine can know: the host was switched on after its last reading of OFF, and within a proof's age."""
    return violation.kind in (Kind.CAME_BACK, Kind.LATE_ORDER)


def _shortfalls(case: Case, recoveries: list[dict[str, Any]], stage: Stage, facts: list[dict[str, Any]]) -> list[str]:
    """Compare what came of it with what the case promises, by the cloud's own record."""
    found = []
    for recovery in recoveries:
        standing = recovery["outcome"] or recovery["phase"]
        if standing not in case.ends_in:
            found.append(f"the recovery of {recovery['host']} came to {standing}, not {' or '.join(case.ends_in)}")
    taken = [fact for fact in facts if fact["what"] == "evacuation" and fact["outcome"] == "taken"]
    if taken and not case.moves:
        found.append(f"{len(taken)} evacuations were ordered; none should have been")
    if "recovered" in case.ends_in:
        lost = [name for name, hosts in stage.guests(facts, VICTIM).items() if len(hosts) != 1 or hosts == [VICTIM]]
        if lost:
            found.append(f"not running elsewhere exactly once: {', '.join(sorted(lost))}")
    return found


if __name__ == "__main__":
    sys.exit(main())
