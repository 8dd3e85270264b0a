"""A simulated host: a power switch, and a nova-compute that can run only while the power is on.

The two are separate on purpose. Cutting the power kills nova-compute; killing nova-compute leaves the power on,
and then the management controller rightly says so.
"""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from tests.cloud.rig.errors import RigError
from tests.cloud.rig.process import Daemon


class Machine:
    """One host. Its folder is its only state, so that every process of the test sees the same machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, compute: Daemon) -> None:
        """Write down what the machine runs when it is powered on. A new machine is off."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "boot.json").write_text(compute.to_json())

    def powered(self) -> bool:
        """Say whether the power is on."""
        try:
            return (self.folder / "power").read_text() == "on"
        except FileNotFoundError:
            return False

    def compute_alive(self) -> bool:
        """Say whether nova-compute runs."""
        return self._compute().alive()

    def power_on(self) -> None:
        """Switch the power on, whereupon nova-compute starts; do nothing to a machine that is on."""
        with self._alone():
            if not self.powered():
                self._write_power("on")
                self._compute().start()

    def power_off(self) -> None:
        """Cut the power: nova-compute is gone before the power reads off."""
        with self._alone():
            self._compute().kill()
            self._write_power("off")

    def start_compute(self) -> None:
        """Start nova-compute alone. Raises RigError while the power is off."""
        with self._alone():
            if not self.powered():
                raise RigError(f"{self.folder.name} has no power; its nova-compute cannot start")
            self._compute().start()

    def kill_compute(self) -> None:
        """Kill nova-compute alone; the power stays as it is."""
        with self._alone():
            self._compute().kill()

    def stop(self) -> None:
        """End nova-compute and leave the switch as it is: the whole cloud goes down.

        Killed, because these computes are used to it and an orderly end takes them seven seconds.
        """
        if (self.folder / "boot.json").exists():
            self.kill_compute()

    def _compute(self) -> Daemon:
        return Daemon.from_json((self.folder / "boot.json").read_text())

    def _write_power(self, state: str) -> None:
        new = self.folder / "power.new"
        new.write_text(state)
        new.replace(self.folder / "power")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep out every other process that would switch this machine at the same time."""
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
