"""Simulated BMCs on real UDP, and the port over IPMI that speaks to them."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

from unit_tests.ports.power_contract import Fault
from vmha.adapters.clock import SystemClock
from vmha.adapters.fencing import worker
from vmha.adapters.fencing.inventory import Inventory, IpmiDevice
from vmha.adapters.fencing.ipmi import IpmiPowerDevices
from vmha.ports import Deadline
from vmha.sim.bmc import MachineError, NoFaults, SimulatedBmc

Fact = TypeVar("Fact")
SOURCE = "/etc/masakari/fencing.yaml"
PASSWORD = "secret"
CHASSIS_CONTROL = (0x00, 0x02)
NOT_IN_THIS_STATE = 0xD5
NO_PRIVILEGE = 0xD4
# No test waits so long, unless it fails.
GATE_SECONDS = 40.0


class Chassis:
    """A machine as its BMC knows it, with what the BMC does wrong. A reading says that it began, and waits for `gate`."""

    def __init__(self) -> None:
        self.guid: UUID | None = uuid4()
        self.is_on = True
        self.faults: set[Fault] = set()
        self.refusal = NOT_IN_THIS_STATE
        self.begun = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self._stale_readings = 0

    def power(self) -> bool:
        """Show the power."""
        self.begun.set()
        self.gate.wait(GATE_SECONDS)
        if Fault.ALWAYS_OFF in self.faults:
            return False
        if self._stale_readings:
            self._stale_readings -= 1
            return False
        return self.is_on

    def power_off(self) -> None:
        """Take the order."""
        if Fault.FAILING in self.faults:
            raise MachineError(self.refusal)
        if Fault.STALE in self.faults:
            self._stale_readings = 1
        elif Fault.STUCK not in self.faults:
            self.is_on = False

    def power_on(self) -> None:
        """Take the order."""
        self.is_on = True


class CountingBmc(SimulatedBmc):
    """Counts the orders to switch power by caller and number, which a packet that IPMI sends again has from the first."""

    def __init__(self, machine: Chassis, faults: NoFaults) -> None:
        super().__init__(machine, password=PASSWORD, faults=faults)
        self.orders: set[tuple[object, int]] = set()

    def handle_raw_request(self, request: dict[str, Any], session: Any) -> None:
        """Note it before it is answered."""
        if (request["netfn"], request["command"]) == CHASSIS_CONTROL:
            self.orders.add((session.sockaddr, session.seqlun))
        super().handle_raw_request(request, session)


class SimulatedRig:
    """A BMC for each host, and the devices that know them."""

    def __init__(self, hosts: tuple[str, ...] = ("c1", "c2"), *, calls: int = 32) -> None:
        self.chassis = {host: Chassis() for host in hosts}
        self.wire = {host: NoFaults() for host in hosts}
        self.bmcs = {host: CountingBmc(self.chassis[host], self.wire[host]) for host in hosts}
        for bmc in self.bmcs.values():
            bmc.start()
        self.devices = IpmiPowerDevices(
            inventory(*(device(host, bmc.port, self.chassis[host].guid) for host, bmc in self.bmcs.items())),
            calls=calls,
        )

    def stop(self) -> None:
        """Stop all BMCs and what speaks to them."""
        for chassis in self.chassis.values():
            chassis.gate.set()
        for bmc in self.bmcs.values():
            bmc.stop()
        self.devices.close()

    def deadline(self, seconds: float) -> Deadline:
        """The point so many seconds from now."""
        return deadline(seconds)

    def address(self, host: str) -> str:
        """The address of a host's BMC."""
        return self.bmcs[host].endpoint

    def set_power(self, host: str, *, on: bool) -> None:
        """Switch the machine without its BMC."""
        self.chassis[host].is_on = on

    def is_on(self, host: str) -> bool:
        """Tell whether the machine really runs."""
        return self.chassis[host].is_on

    def orders(self, host: str) -> int:
        """How many orders have reached the BMC."""
        return len(self.bmcs[host].orders)

    def inflict(self, host: str, fault: Fault) -> None:
        """Let a fault befall the BMC."""
        self.wire[host].silent = fault is Fault.SILENT
        self.wire[host].bad_password = fault is Fault.BAD_PASSWORD
        if fault is Fault.SWAPPED:
            self.chassis[host].guid = uuid4()
        self.chassis[host].faults.add(fault)


def device(host: str, port: int, guid: UUID | None = None) -> IpmiDevice:
    """An entry of the inventory."""
    return IpmiDevice(host=host, address="127.0.0.1", port=port, user="admin", password=PASSWORD, system_guid=guid)


def inventory(*devices: IpmiDevice) -> Inventory:
    """An inventory with these devices."""
    return Inventory(source=SOURCE, devices={device.host: device for device in devices})


def deadline(seconds: float) -> Deadline:
    """The point so many seconds from now."""
    return Deadline(at=SystemClock().monotonic() + seconds)


@contextmanager
def speaking_to(*devices: IpmiDevice, calls: int = 32) -> Iterator[IpmiPowerDevices]:
    """The port over an inventory with these devices."""
    port = IpmiPowerDevices(inventory(*devices), calls=calls)
    try:
        yield port
    finally:
        port.close()


@contextmanager
def hole() -> Iterator[socket.socket]:
    """A UDP port of 127.0.0.1 that takes everything and answers nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taker:
        taker.bind(("127.0.0.1", 0))
        yield taker


def told_once(facts: Iterable[Fact]) -> list[Fact]:
    """Take the same fact in a row as one: IPMI sends a packet again whose answer is late, and a BMC notes both."""
    return [fact for fact, _ in groupby(facts)]


def eventually(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Return as soon as the condition holds; fail when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        time.sleep(0.005)


def children(parent: int | None = None) -> list[int]:
    """The children of a process, ours by default, that are alive or not yet buried."""
    parent = os.getpid() if parent is None else parent
    found: list[int] = []
    for tasks in Path(f"/proc/{parent}/task").glob("*/children"):
        found += [int(child) for child in tasks.read_text().split()]
    return found


def servers(parent: int | None = None) -> list[int]:
    """Those of them that fork the children which call BMCs."""
    return [child for child in children(parent) if worker.__file__ in commandline(child)]


def workers(parent: int | None = None) -> list[int]:
    """The processes that call a BMC now, on behalf of a process, ours by default."""
    return [child for server in servers(parent) for child in children(server)]


def commandline(process: int) -> str:
    """The arguments of a process, empty when it is gone."""
    return read_bytes(Path(f"/proc/{process}/cmdline")).replace(b"\0", b" ").decode()


def read_bytes(path: Path) -> bytes:
    """What a file of /proc holds, nothing when its process is gone."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def has_ended(process: int) -> bool:
    """Tell whether a process is gone, or waits to be buried by a parent that does not."""
    stat = read_bytes(Path(f"/proc/{process}/stat")).decode()
    return not stat or stat.rpartition(")")[2].split()[0] in "ZX"
