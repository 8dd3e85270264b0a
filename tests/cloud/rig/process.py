"""Background processes that outlive the command which starts them, and nothing but them is ever ended.

A process is ours when its pid, its start time and the boot of this machine are those that were written down
when it was started. A pid alone is not enough: the kernel gives old numbers to new processes.
"""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.cloud.rig.errors import RigError
from tests.cloud.rig.waiting import until


@dataclasses.dataclass(frozen=True, slots=True)
class Daemon:
    """One background process: how it is started, where it writes, and the file that remembers it."""

    name: str
    command: tuple[str, ...]
    pid_file: Path
    log: Path
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def start(self) -> None:
        """Start the process in a session of its own; do nothing when it runs."""
        if self.alive():
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.pid_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**_clean_environment(), **self.environment},
                start_new_session=True,
            )
        identity = {"pid": process.pid, "started": _start_time(process.pid), "boot": _boot()}
        self.pid_file.write_text(json.dumps(identity))

    def alive(self) -> bool:
        """Say whether our process runs; a zombie does not."""
        return self.pid() is not None

    def pid(self) -> int | None:
        """Return the pid of our process, or None when it does not run."""
        try:
            identity = json.loads(self.pid_file.read_text())
        except (OSError, ValueError):
            return None
        pid = int(identity["pid"])
        if identity["boot"] != _boot() or identity["started"] is None:
            return None
        return pid if _start_time(pid) == identity["started"] else None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and all its children; do nothing when it does not run."""
        pid = self.pid()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)

    def kill(self) -> None:
        """End the process and its children at once, as a power cut does, and return when they are gone."""
        self.signal(signal.SIGKILL)
        until(lambda: not self.alive(), f"{self.name} dies of SIGKILL", timeout_seconds=10, poll_seconds=0.005)

    def stop(self, grace_seconds: float = 20) -> None:
        """Ask the process to end, and kill it and its children when it does not."""
        pid = self.pid()
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            # A process that a test has stopped would never hear of it.
            os.kill(pid, signal.SIGCONT)
        with contextlib.suppress(RigError):
            until(lambda: not self.alive(), self.name, timeout_seconds=grace_seconds, poll_seconds=0.05)
        self.kill()

    def expect_alive(self) -> None:
        """Raise RigError with the last lines of the log when the process is gone."""
        if not self.alive():
            raise RigError(f"{self.name} ended by itself; see {self.log}\n{last_lines(self.log)}")

    def to_json(self) -> str:
        """Write the daemon down, so that another process can start it."""
        return json.dumps(
            {
                "name": self.name,
                "command": list(self.command),
                "pid_file": str(self.pid_file),
                "log": str(self.log),
                "environment": dict(self.environment),
            },
            indent=1,
        )

    @classmethod
    def from_json(cls, text: str) -> "Daemon":
        """Read back what `to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        return cls(
            name=values["name"],
            command=tuple(values["command"]),
            pid_file=Path(values["pid_file"]),
            log=Path(values["log"]),
            environment=values["environment"],
        )


def run(command: Sequence[str], log: Path, cwd: Path | None = None) -> None:
    """Run a program to its end; what it says goes to the log. Raises RigError with the end of the log when it fails."""
    with log.open("ab") as output:
        output.write(f"$ {' '.join(command)}\n".encode())
        output.flush()
        finished = subprocess.run(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd=cwd, check=False)
    if finished.returncode:
        raise RigError(f"{' '.join(command)} failed with {finished.returncode}; see {log}\n{last_lines(log)}")


def last_lines(log: Path, count: int = 5) -> str:
    """Return the end of a log file, indented for an error message."""
    try:
        lines = log.read_text(errors="replace").splitlines()[-count:]
    except OSError:
        return ""
    return "\n".join(f"    {line[:300]}" for line in lines)


def _clean_environment() -> dict[str, str]:
    """Leave out what belongs to the caller's own Python, and the proxies: nothing here leaves the machine."""
    unwanted = ("PYTHON", "VIRTUAL_ENV", "OS_", "RABBITMQ_", "ERL_", "PYTEST_")
    proxies = {"http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted) and name not in proxies}


def _start_time(pid: int) -> str | None:
    """Return the start time of a process in clock ticks since boot, or None when it is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name in brackets may hold anything; what follows it is: state, ppid, ..., start time as field 22.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
