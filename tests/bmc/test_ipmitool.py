"""The simulated BMC against Debian's ipmitool, a client that is not ours."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest

from tests.bmc.rig import NONE, Ipmitool
from unit_tests.adapters.fencing.rig import SimulatedRig, told_once
from unit_tests.ports.power_contract import Fault


@pytest.fixture
def rig() -> Iterator[SimulatedRig]:
    """Two simulated BMCs."""
    found = SimulatedRig()
    yield found
    found.stop()


@pytest.fixture
def tool(rig: SimulatedRig) -> Ipmitool:
    """ipmitool, speaking to the BMC of c1."""
    return Ipmitool(rig.bmcs["c1"].port)


def test_power(rig: SimulatedRig, tool: Ipmitool) -> None:
    """ipmitool reads, switches off, reads again and switches on."""
    assert tool("power", "status").stdout == "Chassis Power is on\n"
    assert tool("power", "off").returncode == 0
    assert not rig.is_on("c1")
    assert tool("power", "status").stdout == "Chassis Power is off\n"
    assert tool("power", "on").returncode == 0
    assert rig.is_on("c1")
    assert told_once(received.command for received in rig.bmcs["c1"].received) == ["read", "off", "read", "on"]


def test_what_is_no_fence_is_refused(rig: SimulatedRig, tool: Ipmitool) -> None:
    """Soft off and cycle fail, and change nothing."""
    assert tool("power", "soft").returncode != 0
    assert tool("power", "cycle").returncode != 0
    assert rig.is_on("c1")


def test_who_it_is(rig: SimulatedRig, tool: Ipmitool) -> None:
    """ipmitool gets the GUID, in one of the orders that it knows, and the BMC's own data."""
    printed = UUID(tool("mc", "guid").stdout.splitlines()[0].rpartition(":")[2].strip())
    guid = rig.chassis["c1"].guid
    assert guid is not None
    assert printed.bytes in (guid.bytes, guid.bytes_le, guid.bytes_le[::-1], guid.bytes[::-1])
    assert tool("mc", "info").returncode == 0


def test_refusals(rig: SimulatedRig, tool: Ipmitool) -> None:
    """A wrong password, and a BMC whose password changed, keep ipmitool out; an order refused is shown as such."""
    port = rig.bmcs["c1"].port
    assert Ipmitool(port, password="wrong")("power", "status").returncode != 0
    rig.inflict("c2", Fault.BAD_PASSWORD)
    assert Ipmitool(rig.bmcs["c2"].port)("power", "status").returncode != 0
    rig.inflict("c1", Fault.FAILING)
    assert "not supported in present state" in tool("power", "off").stderr


def test_silence(rig: SimulatedRig) -> None:
    """A silent BMC lets ipmitool wait until it gives up."""
    rig.inflict("c1", Fault.SILENT)
    assert Ipmitool(rig.bmcs["c1"].port, patience=NONE)("power", "status").returncode != 0
    assert not rig.bmcs["c1"].received
