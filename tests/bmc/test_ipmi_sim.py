"""The port over IPMI against Debian's ipmi_sim, a BMC that is not ours."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest

from tests.bmc.rig import IpmiSimRig, Ipmitool
from unit_tests.adapters.fencing.rig import children
from unit_tests.ports.power_contract import ENOUGH, PowerDevicesContract, failure
from vmha.adapters.clock import SystemClock
from vmha.core.model import Power, PowerTrouble
from vmha.ports import PowerError

# Twenty processes that start at once on a machine with other work.
BUSY = 120.0


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[IpmiSimRig]:
    """Two BMCs."""
    found = IpmiSimRig(tmp_path)
    yield found
    found.stop()


class TestContract(PowerDevicesContract):
    """The contract of the port."""


def test_the_guid_as_ipmitool_prints_it_is_taken(rig: IpmiSimRig) -> None:
    """A GUID copied from `ipmitool mc guid` into the inventory identifies the BMC."""
    said = Ipmitool(rig.sims["c1"].port)("mc", "guid").stdout
    printed = UUID(said.splitlines()[0].rpartition(":")[2].strip())
    rig.know_as("c1", printed)
    assert rig.devices.read("c1", deadline=rig.deadline(ENOUGH))[0] is Power.ON


def test_we_and_ipmitool_see_the_same(rig: IpmiSimRig) -> None:
    """What we switch off is off for ipmitool, and what it switches on is on for us."""
    tool = Ipmitool(rig.sims["c1"].port)
    rig.devices.off("c1", deadline=rig.deadline(ENOUGH))
    assert "is off" in tool("power", "status").stdout
    tool("power", "on")
    assert rig.devices.read("c1", deadline=rig.deadline(ENOUGH))[0] is Power.ON


def test_many_bmcs_at_once(tmp_path: Path) -> None:
    """Twenty machines are switched off at the same time, and each reads OFF.

    IPMI sends a packet again whose answer is late, and gives a BMC up that is slow three times; on a busy machine some of twenty
    may be. They are called again, as the engine would.
    """
    hosts = tuple(f"c{number}" for number in range(20))
    rig = IpmiSimRig(tmp_path, hosts)
    end = rig.deadline(BUSY)

    def off(host: str) -> Power:
        rig.devices.off(host, deadline=end)
        return rig.devices.read(host, deadline=end)[0]

    def off_at_last(host: str) -> Power:
        while True:
            try:
                return off(host)
            except PowerError as error:
                if error.trouble is not PowerTrouble.SILENT or SystemClock().monotonic() >= end.at:
                    raise

    try:
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(off_at_last, hosts))
        assert answers == [Power.OFF] * 20
        assert not any(rig.is_on(host) for host in hosts)
    finally:
        rig.stop()


def test_a_bmc_that_is_gone_is_silent(rig: IpmiSimRig) -> None:
    """A BMC whose port nobody listens on any more is SILENT before the default deadline."""
    rig.sims["c1"].stop()
    error = failure(lambda: rig.devices.read("c1", deadline=rig.deadline(8.0)))
    assert error.trouble is PowerTrouble.SILENT


def test_nothing_is_left_behind(rig: IpmiSimRig) -> None:
    """After calls to well and ill BMCs and close(), this process has no child but the BMCs themselves."""
    rig.devices.read("c1", deadline=rig.deadline(ENOUGH))
    rig.sims["c2"].stop()
    failure(lambda: rig.devices.read("c2", deadline=rig.deadline(1.0)))
    rig.devices.close()
    assert children() == [rig.sims["c1"].process.pid]
