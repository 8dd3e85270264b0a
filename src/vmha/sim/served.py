"""A simulated world behind real sockets: its APIs over HTTP, its BMCs over IPMI."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from vmha.sim.bmc import MachineError, SimulatedBmc
from vmha.sim.control import Control
from vmha.sim.http import App, HttpServer, LiveWorld
from vmha.sim.images import GlanceApi
from vmha.sim.keystone import PASSWORD, REGION, USERS, Keystone
from vmha.sim.nova_api import MAX_LIMIT, NovaApi
from vmha.sim.placement_api import PlacementApi
from vmha.sim.power import BmcTrouble

if TYPE_CHECKING:
    from types import TracebackType

    from vmha.sim.http import Body
    from vmha.sim.power import Bmc
    from vmha.sim.world import World

# IPMI cannot say who speaks; the checker knows this name as nobody's.
IPMI_CALLER = "ipmi"


class BmcMachine:
    """The machine behind one BMC, as `vmha.sim.bmc` wants to have it."""

    def __init__(self, live: LiveWorld, bmc: Bmc) -> None:
        self._live = live
        self._bmc = bmc

    @property
    def guid(self) -> UUID:
        """Return the system's GUID."""
        return UUID(self._bmc.machine.guid)

    def power(self) -> bool:
        """Say whether the power is on."""
        with self._live.caught_up():
            try:
                return self._bmc.read(IPMI_CALLER)
            except BmcTrouble as trouble:
                raise MachineError from trouble

    def power_off(self) -> None:
        """Cut the power."""
        with self._live.caught_up():
            try:
                self._bmc.off(IPMI_CALLER)
            except BmcTrouble as trouble:
                raise MachineError from trouble

    def power_on(self) -> None:
        """Switch on."""
        with self._live.caught_up():
            try:
                self._bmc.on(IPMI_CALLER)
            except BmcTrouble as trouble:
                raise MachineError from trouble


class ServedWorld:
    """Serves a world from `start` to `stop`; `describe` says where. The world must have begun at the present (`start=time.time()`).

    `keystone` is another judge of tokens than the simulated cloud's own.
    """

    def __init__(
        self,
        world: World,
        *,
        port: int = 0,
        with_bmcs: bool = True,
        instance_ha_url: str | None = None,
        max_limit: int = MAX_LIMIT,
        keystone: Keystone | None = None,
    ) -> None:
        self.world = world
        self.live = LiveWorld(world)
        keystone = keystone or Keystone(world, instance_ha_url=instance_ha_url)
        parts = (
            keystone,
            NovaApi(world, keystone, max_limit=max_limit),
            PlacementApi(world, keystone),
            GlanceApi(world, keystone),
            Control(world, keystone),
        )
        self._server = HttpServer(App(self.live, parts), port)
        self._bmcs: dict[str, SimulatedBmc] = {}
        self._with_bmcs = with_bmcs
        self.url = ""

    def start(self) -> ServedWorld:
        """Serve."""
        self.live.start()
        self.url = self._server.start()
        if self._with_bmcs:
            for name, bmc in self.world.bmcs.items():
                machine = BmcMachine(self.live, bmc)
                self._bmcs[name] = SimulatedBmc(machine, password=PASSWORD, faults=bmc.faults).start()
                bmc.address = self._bmcs[name].endpoint
        return self

    def stop(self) -> None:
        """Give all ports back."""
        for bmc in self._bmcs.values():
            bmc.stop()
        self._server.stop()
        self.live.stop()

    def __enter__(self) -> ServedWorld:
        """Serve."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give all ports back."""
        self.stop()

    def describe(self) -> Body:
        """Return URLs, ports and credentials."""
        return {
            "simulated": True,
            "auth_url": f"{self.url}/identity/v3",
            "compute_url": f"{self.url}/compute/v2.1",
            "placement_url": f"{self.url}/placement",
            "control_url": f"{self.url}/sim",
            "region_name": REGION,
            "user_domain_name": "Default",
            "project_domain_name": "Default",
            "username": "admin",
            "password": PASSWORD,
            "project_name": "admin",
            "users": {name: {"password": PASSWORD, "project_name": user.project} for name, user in USERS.items()},
            "hosts": {name: self._describe_host(name) for name in self.world.hosts},
        }

    def _describe_host(self, name: str) -> Body:
        service = self.world.nova.services[name]
        view: Body = {"reserved": service.disabled, "guid": self.world.hosts[name].guid}
        if name in self._bmcs:
            bmc = self._bmcs[name]
            view["bmc"] = {"address": bmc.host, "port": bmc.port, "user": "admin", "password": PASSWORD}
        return view
