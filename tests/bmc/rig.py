"""Debian's ipmi_sim, one process per BMC on a free port of 127.0.0.1, and the port over IPMI that speaks to it."""

from __future__ import annotations

import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from unit_tests.adapters.fencing.rig import told_once
from unit_tests.ports.power_contract import Fault
from vmha.adapters.clock import SystemClock
from vmha.adapters.fencing.inventory import Inventory, IpmiDevice
from vmha.adapters.fencing.ipmi import IpmiPowerDevices
from vmha.ports import Deadline

SCRIPT = Path(__file__).with_name("chassis.sh")
PASSWORD = "secret"
START_SECONDS = 60.0
# Ten tries of 2 s are enough for a BMC on a machine that stands still; who waits for one that is silent tries once.
PATIENCE = ("-N", "2", "-R", "10")
NONE = ("-N", "1", "-R", "1")
# Get Channel Authentication Capabilities, which a BMC answers before any login.
ARE_YOU_THERE = bytes.fromhex("0600ff07000000000000000000092018c88100388e04b5")
LAN = """\
name "{name}"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 {port}
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid {guid}
  endlan
  chassis_control "/bin/sh {script} {folder}"
  user 1 true "" "test" user 10 none md2 md5 straight
  user 2 true "admin" "{password}" admin 10 none md2 md5 straight
"""
# 0x80 of 0x9f is the chassis; the numbers after it are the maker's, the product's and the firmware's, and mean nothing.
EMULATION = """\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
mc_enable 0x20
"""


def program(name: str, package: str) -> str:
    """Return the path of a program; without it the test fails, for here it is the point."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        pytest.fail(f"{name} is not installed; run: apt-get install {package}")
    return found


class IpmiSim:
    """One BMC with a machine that is a file."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.guid = uuid4()
        self.port = free_port()
        self._folder = folder
        (folder / "state").mkdir(parents=True)
        (folder / "power").write_text("1")
        (folder / "lan.conf").write_text(
            LAN.format(
                name=name,
                port=self.port,
                guid=self.guid.hex,
                script=SCRIPT,
                folder=folder,
                password=PASSWORD,
            )
        )
        (folder / "sim.emu").write_text(EMULATION)
        self._log = (folder / "log").open("wb")
        command = (
            *(program("ipmi_sim", "openipmi"), "-c", str(folder / "lan.conf"), "-f", str(folder / "sim.emu")),
            *("-s", str(folder / "state"), "-n"),
        )
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True
        )

    @property
    def endpoint(self) -> str:
        """Address and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def is_on(self) -> bool:
        """Whether the machine runs."""
        return (self._folder / "power").read_text().strip() == "1"

    @is_on.setter
    def is_on(self, on: bool) -> None:
        (self._folder / "power").write_text(f"{int(on)}\n")

    @property
    def orders(self) -> int:
        """How many orders its chassis got. It cannot tell a packet that IPMI sent again from an order."""
        orders = self._folder / "orders"
        return len(told_once(orders.read_text().splitlines())) if orders.exists() else 0

    def spoil(self, fault: Fault) -> None:
        """Let the chassis script err."""
        (self._folder / fault.name.lower()).touch()

    def wait(self) -> None:
        """Return when it answers."""
        end = time.monotonic() + START_SECONDS
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
            caller.settimeout(0.05)
            caller.connect(("127.0.0.1", self.port))
            while time.monotonic() < end and self.process.poll() is None:
                try:
                    caller.send(ARE_YOU_THERE)
                    caller.recv(100)
                except (TimeoutError, ConnectionRefusedError):
                    continue
                return
        pytest.fail(f"ipmi_sim does not answer on {self.endpoint}: {(self._folder / 'log').read_text()}")

    def stop(self) -> None:
        """End the process, also a stopped one."""
        self.process.kill()
        self.process.wait()
        self._log.close()


class IpmiSimRig:
    """A BMC for each host, and the devices that know them, as they are after the faults so far."""

    def __init__(self, folder: Path, hosts: tuple[str, ...] = ("c1", "c2")) -> None:
        self.sims = {host: IpmiSim(host, folder / host) for host in hosts}
        self._passwords = dict.fromkeys(hosts, PASSWORD)
        self._guids = {host: sim.guid for host, sim in self.sims.items()}
        for sim in self.sims.values():
            sim.wait()
        self.devices = self._speak()

    def _speak(self) -> IpmiPowerDevices:
        devices = {
            host: IpmiDevice(
                host=host,
                address="127.0.0.1",
                port=sim.port,
                user="admin",
                password=self._passwords[host],
                system_guid=self._guids[host],
            )
            for host, sim in self.sims.items()
        }
        return IpmiPowerDevices(Inventory(source="/etc/masakari/fencing.yaml", devices=devices), calls=32)

    def know_as(self, host: str, guid: UUID) -> None:
        """Let the inventory have another GUID for a host."""
        self._guids[host] = guid
        self._speak_anew()

    def _speak_anew(self) -> None:
        self.devices.close()
        self.devices = self._speak()

    def stop(self) -> None:
        """End all BMCs and what speaks to them."""
        self.devices.close()
        for sim in self.sims.values():
            sim.stop()

    def deadline(self, seconds: float) -> Deadline:
        """The point so many seconds from now."""
        return Deadline(at=SystemClock().monotonic() + seconds)

    def address(self, host: str) -> str:
        """The address of a host's BMC."""
        return self.sims[host].endpoint

    def set_power(self, host: str, *, on: bool) -> None:
        """Switch the machine without its BMC."""
        self.sims[host].is_on = on

    def is_on(self, host: str) -> bool:
        """Tell whether the machine really runs."""
        return self.sims[host].is_on

    def orders(self, host: str) -> int:
        """How many orders have reached the BMC."""
        return self.sims[host].orders

    def inflict(self, host: str, fault: Fault) -> None:
        """Let a fault befall the BMC, or the inventory where that comes to the same."""
        match fault:
            case Fault.SILENT:
                self.sims[host].process.send_signal(signal.SIGSTOP)
            case Fault.BAD_PASSWORD:
                self._passwords[host] = "another"
                self._speak_anew()
            case Fault.SWAPPED:
                self.know_as(host, uuid4())
            case _:
                self.sims[host].spoil(fault)


def free_port() -> int:
    """Choose a UDP port of 127.0.0.1 below those that the system gives out by itself; nobody had it a moment ago."""
    ports = random.sample(range(20_000, 30_000), 100)
    return next(port for port in ports if is_free(port))


def is_free(port: int) -> bool:
    """Tell whether somebody could have the UDP port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Ipmitool:
    """Debian's ipmitool, speaking to one BMC."""

    def __init__(self, port: int, password: str = PASSWORD, patience: tuple[str, ...] = PATIENCE) -> None:
        self._command = (
            *(program("ipmitool", "ipmitool"), "-I", "lanplus", "-C", "3", "-H", "127.0.0.1", "-p", str(port)),
            *("-U", "admin", "-P", password, *patience),
        )

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it and return what it said."""
        return subprocess.run((*self._command, *arguments), capture_output=True, text=True, timeout=120, check=False)
