"""An engine as a process of its own that kills or stops itself at a chosen step: `engine_process.py --config-file FILE [--die|--stop STEP]`.

STEP is NAME:NUMBER:WHEN, such as `evacuate:2:after`: at the second step of that name, just after it was done. The names are those of
`unit_tests/engine/crash_rig.py`. Without a step it is an engine like any other.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import TypeVar

from vmha.threads import choose_threads

choose_threads()

from unit_tests.engine.crash_rig import Fuse, FusedNova, FusedPower, FusedStore  # noqa: E402 - oslo after the choice of threads
from vmha.adapters.clock import SystemClock  # noqa: E402
from vmha.adapters.db.store import SqlStore  # noqa: E402
from vmha.adapters.fencing.inventory import load_inventory  # noqa: E402
from vmha.adapters.fencing.ipmi import IpmiPowerDevices  # noqa: E402
from vmha.adapters.nova import open_nova  # noqa: E402
from vmha.cli.serving import run_engine  # noqa: E402
from vmha.cli.signals import Signals  # noqa: E402
from vmha.logs import set_up_logging  # noqa: E402
from vmha.settings import load  # noqa: E402
from vmha.wiring import build_database, build_engine  # noqa: E402

T = TypeVar("T")


class Fate(Fuse):
    """Kills this process, threads and all, at one step; or stops it there, and it goes on from there when it is woken."""

    def __init__(self, *, die: str | None, stop: str | None) -> None:
        super().__init__()
        self._counting, self._storing = threading.Lock(), threading.RLock()
        name, number, when = (die or stop or "never:0:before").split(":")
        self._name, self._number, self._after = name, int(number), when == "after"
        self._signal = signal.SIGKILL if die else signal.SIGSTOP

    def pass_by(self, name: str, act: Callable[[], T]) -> T:
        """Do a step, with the blow before or after it.

        No other step is in the middle of a transaction then: one that stands still would hold its locks, as a connection that hangs.
        """
        with self._counting:
            self.steps.append(name)
            is_here = name == self._name and self.steps.count(name) == self._number
        is_stored = name.partition(" ")[0] in STORED
        with self._storing if is_here or is_stored else nullcontext():
            if is_here and not self._after:
                self._strike()
            answer = act()
            if is_here and self._after:
                self._strike()
            return answer

    def _strike(self) -> None:
        # To this thread, which stands still at once; what is sent to the process may reach another one first.
        signal.pthread_kill(threading.get_ident(), self._signal)


STORED = ("claim", "renew", "commit", "admit")
"""The steps that are transactions."""


def main() -> int:
    """Run until SIGTERM, or until the step."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config-file", required=True)
    parser.add_argument("--die")
    parser.add_argument("--stop")
    options = parser.parse_args()
    settings = load(["--config-file", options.config_file], "engine_process")
    set_up_logging(settings.log, engine=settings.engine, program="engine_process")
    fuse, database = Fate(die=options.die, stop=options.stop), build_database(settings)
    devices = IpmiPowerDevices(load_inventory(settings.fencing.inventory), calls=settings.fencing.power_calls)
    process = build_engine(
        settings,
        database,
        store=FusedStore(SqlStore(database), fuse),
        nova=FusedNova(open_nova(settings, clock=SystemClock()), fuse),
        power=FusedPower(devices, fuse),
    )
    run_engine(process, settings, Signals(check=None).stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
