"""Runs the suites one after another and adds up what they say.

`python -m tests.run` runs them all, `python -m tests.run unit sql` those two, `--quick` the short ones
(`make check`), `--soak` the long forms (`make soak`).
To add a suite, add a row to SUITES; to add a long form, one to SOAKS.

Rules:
1. A suite runs in a process group of its own. Its minutes are some twice what it takes on two idle cores.
   When it took PATIENCE times as many, or the whole run takes LONGEST_MINUTES, it is interrupted, then killed:
   it failed.
2. What a suite started and left behind is killed before the next suite starts.
3. A suite that mostly waits, or one that lets others go first, may run beside others, in a run of its own
   whose output is shown in its place.
4. A suite that runs no test has failed.
5. A suite that needs a package which can neither be found nor installed is left out, by name and with the
   reason. With CI=true a suite left out has failed.
6. The last line is `N passed, N failed`, with `, N skipped` where tests were skipped. It sums up the
   suites. The exit code is 1 where any failed.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
POLICY = Path("/usr/sbin/policy-rc.d")
# Time for pytest to stop the servers that its fixtures started, once it was interrupted.
STOP_SECONDS = 20
# The budget of the whole run, on two idle cores.
MINUTES = 35
# When a whole run is cut. A machine that is slow, or has other work, needs more than the budget.
LONGEST_MINUTES = 80
# So many times its minutes are left to a suite, so that one that hangs is ended and one on a slow machine is not.
PATIENCE = 2
# As many as the smallest machine that the budgets were set on has cores.
WORKERS = 2
PR_SET_CHILD_SUBREAPER = 36
# The runs of suites beside others, by the suite's name.
APART: dict[str, subprocess.Popen[bytes]] = {}

Command = tuple[str, ...]


def pytest(*arguments: str) -> Command:
    """A pytest run; its tests are counted from its own report."""
    return (str(BIN / "pytest"), *arguments)


def program(name: str, *arguments: str) -> Command:
    """A program of the environment; it counts as one test."""
    return (str(BIN / name), *arguments)


PARALLEL = ("-n", str(WORKERS))
STORM = program("python", "-m", "vmha.sim.storm", "--seeds")
SUITES_OF_THEIR_OWN = ("scenarios", "mutations", "charm", "packing")
NOT_UNIT = tuple(f"--ignore=unit_tests/{name}" for name in SUITES_OF_THEIR_OWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Commands that run in order; together they should take less than `minutes`; `packages` is what Debian calls their needs.

    Where `beside` names an earlier suite, this one starts with that.
    """

    name: str
    minutes: float
    commands: tuple[Command, ...]
    packages: tuple[str, ...] = ()
    quick: bool = False
    beside: str = ""


SUITES = (
    Suite(
        name="lint",
        minutes=1,
        quick=True,
        commands=(
            program("ruff", "format", "--check", "."),
            program("ruff", "check", "."),
            program("mypy"),
            program("lint-imports", "--no-logo"),
        ),
    ),
    # A third of what its workers take is waiting, for processes that start and devices that stay silent: hence one more.
    Suite(name="unit", minutes=7, quick=True, commands=(pytest("unit_tests", *NOT_UNIT, "-n", str(WORKERS + 1)),)),
    Suite(
        name="scenarios",
        # Half a minute of it, beyond `make check`, is for following which branches each scenario takes.
        minutes=3,
        quick=True,
        commands=(pytest("unit_tests/scenarios", "unit_tests/mutations", *PARALLEL, "--dist", "loadgroup"),),
    ),
    Suite(
        name="sql",
        minutes=7,
        # Each worker has servers of its own, and starts only those that its files ask for.
        commands=(pytest("tests/sql", *PARALLEL, "--dist", "loadfile"),),
        packages=("mariadb-server", "postgresql"),
    ),
    Suite(name="demo", minutes=6, commands=(pytest("tests/demo"),), beside="sql"),
    Suite(
        name="adoption",
        # One on two idle cores; the rest is for the first making of three releases' environments.
        minutes=4,
        commands=(pytest("tests/adoption"),),
        packages=("mariadb-server", "postgresql"),
    ),
    Suite(name="bmc", minutes=1, commands=(pytest("tests/bmc"),), packages=("openipmi", "ipmitool")),
    Suite(name="service", minutes=4, commands=(pytest("tests/service"),), packages=("mariadb-server",)),
    # 0.7 on two idle cores; half of this is for the first making of Keystone's environment and that of old clients.
    Suite(name="clients", minutes=3, commands=(pytest("tests/clients"),)),
    # An engine of upstream's is asked too; half of this is for the first making of its environment.
    Suite(
        name="broker", minutes=4, commands=(pytest("tests/broker"),), packages=("rabbitmq-server",), beside="clients"
    ),
    Suite(name="differential", minutes=2, commands=(pytest("tests/differential"),)),
    # Half a minute, most of it for making the requests up.
    Suite(name="openapi", minutes=3, commands=(pytest("tests/openapi", "--requests=3000"),), beside="adoption"),
    Suite(name="servers", minutes=4, commands=(pytest("tests/servers"),), beside="service"),
    Suite(name="charm", minutes=3, commands=(pytest("unit_tests/charm", "unit_tests/packing", *PARALLEL),)),
    Suite(name="packing", minutes=3, commands=(pytest("tests/packing"),), packages=("python3-apt", "python3-venv")),
    Suite(name="haproxy", minutes=2, commands=(pytest("tests/haproxy"),), packages=("haproxy",), beside="packing"),
    Suite(
        name="juju",
        minutes=4,
        # Each file is one story, which one process tells; the long ones come first by name.
        commands=(pytest("tests/juju", *PARALLEL, "--dist", "loadfile", "--no-loadscope-reorder"),),
        packages=("iproute2", "python3-apt", "python3-venv"),
    ),
    Suite(
        name="systemd",
        # 2.8 on two cores that had other work too; the rest is for the first making of the root file system.
        minutes=8,
        commands=(pytest("tests/systemd"),),
        beside="charm",
        packages=(
            *("systemd-container", "mmdebstrap", "debian-archive-keyring", "iproute2", "python3-apt", "python3-venv"),
            *("mariadb-server", "rabbitmq-server", "memcached"),
        ),
    ),
    Suite(
        name="cloud",
        minutes=14,
        commands=(pytest("tests/cloud"),),
        packages=("mariadb-server", "rabbitmq-server", "memcached", "openipmi", "ipmitool"),
    ),
    # In virtual time, so that it may have whatever the cloud leaves: two fifths of the cores, while hosts die and beat again.
    Suite(name="storm", minutes=8, commands=(("nice", *STORM, "2000"),), beside="cloud"),
    Suite(
        name="crash",
        minutes=8,
        # Each file has engines and a database of its own, and mostly waits for leases to run out.
        commands=(pytest("tests/crash", "-n", "4", "--dist", "loadfile"),),
        packages=("mariadb-server",),
    ),
)

# What looks longer than `make test` has time for. No budget of a whole run holds here, only each one's own.
SOAKS = (
    Suite(name="storm", minutes=10, commands=((*STORM, "10000"),)),
    Suite(name="openapi", minutes=10, commands=(pytest("tests/openapi", "--requests=10000"),)),
    Suite(
        name="failover",
        minutes=10,
        commands=(pytest("tests/cloud/test_failover.py", "--instances=50"),),
        packages=("mariadb-server", "rabbitmq-server", "memcached", "openipmi", "ipmitool"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many tests passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Count) -> Count:
        """The two together."""
        return Count(
            passed=self.passed + other.passed,
            failed=self.failed + other.failed,
            skipped=self.skipped + other.skipped,
        )

    def __str__(self) -> str:
        """The plain line that ends a run."""
        line = f"{self.passed} passed, {self.failed} failed"
        return f"{line}, {self.skipped} skipped" if self.skipped else line


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one suite came to; `word` is passed, failed or left out, and `why` says more of the last two."""

    name: str
    word: str
    seconds: float
    budget_minutes: float
    count: Count
    why: str = ""


def main(arguments: Sequence[str]) -> int:
    """Run the suites that were asked for and return the exit code."""
    parser = argparse.ArgumentParser(prog="tests.run", description="Runs the test suites.")
    parser.add_argument("--quick", action="store_true", help="only the suites, and the tests, that take seconds")
    parser.add_argument("--soak", action="store_true", help="the long forms, of those suites that have one")
    parser.add_argument("--outcome", type=Path, help="write what the suites came to into this file instead of a report")
    parser.add_argument("suite", nargs="*", help="the name of one; all of them when none is named")
    options = parser.parse_args(arguments)
    known = SOAKS if options.soak else SUITES
    names = [suite.name for suite in known]
    unknown = sorted(set(options.suite) - set(names))
    if unknown:
        parser.error(f"no such suite: {', '.join(unknown)}; there are {', '.join(names)}")
    chosen = [suite for suite in known if suite.name in (options.suite or names)]
    if options.quick:
        chosen = [suite for suite in chosen if suite.quick]

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A shell lets what it starts in the background ignore Ctrl-C; every suite, and what it starts, would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.monotonic()
    adopt_orphans()
    missing = install(sorted({package for suite in chosen for package in suite.packages}))
    minutes = sum(suite.minutes for suite in chosen) if options.soak else MINUTES
    end = started + max(minutes, LONGEST_MINUTES) * 60
    with Beside(chosen, missing) as beside:
        outcomes = [
            beside.outcome(suite, end=end) or run(suite, missing=missing, quick=options.quick, end=end)
            for suite in beside.each()
        ]
    if options.outcome is not None:
        options.outcome.write_text(json.dumps([asdict(outcome) for outcome in outcomes]))
        return 0
    return report(outcomes, minutes=(time.monotonic() - started) / 60, budget_minutes=minutes)


class Beside:
    """The suites that run beside others, each in a process of its own that adopts what the suite leaves behind."""

    def __init__(self, chosen: Sequence[Suite], missing: dict[str, str]) -> None:
        self._chosen = chosen
        self._missing = missing
        self._folder = tempfile.TemporaryDirectory()

    def __enter__(self) -> Beside:
        return self

    def __exit__(self, *ignored: object) -> None:
        """End what still runs, as Ctrl-C would."""
        for process in APART.values():
            if process.poll() is None:
                interrupt(process, 2 * STOP_SECONDS)
        APART.clear()
        kill_orphans()
        self._folder.cleanup()

    def each(self) -> Iterator[Suite]:
        """Go through the suites in order; those that run beside one are started just before it."""
        for suite in self._chosen:
            for other in self._chosen:
                if other.beside == suite.name and not any(package in self._missing for package in other.packages):
                    self._start(other)
            yield suite

    def _start(self, suite: Suite) -> None:
        print(f"\n=== {suite.name} starts beside {suite.beside}", flush=True)
        command = (sys.executable, "-m", "tests.run", "--outcome", str(self._of(suite, "outcome")), suite.name)
        with self._of(suite, "output").open("wb") as output:
            APART[suite.name] = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )

    def outcome(self, suite: Suite, *, end: float) -> Outcome | None:
        """Wait for a suite that runs beside others, show what it said and return what it came to; None for one that does not."""
        process = APART.get(suite.name)
        if process is None:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=max(end - time.monotonic(), 0))
        if process.poll() is None:
            interrupt(process, 2 * STOP_SECONDS)
        del APART[suite.name]
        kill_orphans()
        print(self._of(suite, "output").read_text(errors="replace"), flush=True)
        written = self._of(suite, "outcome")
        if not written.exists():
            why, count = f"exit code {process.returncode}, and no outcome", Count(failed=1)
            return Outcome(
                name=suite.name, word="failed", seconds=0, budget_minutes=suite.minutes, count=count, why=why
            )
        (found,) = json.loads(written.read_text())
        return Outcome(**{**found, "count": Count(**found["count"])})

    def _of(self, suite: Suite, what: str) -> Path:
        return Path(self._folder.name) / f"{suite.name}.{what}"


def run(suite: Suite, *, missing: dict[str, str], quick: bool, end: float) -> Outcome:
    """Run one suite, or say why it cannot run; `end` is when the whole run must be over, on the monotonic clock."""
    reasons = sorted({missing[package] for package in suite.packages if package in missing})
    if reasons:
        return left_out(suite, "; ".join(reasons))
    print(f"\n=== {suite.name}: {suite.minutes:g} minutes", flush=True)
    started = time.monotonic()
    count, why, until = Count(), "", min(started + suite.minutes * 60 * PATIENCE, end)
    for command in suite.commands:
        seconds = until - time.monotonic()
        found, trouble = run_command(command, seconds=seconds, quick=quick)
        count, why = count + found, why or trouble
    if not count.passed and not count.failed:
        count, why = count + Count(failed=1), why or "it ran no test"
    return Outcome(
        name=suite.name,
        word="failed" if count.failed else "passed",
        seconds=time.monotonic() - started,
        budget_minutes=suite.minutes,
        count=count,
        why=why,
    )


def left_out(suite: Suite, why: str) -> Outcome:
    """Name a suite that cannot run here; in CI that is a failure."""
    ci = os.environ.get("CI", "").lower() in ("true", "1")
    print(f"\n=== {suite.name}: left out: {why}", flush=True)
    return Outcome(
        name=suite.name,
        word="failed" if ci else "left out",
        seconds=0,
        budget_minutes=suite.minutes,
        count=Count(failed=1 if ci else 0),
        why=f"left out: {why}" if ci else why,
    )


def run_command(command: Command, *, seconds: float, quick: bool) -> tuple[Count, str]:
    """Run one command with its output on our own, and return what it counted and what was wrong with it."""
    if Path(command[0]).name != "pytest":
        code = run_process(command, seconds=seconds)
        return (Count(passed=1), "") if code == 0 else (Count(failed=1), said(command, code))
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.xml"
        only = ("-m", "not slow") if quick else ()
        code = run_process((*command, *only, f"--junit-xml={results}"), seconds=seconds)
        count = read_results(results)
    if code == 0 or count.failed:
        return count, "" if code in (0, 1) else said(command, code)
    return count + Count(failed=1), said(command, code)


def said(command: Command, code: int | None) -> str:
    """What to tell of a command that failed."""
    words = " ".join((Path(command[0]).name, *command[1:3]))
    return f"{words}: out of time" if code is None else f"{words}: exit code {code}"


def run_process(command: Command, *, seconds: float) -> int | None:
    """Run the command in a group of its own and return its exit code, None when its time was over."""
    print(f"$ {' '.join((Path(command[0]).name, *command[1:]))}", flush=True)
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        return process.wait(timeout=max(seconds, 0))
    except subprocess.TimeoutExpired:
        print(f"out of time: stopping {command[0]}", flush=True)
        interrupt(process)
        return None
    except KeyboardInterrupt:
        interrupt(process)
        raise
    finally:
        signal_group(process.pid, signal.SIGKILL)
        kill_orphans()


def interrupt(process: subprocess.Popen[bytes], seconds: float = STOP_SECONDS) -> None:
    """Let the command clean up behind itself, then end it."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        signal_group(process.pid, signal.SIGKILL)
        process.wait()


def signal_group(group: int, number: signal.Signals) -> None:
    """Signal a process group that may be gone."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def adopt_orphans() -> None:
    """Become the parent of whatever a suite leaves behind, so that it can be found."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def kill_orphans() -> None:
    """Kill and reap every process that a suite left behind; killing one may bring up the next."""
    apart = {process.pid for process in APART.values()}
    while any(kill_child(pid) for pid in children() if pid not in apart):
        continue


def kill_child(pid: int) -> bool:
    """Kill and reap a child; False where it runs as somebody else, whom sudo made it."""
    try:
        os.kill(pid, signal.SIGKILL)
    except PermissionError:
        return False
    os.waitpid(pid, 0)
    return True


def children() -> Iterator[int]:
    """The processes whose parent is this one, from /proc."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = entry.read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if int(parent) == os.getpid():
            yield int(entry.parent.name)


def read_results(path: Path) -> Count:
    """Count the tests in pytest's own report; a run that wrote none counted nothing."""
    if not path.exists():
        return Count()
    suites = ElementTree.parse(path).getroot().iter("testsuite")
    total = Count()
    for suite in suites:
        tests, failed, skipped = (
            int(suite.get("tests", 0)),
            int(suite.get("failures", 0)) + int(suite.get("errors", 0)),
            int(suite.get("skipped", 0)),
        )
        total += Count(passed=max(tests - failed - skipped, 0), failed=failed, skipped=skipped)
    return total


def install(packages: Sequence[str]) -> dict[str, str]:
    """Install what is missing where we may, and return the reason for each package that is missing still."""
    wanted = [package for package in packages if not installed(package)]
    if not wanted:
        return {}
    if not shutil.which("apt-get"):
        return {name: f"needs Debian's {name}, and this machine has no apt-get" for name in wanted}
    prefix = become_root()
    if prefix is None:
        return {name: f"needs {name}; run as root or: sudo apt-get install {name}" for name in wanted}
    print(f"=== installing {' '.join(wanted)}", flush=True)
    environment = (
        *prefix,
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "-qq",
        "-o",
        "DPkg::Lock::Timeout=300",
    )
    with no_daemons(prefix):
        for step in (("update",), ("install", "-y", "--no-install-recommends", *wanted)):
            subprocess.run((*environment, *step), stdout=subprocess.DEVNULL, check=False)
    return {name: f"apt-get could not install {name}" for name in wanted if not installed(name)}


def installed(package: str) -> bool:
    """Whether Debian's package is on this machine."""
    if not shutil.which("dpkg-query"):
        return False
    query = ("dpkg-query", "--show", "--showformat=${db:Status-Status}", package)
    answer = subprocess.run(query, capture_output=True, text=True, check=False, timeout=60)
    return answer.stdout == "installed"


def become_root() -> tuple[str, ...] | None:
    """What goes before a command that needs root: nothing for root, sudo where it asks nothing, else None."""
    if os.geteuid() == 0:
        return ()
    if not shutil.which("sudo"):
        return None
    asks_nothing = subprocess.run(("sudo", "-n", "true"), capture_output=True, check=False, timeout=60)
    return ("sudo", "-n") if asks_nothing.returncode == 0 else None


@contextlib.contextmanager
def no_daemons(prefix: tuple[str, ...]) -> Iterator[None]:
    """Keep packages from starting their servers meanwhile; a policy that stands there is left alone."""
    if POLICY.exists():
        yield
        return
    write = ("sh", "-c", f"printf '#!/bin/sh\\nexit 101\\n' > {POLICY} && chmod 755 {POLICY}")
    subprocess.run((*prefix, *write), check=True, timeout=60)
    try:
        yield
    finally:
        subprocess.run((*prefix, "rm", "-f", str(POLICY)), check=True, timeout=60)


def report(outcomes: Sequence[Outcome], *, minutes: float, budget_minutes: float) -> int:
    """Print the table and the sum, and return the exit code; `minutes` counts the packages too."""
    print(f"\n{'suite':<14}{'result':<10}{'minutes':>8}{'budget':>8}{'passed':>8}{'failed':>8}{'skipped':>9}")
    total = Count()
    for each in outcomes:
        total += each.count
        print(
            f"{each.name:<14}{each.word:<10}{each.seconds / 60:>8.1f}{each.budget_minutes:>8.1f}"
            f"{each.count.passed:>8}{each.count.failed:>8}{each.count.skipped:>9}"
            f"{'  ' + each.why if each.why else ''}"
        )
    print(f"{'in all':<24}{minutes:>8.1f}{budget_minutes:>8.1f}\n\n{total}")
    return 1 if total.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
