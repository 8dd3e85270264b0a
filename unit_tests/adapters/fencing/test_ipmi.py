"""The port over IPMI against simulated BMCs on real UDP."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from uuid import UUID

import pytest

from unit_tests.adapters.fencing.rig import (
    GATE_SECONDS,
    NO_PRIVILEGE,
    PASSWORD,
    SOURCE,
    SimulatedRig,
    deadline,
    device,
    hole,
    speaking_to,
    workers,
)
from unit_tests.ports.power_contract import ENOUGH, SHORT, Fault, PowerDevicesContract, PowerRig, failure, silence
from vmha.adapters.fencing.inventory import IpmiDevice
from vmha.core.model import Power, PowerTrouble


@pytest.fixture
def rig() -> Iterator[PowerRig]:
    """Two simulated BMCs."""
    found = SimulatedRig()
    yield found
    found.stop()


class TestContract(PowerDevicesContract):
    """The contract of the port."""


def test_what_the_bmc_said_is_in_the_message(rig: SimulatedRig) -> None:
    """An order refused with a completion code gives the code in words and as a number."""
    rig.inflict("c1", Fault.FAILING)
    assert failure(lambda: rig.devices.off("c1", deadline=deadline(ENOUGH))).detail == (
        f"cannot power off c1: its BMC {rig.address('c1')} answered "
        '"command not supported in present state" (completion code 0xd5);'
        " try ipmitool on it and look into its event log"
    )


def test_a_user_without_privilege_is_named(rig: SimulatedRig) -> None:
    """An order refused for the user's privilege is BAD_CREDENTIALS, not an error of the BMC."""
    rig.inflict("c1", Fault.FAILING)
    rig.chassis["c1"].refusal = NO_PRIVILEGE
    error = failure(lambda: rig.devices.off("c1", deadline=deadline(ENOUGH)))
    assert error.trouble is PowerTrouble.BAD_CREDENTIALS
    assert "refused user admin (insufficient privilege level)" in error.detail


def test_both_guids_are_in_the_message(rig: SimulatedRig) -> None:
    """A wrong identity names the GUID of the BMC, that of the inventory, and what to correct."""
    chassis = rig.chassis["c1"]
    expected, chassis.guid = chassis.guid, UUID("a1234567-89ab-cdef-a123-456789abcdef")
    assert failure(lambda: rig.devices.read("c1", deadline=deadline(ENOUGH))).detail == (
        f"cannot read power of c1: its BMC {rig.address('c1')} says that its system GUID is "
        f"674523a1-ab89-efcd-a123-456789abcdef, where {SOURCE} has {expected};"
        " correct address or system_guid, whichever is wrong"
    )


def test_a_bmc_that_gives_no_guid_is_not_believed(rig: SimulatedRig) -> None:
    """Where the inventory has a GUID and the BMC gives none, there is no reading."""
    rig.chassis["c1"].guid = None
    error = failure(lambda: rig.devices.read("c1", deadline=deadline(ENOUGH)))
    assert error.trouble is PowerTrouble.WRONG_IDENTITY
    assert "when asked for its system GUID" in error.detail


def test_without_a_guid_in_the_inventory_no_identity_is_asked_for(rig: SimulatedRig) -> None:
    """A host without system_guid is read, whatever GUID its BMC has or has not."""
    rig.chassis["c1"].guid = None
    with speaking_to(device("c1", rig.bmcs["c1"].port)) as devices:
        assert devices.read("c1", deadline=deadline(ENOUGH)) == (Power.ON, rig.address("c1"))


def test_an_unknown_user_is_named(rig: SimulatedRig) -> None:
    """A user whom the BMC does not know is BAD_CREDENTIALS."""
    stranger = IpmiDevice(host="c1", address="127.0.0.1", port=rig.bmcs["c1"].port, user="stranger", password=PASSWORD)
    with speaking_to(stranger) as devices:
        error = failure(lambda: devices.read("c1", deadline=deadline(ENOUGH)))
    assert error.trouble is PowerTrouble.BAD_CREDENTIALS
    assert "refused user stranger (Unauthorized name in RAKP2)" in error.detail


def test_a_name_that_nobody_knows_is_an_error() -> None:
    """An address that cannot be resolved is told from a BMC that is silent."""
    nowhere = IpmiDevice(host="c1", address="bmc.invalid", port=623, user="admin", password=PASSWORD)
    with speaking_to(nowhere) as devices:
        error = failure(lambda: devices.read("c1", deadline=deadline(ENOUGH)))
    assert error.trouble is PowerTrouble.ERROR
    assert "its BMC bmc.invalid:623 cannot be reached" in error.detail


@pytest.mark.slow
def test_silence_is_known_before_the_deadline() -> None:
    """A BMC that never answers is SILENT within the default deadline of 8 s, without being killed for it.

    It takes some 6 s; where the machine itself stands still meanwhile, it is tried again.
    """
    with hole() as silent, speaking_to(device("c1", silent.getsockname()[1])) as devices:
        for _ in range(4):
            limit = deadline(8.0)
            error = failure(lambda at=limit: devices.read("c1", deadline=at))
            assert error.trouble is PowerTrouble.SILENT
            if time.monotonic() < limit.at:
                return
    pytest.fail("it was always killed at its deadline")


@pytest.mark.slow
def test_a_slow_bmc_is_waited_for(rig: SimulatedRig) -> None:
    """An answer that comes late, but before the deadline, counts."""
    rig.wire["c1"].delay_seconds = 1.2
    assert rig.devices.read("c1", deadline=deadline(ENOUGH)) == (Power.ON, rig.address("c1"))


def test_a_reading_after_the_deadline_does_not_count(rig: SimulatedRig) -> None:
    """An answer that comes after the deadline is none."""
    rig.wire["c1"].delay_seconds = 1.5
    error = silence(lambda: rig.devices.read("c1", deadline=deadline(SHORT)))
    assert error.trouble is PowerTrouble.SILENT


def test_twenty_bmcs_are_read_side_by_side() -> None:
    """Twenty calls are under way at the same time: none is answered before the last BMC has its own."""
    hosts = tuple(f"c{number}" for number in range(20))
    rig = SimulatedRig(hosts)
    try:
        for chassis in rig.chassis.values():
            chassis.gate.clear()
        with ThreadPoolExecutor(20) as pool:
            answers = pool.map(lambda host: rig.devices.read(host, deadline=deadline(GATE_SECONDS)), hosts)
            assert all(chassis.begun.wait(GATE_SECONDS) for chassis in rig.chassis.values())
            for chassis in rig.chassis.values():
                chassis.gate.set()
            assert list(answers) == [(Power.ON, rig.address(host)) for host in hosts]
    finally:
        rig.stop()


def test_a_hung_bmc_delays_no_other(rig: SimulatedRig) -> None:
    """While a call to one BMC hangs, calls to another come and go."""
    with under_way(rig, "c1") as hung:
        for _ in range(3):
            assert rig.devices.read("c2", deadline=deadline(ENOUGH))[0] is Power.ON
        assert not hung.done()


def test_one_bmc_hears_one_call_at_a_time(rig: SimulatedRig) -> None:
    """A call waits while another one to the same BMC is under way; past its deadline it has sent nothing."""
    with under_way(rig, "c1"):
        error = failure(lambda: rig.devices.off("c1", deadline=deadline(0.1)))
        assert len(workers()) == 1
    assert error.trouble is PowerTrouble.ERROR
    assert error.detail == (
        f"cannot power off c1: nothing was sent to its BMC {rig.address('c1')}:"
        " another call to it is still under way; try later"
    )
    assert rig.devices.read("c1", deadline=deadline(ENOUGH))[0] is Power.ON
    assert rig.orders("c1") == 0


def test_no_more_calls_at_once_than_allowed() -> None:
    """A call beyond `calls` waits; past its deadline it has sent nothing, and its BMC is free again."""
    rig = SimulatedRig(calls=1)
    try:
        with under_way(rig, "c1"):
            error = failure(lambda: rig.devices.off("c2", deadline=deadline(0.1)))
            assert len(workers()) == 1
        assert "1 other calls are under way, the most that [fencing] power_calls allows" in error.detail
        assert rig.devices.read("c2", deadline=deadline(ENOUGH))[0] is Power.ON
        assert rig.orders("c2") == 0
    finally:
        rig.stop()


@contextmanager
def under_way(rig: SimulatedRig, host: str) -> Iterator[Future[Power]]:
    """Keep a reading of `host` under way; its answer comes afterwards, and is ON."""
    chassis = rig.chassis[host]
    chassis.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(lambda: rig.devices.read(host, deadline=deadline(GATE_SECONDS))[0])
        try:
            assert chassis.begun.wait(GATE_SECONDS)
            yield call
        finally:
            chassis.gate.set()
        assert call.result() is Power.ON


def test_waiting_callers_get_their_turn(rig: SimulatedRig) -> None:
    """Many callers of one BMC are served one after the other, and none of them disturbs another."""
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: rig.devices.read("c1", deadline=deadline(ENOUGH))[0], range(4)))
    assert answers == [Power.ON] * 4
    assert not workers()


def test_calls_leave_nothing_behind(rig: SimulatedRig) -> None:
    """A call ends with its child and starts no thread here that outlives it, and opens no file that stays open."""
    rig.devices.read("c1", deadline=deadline(ENOUGH))
    before = threading.active_count(), open_files()
    rig.devices.read("c1", deadline=deadline(ENOUGH))
    rig.inflict("c1", Fault.SILENT)
    silence(lambda: rig.devices.read("c1", deadline=deadline(SHORT)))
    assert (threading.active_count(), open_files()) == before
    assert not workers()


def open_files() -> int:
    """How many files this process has open."""
    return len(os.listdir("/proc/self/fd"))
