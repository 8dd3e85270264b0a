"""An engine as a process of its own that kills itself at a chosen step: `engine_process.py --config-file FILE [--die STEP]`.

STEP is NAME:NUMBER:WHEN, such as `evacuate:2:after`: at the second step of that name, just after it was done. The names are those of
`unit_tests/engine/crash_rig.py`. Without --die it is an engine like any other.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable
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


class Killer(Fuse):
    """Kills this process, threads and all, at one step."""

    def __init__(self, step: str | None) -> None:
        super().__init__()
        self._lock = threading.Lock()
        name, number, when = (step or "never:0:before").split(":")
        self._name, self._number, self._after = name, int(number), when == "after"

    def pass_by(self, name: str, act: Callable[[], T]) -> T:
        """Do a step, or die before or after it."""
        with self._lock:
            self.steps.append(name)
            is_here = name == self._name and self.steps.count(name) == self._number
        if is_here and not self._after:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = act()
        if is_here:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


def main() -> int:
    """Run until SIGTERM, or until the step."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config-file", required=True)
    parser.add_argument("--die")
    options = parser.parse_args()
    settings = load(["--config-file", options.config_file], "engine_process")
    set_up_logging(settings.log, engine=settings.engine, program="engine_process")
    fuse, database = Killer(options.die), build_database(settings)
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
