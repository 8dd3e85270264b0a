"""`python -m vmha.sim.demo [FAULT]`: a host dies, is fenced, and its instances run elsewhere; or a fault, and how it is refused.

The service is the real one: masakari-standalone on SQLite, speaking HTTP and IPMI over loopback. The cloud is simulated and says so. At
the end the checker, which shares no code with the service, reads the cloud's own record: exit 0 only if every promise held, no proof
contradicts that record, and the run came to what its fault should lead to.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import requests

from vmha.sim.checker import check
from vmha.sim.demo_view import View, seconds_of
from vmha.sim.record import read_lines
from vmha.sim.stage import Stage, StageError
from vmha.sim.violations import Kind, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from vmha.sim.record import Fact
    from vmha.sim.stage import Option

    Body = dict[str, Any]

VICTIM = "c1"
TWELVE = 12
PATIENCE_SECONDS = 55.0
"""The demo promises to end within a minute of its set-up; a run that has not come to its end by then has failed."""
WATCH_SECONDS = 6.0
"""How long a refusal is watched standing: long enough for several readings, in which nothing may be ordered."""
LOOK_SECONDS = 0.25
"""Time between two looks at the recoveries."""
ROUNDED_SECONDS = 0.5
"""How far the clocks of record and database may be apart: one begins as its process starts, and a reading counts from its question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A fault: what it is, how it is made, and the phase or outcome that the recovery must come to."""

    words: str
    ends_in: tuple[str, ...]
    make: Callable[[Stage], None]
    hosts: int = 4
    engines: int = 1
    options: tuple[Option, ...] = ()
    meanwhile: Callable[[Stage], None] | None = None
    moves: bool = False
    """Some instances are expected to have moved."""


def _host_dies(stage: Stage) -> None:
    stage.inject("host_crashes", host=VICTIM)
    stage.report(VICTIM)


def _host_dies_and_orders_take_long(stage: Stage) -> None:
    """So that an engine that is stopped after its first order still has some in hand."""
    stage.inject("nova_orders_slow", seconds=0.4)
    _host_dies(stage)


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
    """Stop the owner in mid-evacuation, wake it as soon as another has taken over, and kill it in the end."""
    first = stage.wait_for_order("evacuation")["caller"]
    in_hand = stage.pause(first)
    if not in_hand:
        raise StageError(f"{first} was to be stopped with orders in hand, but had sent them all")
    stage.say(f"{first} is stopped in mid-evacuation (SIGSTOP), as a paused VM would be, with {in_hand} orders in hand")
    second = stage.wait_for_take_over(first)
    stage.say(f"{second} has taken over; {first} wakes (SIGCONT) with its orders and must find that it owns nothing")
    stage.wake(first)
    stage.wait(5.0, "the first engine has had time to do harm, and the second to go on")
    stage.say(f"{first} is killed (SIGKILL)")
    stage.kill(first)


SLOW = (("recovery", "moves_in_flight", "3"),)

ORDERS_IN_HAND = (
    ("recovery", "orders_at_once", "12"),
    ("engine", "evacuate_threads", "1"),
    ("engine", "lease_seconds", "6"),
    ("fencing", "proof_valid_seconds", "30"),
    ("fencing", "fence_seconds", "15"),
)
"""All orders in hand and one sent at a time, so that an engine that is stopped still has some to send; when it wakes, only its lease tells
that it may not: the proof is as good as before. The lease is longer than elsewhere: more processes share the machine, and none may lose it by
chance."""

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
        make=_host_dies_and_orders_take_long,
        engines=2,
        options=ORDERS_IN_HAND,
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
    # However it is ended, it ends what it started.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    view = View()
    view.title(case.words)
    with tempfile.TemporaryDirectory(prefix="vmha-demo-") as folder:
        stage = Stage(Path(folder), say=view.say, hosts=case.hosts, engines=case.engines, options=case.options)
        try:
            stage.set_up(f"{VICTIM}={TWELVE},c2=3,c3=3")
            return _play(case, stage, view)
        except (StageError, requests.RequestException) as error:
            view.close()
            print(f"the demo cannot go on: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            view.close()
            return 130
        finally:
            stage.tear_down()


class Seen(NamedTuple):
    """A recovery as the API shows it, with its timeline."""

    recovery: Body
    lines: list[Body]


def _play(case: Case, stage: Stage, view: View) -> int:
    view.begin()
    case.make(stage)
    seen = _follow(case, stage, view)
    view.close()
    recoveries = [each.recovery for each in seen]
    facts = read_lines(stage.record)
    problems = [f"{view.since(each.at)}: {each.sentence} ({each.kind.value})" for each in _violations(facts)]
    problems += _shortfalls(case, recoveries, stage, facts)
    if seen:
        view.timeline(*seen[0])
    view.table(recoveries, facts, VICTIM)
    view.verdict(recoveries, problems)
    return 1 if problems else 0


def _follow(case: Case, stage: Stage, view: View) -> list[Seen]:
    """Show what happens until it has come to an end, or ought to have."""
    until = time.monotonic() + PATIENCE_SECONDS
    settled_at: float | None = None
    seen: list[Seen] = []
    with ThreadPoolExecutor(1) as pool:
        meanwhile = pool.submit(case.meanwhile or _nothing, stage)
        try:
            while time.monotonic() < until:
                seen = _look(stage)
                view.look([each.recovery for each in seen], [each.lines for each in seen])
                settled_at = (settled_at or time.monotonic()) if _is_settled(case, seen, meanwhile) else None
                watch_seconds = 0.0 if "recovered" in case.ends_in else WATCH_SECONDS
                if settled_at is not None and time.monotonic() - settled_at >= watch_seconds:
                    break
                if meanwhile.done() and _is_over(seen):
                    break
                stage.wait(LOOK_SECONDS, "the next look")
        finally:
            stage.stop_waiting()
    return seen


def _nothing(_stage: Stage) -> None:
    """Let nothing more befall the stage."""


def _look(stage: Stage) -> list[Seen]:
    """Look at all recoveries; each is at least as young as its timeline."""
    timelines = {recovery["uuid"]: stage.timeline(recovery["uuid"]) for recovery in stage.recoveries()}
    return [Seen(stage.recovery(uuid), lines) for uuid, lines in timelines.items()]


def _is_settled(case: Case, seen: Sequence[Seen], meanwhile: Future[None]) -> bool:
    """Tell whether all recoveries stand where the case should lead. Raises what went wrong meanwhile."""
    if not meanwhile.done():
        return False
    meanwhile.result()
    return bool(seen) and all(_standing(each.recovery) in case.ends_in for each in seen)


def _is_over(seen: Sequence[Seen]) -> bool:
    """Tell whether nothing more will come: all has ended, or the engine has stopped one itself."""
    stopped = any(each.recovery["phase"] == "stopped" for each in seen)
    return stopped or (bool(seen) and all(each.recovery["outcome"] for each in seen))


def _standing(recovery: Body) -> str:
    standing: str = recovery["outcome"] or recovery["phase"]
    return standing


def _violations(facts: Sequence[Fact]) -> list[Violation]:
    """Return what the checker holds against the run, without what no engine can know.

    That is a host that was switched on after its last reading of OFF, within a proof's age.
    """
    return [each for each in check(facts) if each.kind not in (Kind.CAME_BACK, Kind.LATE_ORDER)]


def _shortfalls(case: Case, recoveries: Sequence[Body], stage: Stage, facts: Sequence[Fact]) -> list[str]:
    """Compare what came of it with what the case promises, by the cloud's own record."""
    found = [] if recoveries else ["the notification opened no recovery"]
    for recovery in recoveries:
        standing, wanted = _standing(recovery), " or ".join(case.ends_in)
        if standing not in case.ends_in:
            found.append(f"the recovery of {recovery['host']} came to {standing}, not {wanted}: {recovery['message']}")
        found += _false_proofs(recovery, facts)
    taken = [fact for fact in facts if fact["what"] == "evacuation" and fact["outcome"] == "taken"]
    if taken and not case.moves:
        found.append(f"{len(taken)} evacuations were ordered; none should have been")
    if "recovered" in case.ends_in:
        lost = [name for name, hosts in _guests(facts, VICTIM).items() if len(hosts) != 1 or hosts == [VICTIM]]
        if lost:
            found.append(f"not running elsewhere exactly once: {', '.join(sorted(lost))}")
    return found + list(_orders_of_the_woken(stage, facts))


def _guests(facts: Sequence[Fact], source: str) -> dict[str, list[str]]:
    """Return where each instance that ran on `source` at first runs at the end of the record."""
    homes: dict[str, str] = {}
    running: dict[str, list[str]] = {}
    for fact in facts:
        if fact["what"] == "server" and fact["why"] == "created":
            homes[fact["instance"]] = fact["host"]
        if fact["what"] == "guest":
            hosts = running.setdefault(fact["instance"], [])
            if fact["runs"]:
                hosts.append(fact["host"])
            else:
                hosts.remove(fact["host"])
    return {instance: running.get(instance, []) for instance, home in homes.items() if home == source}


def _false_proofs(recovery: Body, facts: Sequence[Fact]) -> Iterator[str]:
    """Find proofs with a reading of OFF from a time at which the record says that the host was on, all the while."""
    host = recovery["host"]
    for proof in recovery["proofs"]:
        for reading in proof["readings"]:
            if _was_on(host, seconds_of(reading["at"]), facts):
                yield f"a proof that {host} is off rests on a reading at {reading['at'][11:23]}, when it was on"
                break


def _was_on(host: str, at: float, facts: Sequence[Fact]) -> bool:
    """Tell whether the host was on at that time and around it. Hosts are on as the record begins."""
    powers = [fact for fact in facts if fact["what"] == "power" and fact["host"] == host]
    before = [True] + [fact["on"] for fact in powers if fact["at"] <= at - ROUNDED_SECONDS]
    around = [fact["on"] for fact in powers if abs(fact["at"] - at) < ROUNDED_SECONDS]
    return all([before[-1], *around])


def _orders_of_the_woken(stage: Stage, facts: Sequence[Fact]) -> Iterator[str]:
    """Find orders that reached Nova from an engine that was stopped, lost its recovery and woke, whatever Nova said to them."""
    for engine, begin in stage.woken_at.items():
        for fact in facts[begin:]:
            if fact["what"] in ("evacuation", "service") and fact.get("caller") == engine:
                yield f"{engine} sent an order after it had lost its recovery: {fact['what']}, {fact.get('outcome', 'taken')}"


if __name__ == "__main__":
    sys.exit(main())
