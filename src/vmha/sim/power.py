"""The simulated BMCs, as honest or as broken as their faults say."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmha.sim.machines import Host
    from vmha.sim.world import World


class Trouble(Enum):
    """Why a BMC gave no answer that counts."""

    SILENT = "silent"
    BAD_PASSWORD = "bad_password"  # noqa: S105 (the name of a trouble)
    ERROR = "error"


class BmcTrouble(Exception):
    """The BMC did not do what it was asked."""

    def __init__(self, trouble: Trouble, detail: str) -> None:
        super().__init__(detail)
        self.trouble = trouble
        self.detail = detail


@dataclass(slots=True, kw_only=True)
class BmcFaults:
    """What is wrong with one BMC; as it stands, nothing.

    `stuck`: takes a power-off, and the host stays on. `stale`: the same, and the first reading after the order says OFF.
    `always_off`: says OFF whatever is true, and does nothing. `delay_seconds`: how long it takes to answer.
    `off_seconds`: how long the host stays on after an order.
    """

    silent: bool = False
    bad_password: bool = False
    failing: bool = False
    stuck: bool = False
    stale: bool = False
    always_off: bool = False
    delay_seconds: float = 0.0
    off_seconds: float = 0.0

    def reset(self) -> None:
        """Let nothing be wrong any more; whoever holds this object sees it."""
        for each in fields(self):
            setattr(self, each.name, each.default)

    @property
    def ignores_orders(self) -> bool:
        """Tell whether orders change nothing."""
        return self.stuck or self.stale or self.always_off


class Bmc:
    """The BMC that the inventory lists for `host`. `machine` is the host that is really behind it (they differ when swapped)."""

    __slots__ = ("address", "faults", "host", "machine", "stale_readings", "world")

    def __init__(self, world: World, machine: Host, address: str) -> None:
        self.world = world
        self.host = machine.name
        self.machine = machine
        self.address = address
        self.faults = BmcFaults()
        self.stale_readings = 0

    def read(self, caller: str) -> bool:
        """Say whether the power is on; raises `BmcTrouble`."""
        self._check("read", caller)
        is_on = self._reported()
        self._note("read", caller, "on" if is_on else "off")
        return is_on

    def guid(self, caller: str) -> str:
        """Say which machine is behind it; raises `BmcTrouble`."""
        self._check("identify", caller)
        return self.machine.guid

    def off(self, caller: str) -> None:
        """Take the order to cut the power at once; raises `BmcTrouble`."""
        self._check("off", caller)
        self._note("off", caller, "taken")
        if self.faults.stale and self.machine.powered:
            self.stale_readings = 1
        if not self.faults.ignores_orders:
            self._switch_off(caller)

    def on(self, caller: str) -> None:
        """Take the order to switch on; raises `BmcTrouble`."""
        self._check("on", caller)
        self._note("on", caller, "taken")
        if not self.faults.always_off:
            self.machine.power_on(caller)

    def _check(self, order: str, caller: str) -> None:
        faults = self.faults
        if faults.silent:
            trouble, detail = Trouble.SILENT, "no answer"
        elif faults.bad_password:
            trouble, detail = Trouble.BAD_PASSWORD, "user name or password is wrong"
        elif faults.failing:
            trouble, detail = Trouble.ERROR, "node busy"
        else:
            return
        self._note(order, caller, trouble.value)
        raise BmcTrouble(trouble, detail)

    def _reported(self) -> bool:
        if self.faults.always_off:
            return False
        if self.stale_readings:
            self.stale_readings -= 1
            return False
        return self.machine.powered

    def _switch_off(self, caller: str) -> None:
        if self.faults.off_seconds:
            self.world.after(self.faults.off_seconds, lambda: self.machine.power_off(caller))
        else:
            self.machine.power_off(caller)

    def _note(self, order: str, caller: str, outcome: str) -> None:
        machine, now = self.machine, self.world.now
        self.world.note(
            "bmc",
            host=self.host,
            machine=machine.name,
            order=order,
            caller=caller,
            outcome=outcome,
            powered=machine.powered,
            well_seconds=None if machine.well_since is None else now - machine.well_since,
            heard_seconds=now - machine.heartbeat.last(now),
        )
