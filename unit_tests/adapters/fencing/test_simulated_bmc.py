"""The simulated BMC: what it does beyond the port's contract, which it passes in `test_ipmi.py`."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from unit_tests.adapters.fencing.rig import Chassis, deadline, device, eventually, speaking_to, told_once
from unit_tests.ports.power_contract import ENOUGH
from vmha.adapters.fencing import worker
from vmha.core.model import Power
from vmha.sim.bmc import SimulatedBmc

# Logs in and sends one command to the chassis, as any client may: port, number of the command, its data, our worker.
CLIENT = """
import json, runpy, sys
from pyghmi.ipmi.private import session as pyghmi
runpy.run_path(sys.argv[4])["stay_in_one_thread"](pyghmi)
client = pyghmi.Session("127.0.0.1", "admin", "secret", port=int(sys.argv[1]))
answer = client.raw_command(netfn=0, command=int(sys.argv[2]), data=json.loads(sys.argv[3]))
print(answer["code"])
client.logout()
"""


@pytest.fixture
def bmc() -> Iterator[SimulatedBmc]:
    """A BMC of a machine that runs."""
    with SimulatedBmc(Chassis()) as found:
        yield found


def read(bmc: SimulatedBmc) -> Power:
    """Read its power through the port."""
    with speaking_to(device("c1", bmc.port)) as devices:
        return devices.read("c1", deadline=deadline(ENOUGH))[0]


def send(bmc: SimulatedBmc, command: int, *data: int) -> int:
    """Send a command to the chassis; return the completion code."""
    arguments = (str(bmc.port), str(command), json.dumps(data), worker.__file__)
    ended = subprocess.run(
        (sys.executable, "-c", CLIENT, *arguments), capture_output=True, text=True, timeout=20, check=True
    )
    return int(ended.stdout)


def test_all_that_arrives_is_kept(bmc: SimulatedBmc) -> None:
    """Readings and orders are recorded in their order, with time and completion code."""
    read(bmc)
    assert send(bmc, 2, 0) == 0
    assert send(bmc, 2, 1) == 0
    told = told_once((received.command, received.code) for received in bmc.received)
    assert told == [("read", 0), ("off", 0), ("on", 0)]
    assert sorted(bmc.received, key=lambda received: received.at) == list(bmc.received)


@pytest.mark.parametrize(("order", "name"), [(2, "cycle"), (3, "reset"), (5, "soft off")])
def test_an_order_that_no_fence_sends_is_refused_and_kept(bmc: SimulatedBmc, order: int, name: str) -> None:
    """Cycle, reset and soft off change nothing, and the record shows that somebody tried."""
    assert send(bmc, 2, order) == 0xCC
    assert told_once(received.command for received in bmc.received) == [name]
    assert read(bmc) is Power.ON


def test_noise_is_dropped(bmc: SimulatedBmc) -> None:
    """Packets without sense, of every length, neither end the BMC nor disturb it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noise:
        for length in range(80):
            noise.sendto(os.urandom(length), ("127.0.0.1", bmc.port))
            noise.sendto((b"\x06\x00\xff\x07\x06\x10" + bytes(80))[:length], ("127.0.0.1", bmc.port))
            noise.sendto((b"\x06\x00\xff\x07\x06\xc0" + bytes(80))[:length], ("127.0.0.1", bmc.port))
    assert read(bmc) is Power.ON


def test_callers_that_vanish_do_not_fill_it(bmc: SimulatedBmc) -> None:
    """A hundred sessions that were opened and left do not keep the next caller out."""
    opening = (
        b"\x06\x00\xff\x07\x06\x10"
        + bytes(10)
        + bytes(8)
        + (b"\0\0\0\x08\x01\0\0\0\x01\0\0\x08\x01\0\0\0\x02\0\0\x08\x01\0\0\0")
    )
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
            caller.settimeout(5)
            caller.sendto(opening, ("127.0.0.1", bmc.port))
            assert caller.recv(100)[17] == 0
    assert read(bmc) is Power.ON


def test_stopping_gives_everything_back() -> None:
    """After stop() its thread has ended and its port is free, also when it was silent."""
    before = threading.active_count()
    bmc = SimulatedBmc(Chassis()).start()
    bmc.faults.silent = True
    assert threading.active_count() == before + 1
    bmc.stop()
    assert threading.active_count() == before
    again = SimulatedBmc(Chassis(), port=bmc.port)
    assert again.endpoint == bmc.endpoint
    again.stop()


def test_a_session_ends_with_its_caller(bmc: SimulatedBmc) -> None:
    """A caller that logs out leaves no session behind."""
    read(bmc)
    eventually(lambda: not bmc.sessions)
