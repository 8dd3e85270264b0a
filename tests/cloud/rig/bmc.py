"""The management controllers: one real `ipmi_sim` per host, each on a UDP port of its own."""

import contextlib
import dataclasses
import json
import shlex
import signal
import socket
import sys
import uuid
from pathlib import Path

from tests.cloud.rig import layout
from tests.cloud.rig.machine import Machine
from tests.cloud.rig.process import Daemon
from tests.cloud.rig.settings import ADDRESS, BMC_PASSWORD, BMC_USER, Settings
from tests.cloud.rig.waiting import until

CHECKOUT = Path(__file__).resolve().parents[3]
FAULTS = ("stuck", "liar", "slow", "refuses", "hangs")
# An RMCP presence ping (ASF 2.0, section 3.2.4.1): the one message that every controller answers to a stranger.
PRESENCE_PING = bytes.fromhex("0600ff06" + "000011be" + "80000000")


@dataclasses.dataclass(frozen=True, slots=True)
class BmcCall:
    """One thing that a controller was asked: `verb` get or set, and its words as ipmi_sim gave them."""

    time: float
    verb: str
    words: tuple[str, ...]
    answer: str

    @property
    def orders_power_off(self) -> bool:
        """Say whether this was an order that ends a running machine: off or reset."""
        pairs = zip(self.words[::2], self.words[1::2], strict=False)
        return self.verb == "set" and any(pair in (("power", "0"), ("reset", "1")) for pair in pairs)


class Bmc:
    """The controller of one host."""

    def __init__(self, settings: Settings, host: str) -> None:
        self.settings = settings
        self.host = host
        self.folder = settings.data / "hosts" / host
        self.machine = Machine(self.folder)
        self.port = settings.bmc_port(host)
        # A controller that tells who it is lets a wrong cable or a wrong inventory be noticed.
        self.guid = uuid.uuid5(uuid.NAMESPACE_DNS, f"bmc.{host}")

    def daemon(self) -> Daemon:
        """Describe the ipmi_sim process."""
        command = (
            "/usr/bin/ipmi_sim",
            f"--config-file={self._config()}",
            f"--command-file={layout.TEMPLATES / 'ipmi-sim.emu'}",
            f"--state-dir={self.folder / 'ipmi-state'}",
            "--nostdio",
        )
        return layout.daemon(self.settings, f"bmc-{self.host}", command)

    def start(self) -> None:
        """Start the controller, without faults, and return when it answers; one that is deaf starts anew."""
        (self.folder / "ipmi-state").mkdir(parents=True, exist_ok=True)
        (self.folder / "faults").mkdir(exist_ok=True)
        self.clear_faults()
        layout.write(self._config(), self._render())
        daemon = self.daemon()
        if not self._pings():
            daemon.kill()
        daemon.start()

        def answers() -> bool:
            daemon.expect_alive()
            return self._pings()

        until(answers, f"the controller of {self.host}", timeout_seconds=20, hint=str(daemon.log))

    def silence(self) -> None:
        """Make the controller deaf: its port is open and nothing answers, as behind a dead switch."""
        self.daemon().signal(signal.SIGSTOP)

    def close(self) -> None:
        """End the controller: its port is closed."""
        self.daemon().kill()

    def restore(self) -> None:
        """Let the controller answer again, without faults and without the orders it did not hear meanwhile."""
        # A stopped process keeps what arrived for it; only a new socket forgets.
        self.daemon().kill()
        self.start()

    def set_fault(self, fault: str, seconds: float | None = None) -> None:
        """Make the controller misbehave as `chassis.py` lists; slow and hangs take seconds."""
        if fault not in FAULTS:
            raise ValueError(f"no fault {fault!r}; there are {', '.join(FAULTS)}")
        (self.folder / "faults" / fault).write_text("" if seconds is None else str(seconds))

    def clear_faults(self) -> None:
        """Let the controller behave again."""
        for fault in FAULTS:
            (self.folder / "faults" / fault).unlink(missing_ok=True)

    def calls(self, since: float = 0.0) -> list[BmcCall]:
        """List what the controller was asked since the epoch time `since`, oldest first."""
        with contextlib.suppress(FileNotFoundError):
            lines = (self.folder / "calls").read_text().splitlines()
            calls = [BmcCall(**{**(call := json.loads(line)), "words": tuple(call["words"])}) for line in lines]
            return [call for call in calls if call.time >= since]
        return []

    def _pings(self) -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ping:
            ping.settimeout(0.3)
            try:
                ping.sendto(PRESENCE_PING, (ADDRESS, self.port))
                return bool(ping.recv(64))
            except OSError:
                return False

    def _config(self) -> Path:
        return layout.config_file(self.settings, f"bmc-{self.host}.conf")

    def _render(self) -> str:
        # No site packages: the script must answer within the second that clients grant a controller.
        script = ["env", f"PYTHONPATH={CHECKOUT}", sys.executable, "-S", "-m", "tests.cloud.rig.chassis"]
        return layout.fill(
            self.settings,
            "ipmi-lan.conf",
            host=self.host,
            port=self.port,
            # On the wire its first three fields have their bytes reversed, as SMBIOS and pyghmi have it.
            guid=self.guid.bytes_le.hex(),
            chassis=shlex.join([*script, str(self.folder)]),
            user=BMC_USER,
            password=BMC_PASSWORD,
        )
