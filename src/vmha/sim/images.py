"""The simulated Glance: as a port, and over HTTP. An image is what its server says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmha.errors import NovaUnavailable
from vmha.sim.gate import NoAnswer, Refused
from vmha.sim.http import Part, Request, Response, Route

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vmha.image_ports import Properties
    from vmha.ports import Deadline
    from vmha.sim.http import Body
    from vmha.sim.keystone import Keystone
    from vmha.sim.world import World


class SimImages:
    """`vmha.image_ports.Images` over the simulated Glance."""

    def __init__(self, world: World) -> None:
        self._world = world

    def properties(self, images: Iterable[str], *, deadline: Deadline) -> dict[str, Properties]:
        """Return the properties of those that exist."""
        wanted = frozenset(images)
        try:
            self._world.glance_gate.read("images")
        except NoAnswer as error:
            raise NovaUnavailable(str(error)) from error
        servers = [server for server in self._world.nova.servers.values() if server.image in wanted]
        return {str(server.image): tuple(sorted(server.image_properties.items())) for server in servers}


class GlanceApi(Part):
    """Image v2, for reading one image."""

    prefix = "/image"

    def __init__(self, world: World, keystone: Keystone) -> None:
        super().__init__()
        self._world = world
        self._keystone = keystone

    def routes(self) -> Sequence[Route]:
        """Return the table of routes."""
        return (Route("GET", "/v2/images/{image}", self._show),)

    def explain(self, status: int, message: str) -> Body:
        """Wrap an error; Glance itself answers with HTML."""
        return {"error": {"code": status, "message": message}}

    def guard(self, request: Request) -> None:
        """Answer nobody during an outage, and only users of Keystone."""
        self._world.glance_gate.check_open()
        self._keystone.check(request)

    def _show(self, request: Request, image: str) -> Response:
        for server in self._world.nova.servers.values():
            if server.image == image:
                fields = {"id": image, "name": image, "status": "active", "min_disk": 0, "os_hidden": False, "tags": []}
                return Response(200, {**fields, **server.image_properties})
        raise Refused(404, f"No image found with ID {image}")
