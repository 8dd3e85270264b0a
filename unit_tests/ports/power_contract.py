"""What every implementation of `PowerDevices` holds: the one in memory, the one over IPMI, against whatever BMC.

A test module makes a class of `PowerDevicesContract` and gives it a `rig` fixture.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Protocol

import pytest

from vmha.core.model import Power, PowerTrouble
from vmha.ports import Deadline, PowerDevices, PowerError

ENOUGH = 20.0
SHORT = 1.0
TRIES = 4


class Fault(Enum):
    """What a rig can do to a BMC."""

    SILENT = "it answers nothing"
    BAD_PASSWORD = "it has another password than the inventory"
    SWAPPED = "it is the BMC of another machine than the inventory says"
    FAILING = "it answers every order with an error"
    STUCK = "it takes an order to power off, and the machine stays on"
    STALE = "the same, and the first reading after the order shows OFF"
    ALWAYS_OFF = "it shows OFF whatever is true"


class PowerRig(Protocol):
    """An implementation with machines behind it. "c1" and "c2" have a BMC and run at first; "bare" has none."""

    @property
    def devices(self) -> PowerDevices:
        """The implementation, as the faults of this moment demand."""

    def deadline(self, seconds: float) -> Deadline:
        """The point so many seconds from now."""

    def address(self, host: str) -> str:
        """The address of a host's BMC, as the port gives it."""

    def set_power(self, host: str, *, on: bool) -> None:
        """Switch the machine without its BMC."""

    def is_on(self, host: str) -> bool:
        """Tell whether the machine really runs."""

    def orders(self, host: str) -> int:
        """How many orders to switch power have reached the BMC. A packet that IPMI sent again is no other order."""

    def inflict(self, host: str, fault: Fault) -> None:
        """Let a fault befall the BMC."""


class PowerDevicesContract:
    """The contract. Each test gets a fresh rig."""

    def test_reads_a_machine_that_runs(self, rig: PowerRig) -> None:
        """A machine that runs reads ON, and the answer names the BMC."""
        assert self.read(rig) == (Power.ON, rig.address("c1"))

    def test_reads_a_machine_without_power(self, rig: PowerRig) -> None:
        """A machine without power reads OFF."""
        rig.set_power("c1", on=False)
        assert self.read(rig) == (Power.OFF, rig.address("c1"))

    def test_reading_orders_nothing(self, rig: PowerRig) -> None:
        """A reading leaves the power as it is."""
        self.read(rig)
        assert rig.is_on("c1")
        assert rig.orders("c1") == 0

    def test_switches_off(self, rig: PowerRig) -> None:
        """An order cuts the power of its host, of no other, and is sent once."""
        assert rig.devices.off("c1", deadline=rig.deadline(ENOUGH)) == rig.address("c1")
        assert not rig.is_on("c1")
        assert rig.is_on("c2")
        assert rig.orders("c1") == 1
        assert self.read(rig)[0] is Power.OFF

    def test_off_is_sent_to_a_machine_that_is_off(self, rig: PowerRig) -> None:
        """An order is sent although the machine seems to be off: a reading may have lied."""
        rig.set_power("c1", on=False)
        rig.devices.off("c1", deadline=rig.deadline(ENOUGH))
        assert rig.orders("c1") == 1
        assert not rig.is_on("c1")

    def test_off_is_sent_through_a_bmc_that_always_shows_off(self, rig: PowerRig) -> None:
        """What the BMC shows does not keep an order from being sent."""
        rig.inflict("c1", Fault.ALWAYS_OFF)
        assert self.read(rig)[0] is Power.OFF
        rig.devices.off("c1", deadline=rig.deadline(ENOUGH))
        assert rig.orders("c1") == 1

    def test_a_machine_that_comes_back_reads_on(self, rig: PowerRig) -> None:
        """No reading is remembered: power that returns is seen by the next one."""
        rig.devices.off("c1", deadline=rig.deadline(ENOUGH))
        rig.set_power("c1", on=True)
        assert self.read(rig)[0] is Power.ON

    def test_a_stuck_machine_reads_on(self, rig: PowerRig) -> None:
        """A BMC that takes the order and does nothing is no error, and the next reading tells."""
        rig.inflict("c1", Fault.STUCK)
        rig.devices.off("c1", deadline=rig.deadline(ENOUGH))
        assert self.read(rig)[0] is Power.ON

    def test_a_stale_reading_is_reported_as_it_is(self, rig: PowerRig) -> None:
        """A BMC that shows the wanted state before the real one is reported so: OFF, then ON."""
        rig.inflict("c1", Fault.STALE)
        rig.devices.off("c1", deadline=rig.deadline(ENOUGH))
        assert [self.read(rig)[0], self.read(rig)[0]] == [Power.OFF, Power.ON]
        assert rig.is_on("c1")

    def test_a_refused_order_is_an_error(self, rig: PowerRig) -> None:
        """A BMC that answers an order with an error gives ERROR, and its words."""
        rig.inflict("c1", Fault.FAILING)
        error = self.failing_off(rig, "c1")
        assert error.trouble is PowerTrouble.ERROR
        assert error.detail.startswith(f"cannot power off c1: its BMC {rig.address('c1')} ")
        assert rig.is_on("c1")

    def test_a_silent_bmc_is_silent(self, rig: PowerRig) -> None:
        """No answer by the deadline is SILENT, for readings and orders, and says where to look."""
        rig.inflict("c1", Fault.SILENT)
        error = silence(lambda: rig.devices.read("c1", deadline=rig.deadline(SHORT)))
        assert error.trouble is PowerTrouble.SILENT
        assert error.address == rig.address("c1")
        assert error.detail == (
            f"cannot read power of c1: its BMC {rig.address('c1')} did not answer in 1 s;"
            " check power and network of the BMC"
        )
        error = silence(lambda: rig.devices.off("c1", deadline=rig.deadline(SHORT)))
        assert error.trouble is PowerTrouble.SILENT
        assert rig.is_on("c1")

    def test_a_wrong_password_is_named(self, rig: PowerRig) -> None:
        """A refused login is BAD_CREDENTIALS, names the user and the file, and no password."""
        rig.inflict("c1", Fault.BAD_PASSWORD)
        for error in (self.failing_read(rig, "c1"), self.failing_off(rig, "c1")):
            assert error.trouble is PowerTrouble.BAD_CREDENTIALS
            assert "refused user admin" in error.detail
            assert "correct user and password in " in error.detail
            assert "secret" not in error.detail
        assert rig.orders("c1") == 0

    def test_another_machine_is_neither_read_nor_switched(self, rig: PowerRig) -> None:
        """A BMC with another GUID than the inventory's is WRONG_IDENTITY, and gets no order."""
        rig.inflict("c1", Fault.SWAPPED)
        for error in (self.failing_read(rig, "c1"), self.failing_off(rig, "c1")):
            assert error.trouble is PowerTrouble.WRONG_IDENTITY
            assert "correct address or system_guid" in error.detail
        assert rig.orders("c1") == 0

    def test_a_host_without_bmc(self, rig: PowerRig) -> None:
        """A host that the inventory does not have is NO_DEVICE, and unprotected."""
        assert rig.devices.protects("c1")
        assert not rig.devices.protects("bare")
        for error in (self.failing_read(rig, "bare"), self.failing_off(rig, "bare")):
            assert error.trouble is PowerTrouble.NO_DEVICE
            assert "bare" in error.detail

    def test_nothing_is_sent_after_the_deadline(self, rig: PowerRig) -> None:
        """A call whose deadline is over sends nothing."""
        error = self.failing_off(rig, "c1", 0.0)
        assert error.trouble is PowerTrouble.ERROR
        assert "nothing was sent" in error.detail
        assert rig.orders("c1") == 0
        assert rig.is_on("c1")

    def read(self, rig: PowerRig) -> tuple[Power, str]:
        """Read c1."""
        return rig.devices.read("c1", deadline=rig.deadline(ENOUGH))

    def failing_read(self, rig: PowerRig, host: str, seconds: float = ENOUGH) -> PowerError:
        """Read, and return the error."""
        return failure(lambda: rig.devices.read(host, deadline=rig.deadline(seconds)))

    def failing_off(self, rig: PowerRig, host: str, seconds: float = ENOUGH) -> PowerError:
        """Order a power-off, and return the error."""
        return failure(lambda: rig.devices.off(host, deadline=rig.deadline(seconds)))


def failure(call: Callable[[], object]) -> PowerError:
    """Return the error that a call ends with."""
    with pytest.raises(PowerError) as caught:
        call()
    return caught.value


def silence(call: Callable[[], object]) -> PowerError:
    """Return the error of a call to a silent BMC.

    ERROR is right where this machine was too slow to begin the call before a short deadline; then it is made again.
    """
    for _ in range(TRIES):
        error = failure(call)
        if error.trouble is not PowerTrouble.ERROR:
            break
    return error
