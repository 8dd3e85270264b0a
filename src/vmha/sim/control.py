"""The control endpoint of a simulated cloud: faults in, the truth out. Nothing of the kind exists in a real one.

GET  /sim/faults                  what can go wrong, in words, with its arguments
POST /sim/faults                  {"fault": "bmc_silent", "host": "c1"}
GET  /sim/state                   where each guest really runs, how each host is, what Nova believes
GET  /sim/record?after=100        the facts from that number on
POST /sim/words                   {"host": "c1", "by": "alice", "why": "..."}: a human took responsibility
POST /sim/claims                  {"host": "c1", "engine": "engine-2"}: an engine took a recovery over
PUT  /sim/instance-ha             {"url": "..."}: where Keystone's catalog says that our API is
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.sim.faults import FAULTS, inject
from vmha.sim.gate import Refused
from vmha.sim.http import Part, Request, Response, Route

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmha.sim.http import Body
    from vmha.sim.keystone import Keystone
    from vmha.sim.machines import Host
    from vmha.sim.world import World


class Control(Part):
    """The hand that breaks things, and the eye that sees what is true."""

    prefix = "/sim"

    def __init__(self, world: World, keystone: Keystone) -> None:
        super().__init__()
        self._world = world
        self._keystone = keystone

    def routes(self) -> Sequence[Route]:
        """Return the table of routes."""
        return (
            Route("GET", "/faults", self._list_faults),
            Route("POST", "/faults", self._inject),
            Route("GET", "/state", self._state),
            Route("GET", "/record", self._record),
            Route("POST", "/words", self._word),
            Route("POST", "/claims", self._claim),
            Route("PUT", "/instance-ha", self._instance_ha),
        )

    def _list_faults(self, request: Request) -> Response:
        views = {
            name: {"words": fault.words, "needs": fault.needs, "takes": fault.takes} for name, fault in FAULTS.items()
        }
        return Response(200, {"faults": views})

    def _inject(self, request: Request) -> Response:
        arguments = dict(request.body)
        try:
            took_effect = inject(self._world, str(arguments.pop("fault", None)), **arguments)
        except (ValueError, TypeError) as error:
            raise Refused(400, str(error)) from error
        return Response(200, {"took_effect": took_effect})

    def _state(self, request: Request) -> Response:
        world = self._world
        return Response(
            200,
            {
                "simulated": True,
                "now": world.now,
                "hosts": {name: self._host(host) for name, host in world.hosts.items()},
                "instances": {
                    server.uuid: {
                        "name": server.name,
                        "runs_on": world.running(server.uuid),
                        "nova_host": server.host,
                        "vm_state": server.vm_state,
                        "task_state": server.task_state,
                    }
                    for server in world.nova.servers.values()
                },
            },
        )

    def _host(self, host: Host) -> Body:
        service = self._world.nova.services[host.name]
        return {
            "powered": host.powered,
            "crashed": host.crashed,
            "compute": host.compute.value,
            "cut": host.cut,
            "guests": sorted(host.guests),
            "forced_down": service.forced_down,
            "disabled": service.disabled,
            "disabled_reason": service.disabled_reason,
            "is_up": self._world.nova.is_up(service),
        }

    def _record(self, request: Request) -> Response:
        after = request.query.get("after", "0")
        if not after.isdecimal():
            raise Refused(400, f"after is a number, and not {after}")
        return Response(200, {"facts": self._world.record.facts[int(after) :]})

    def _word(self, request: Request) -> Response:
        host, by, why = _texts(request, "host", "by", "why")
        self._world.note_word(host, by=by, why=why)
        return Response(204)

    def _claim(self, request: Request) -> Response:
        host, engine = _texts(request, "host", "engine")
        self._world.note_claim(host, engine)
        return Response(204)

    def _instance_ha(self, request: Request) -> Response:
        (self._keystone.instance_ha_url,) = _texts(request, "url")
        return Response(204)


def _texts(request: Request, *names: str) -> tuple[str, ...]:
    for name in names:
        if not isinstance(request.body.get(name), str):
            raise Refused(400, f"the body needs {', '.join(names)}")
    return tuple(request.body[name] for name in names)
