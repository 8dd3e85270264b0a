"""The BMCs of the inventory behind the `PowerDevices` port.

Each call is a child process with the call's own deadline, because pyghmi breaks on a second login to the same BMC, is
not safe in threads, and has waits that are no deadlines. `fork_server.py` keeps the deadline, `worker.py` speaks IPMI.

Rules
1. One call at a time for one BMC. A call whose turn does not come before its deadline sends nothing.
2. Nothing is repeated, and a taken order proves nothing.
3. Every error says what could not be done, to which host, through which BMC, why, and what to do.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, assert_never

from vmha.adapters.fencing.fork_server import ForkServer, NoWorker
from vmha.core.model import Power, PowerTrouble
from vmha.ports import PowerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmha.adapters.fencing.inventory import Inventory, IpmiDevice
    from vmha.ports import Deadline

_CANNOT = {"read": "cannot read power of", "off": "cannot power off"}


class IpmiPowerDevices:
    """`calls` bounds how many BMCs are spoken to at the same time. `close()` ends the process that stands by."""

    def __init__(self, inventory: Inventory, *, calls: int) -> None:
        self._inventory = inventory
        self._calls = calls
        self._slots = threading.BoundedSemaphore(calls)
        # The inventory has no two hosts behind one BMC, so that a lock per host is a lock per BMC.
        self._locks = {host: threading.Lock() for host in inventory.devices}
        self._workers = ForkServer()

    def close(self) -> None:
        """End the server of the children. Calls under way come to their end."""
        self._workers.close()

    @property
    def hosts(self) -> frozenset[str]:
        """Return the hosts of the inventory."""
        return frozenset(self._inventory.devices)

    def protects(self, host: str) -> bool:
        """Tell whether the inventory has a BMC for `host`."""
        return host in self._inventory.devices

    def read(self, host: str, *, deadline: Deadline) -> tuple[Power, str]:
        """Return the power state and the BMC's address. A word other than on or off is an error."""
        device = self._device("read", host)
        answer = self._call("read", device, deadline)
        try:
            return Power(answer["power"]), device.endpoint
        except (KeyError, ValueError) as error:
            raise self._worker_failed("read", device, f"gave the answer {answer}") from error

    def off(self, host: str, *, deadline: Deadline) -> str:
        """Order a hard power-off; return the BMC's address."""
        device = self._device("off", host)
        self._call("off", device, deadline)
        return device.endpoint

    def _device(self, order: str, host: str) -> IpmiDevice:
        device = self._inventory.devices.get(host)
        if device is None:
            text = f"{_CANNOT[order]} {host}: {self._inventory.source} has no BMC for it; add one and restart"
            raise PowerError(PowerTrouble.NO_DEVICE, text, "")
        return device

    def _call(self, order: str, device: IpmiDevice, deadline: Deadline) -> dict[str, Any]:
        """Let a child make one call; return its answer or raise what it says."""
        with self._turn(order, device, deadline):
            started = _now()
            try:
                text = self._workers.call(_request(order, device), deadline)
            except TimeoutError as error:
                seconds = deadline.at - started
                raise self._trouble(order, device, PowerTrouble.SILENT, "", seconds) from error
            except NoWorker as error:
                raise self._worker_failed(order, device, str(error)) from error
            except OSError as error:
                raise self._worker_failed(order, device, f"did not start ({error.strerror})") from error
            seconds = _now() - started
        try:
            answer: dict[str, Any] = json.loads(text)
            trouble = PowerTrouble(answer["trouble"]) if "trouble" in answer else None
        except ValueError as error:
            raise self._worker_failed(order, device, "gave an answer without sense") from error
        if trouble is not None:
            raise self._trouble(order, device, trouble, str(answer["detail"]), seconds)
        return answer

    @contextmanager
    def _turn(self, order: str, device: IpmiDevice, deadline: Deadline) -> Iterator[None]:
        """Wait for this BMC, then for one of the slots, at most until the deadline."""
        lock = self._locks[device.host]
        if not lock.acquire(timeout=_seconds_left(deadline)):
            raise self._unsent(order, device, "another call to it is still under way")
        try:
            if not self._slots.acquire(timeout=_seconds_left(deadline)):
                text = f"{self._calls} other calls are under way, the most that [fencing] power_calls allows"
                raise self._unsent(order, device, text)
            try:
                if not _seconds_left(deadline):
                    raise self._unsent(order, device, "the deadline had passed before")
                yield
            finally:
                self._slots.release()
        finally:
            lock.release()

    def _trouble(
        self, order: str, device: IpmiDevice, trouble: PowerTrouble, detail: str, seconds: float
    ) -> PowerError:
        """Say what happened and what to do."""
        source = self._inventory.source
        match trouble:
            case PowerTrouble.SILENT:
                words = f"did not answer in {max(1, round(seconds))} s; check power and network of the BMC"
            case PowerTrouble.BAD_CREDENTIALS:
                words = f"refused user {device.user} ({detail}); correct user and password in {source}"
            case PowerTrouble.WRONG_IDENTITY:
                expected = f"where {source} has {device.system_guid}"
                words = f"{detail}, {expected}; correct address or system_guid, whichever is wrong"
            case PowerTrouble.ERROR | PowerTrouble.NO_DEVICE:
                words = f"{detail}; try ipmitool on it and look into its event log"
            case _:
                assert_never(trouble)
        return self._error(order, device, f"its BMC {device.endpoint} {words}", trouble)

    def _unsent(self, order: str, device: IpmiDevice, why: str) -> PowerError:
        return self._error(order, device, f"nothing was sent to its BMC {device.endpoint}: {why}; try later")

    def _worker_failed(self, order: str, device: IpmiDevice, what: str) -> PowerError:
        text = f"the process that calls its BMC {device.endpoint} {what}; check load, memory and installation here"
        return self._error(order, device, text)

    def _error(
        self, order: str, device: IpmiDevice, text: str, trouble: PowerTrouble = PowerTrouble.ERROR
    ) -> PowerError:
        return PowerError(trouble, f"{_CANNOT[order]} {device.host}: {text}", device.endpoint)


def _request(order: str, device: IpmiDevice) -> str:
    guid = device.system_guid
    return json.dumps(
        {
            "order": order,
            "address": device.address,
            "port": device.port,
            "user": device.user,
            "password": device.password,
            "system_guid": None if guid is None else str(guid),
        }
    )


def _seconds_left(deadline: Deadline) -> float:
    return max(0.0, deadline.at - _now())


def _now() -> float:
    """Return seconds on the clock of a `Deadline`."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
