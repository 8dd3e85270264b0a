"""The simulated Placement over HTTP: providers, what they have, and who holds how much of it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from vmha.sim.gate import Refused
from vmha.sim.http import Part, Request, Response, Route

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmha.sim.http import Body
    from vmha.sim.keystone import Keystone
    from vmha.sim.world import World

MAXIMUM = "1.39"
GENERATION = 1
"""Of every consumer: nobody else writes what one holds."""


class PlacementApi(Part):
    """Placement, for reading, and for writing what one consumer holds."""

    prefix = "/placement"

    def __init__(self, world: World, keystone: Keystone) -> None:
        super().__init__()
        self._placement = world.placement
        self._keystone = keystone

    def routes(self) -> Sequence[Route]:
        """Return the table of routes."""
        return (
            Route("GET", "/", self._versions),
            Route("GET", "/resource_providers", self._list),
            Route("GET", "/resource_providers/{uuid}", self._show),
            Route("GET", "/resource_providers/{uuid}/allocations", self._allocations),
            Route("GET", "/resource_providers/{uuid}/usages", self._usages),
            Route("GET", "/resource_providers/{uuid}/inventories", self._inventories),
            Route("GET", "/allocation_candidates", self._candidates),
            Route("GET", "/allocations/{consumer}", self._consumer),
            Route("PUT", "/allocations/{consumer}", self._allocate),
        )

    def explain(self, status: int, message: str) -> Body:
        """Wrap an error in Placement's envelope."""
        return {"errors": [{"status": status, "title": HTTPStatus(status).phrase, "detail": message}]}

    def headers(self, request: Request) -> dict[str, str]:
        """Say which microversion answered: the one that was asked for."""
        asked = request.headers.get("openstack-api-version", "placement 1.0")
        return {"OpenStack-API-Version": asked.replace("latest", MAXIMUM), "Vary": "OpenStack-API-Version"}

    def guard(self, request: Request) -> None:
        """Answer nobody during an outage, and let only administrators go beyond the versions."""
        self._placement.gate.check_open()
        if request.path.rstrip("/") != self.prefix and "admin" not in self._keystone.check(request).roles:
            raise Refused(403, "Policy doesn't allow this to be performed.")

    def _versions(self, request: Request) -> Response:
        version = {
            "id": "v1.0",
            "status": "CURRENT",
            "min_version": "1.0",
            "max_version": MAXIMUM,
            "links": [{"rel": "self", "href": ""}],
        }
        return Response(200, {"versions": [version]})

    def _list(self, request: Request) -> Response:
        wanted = request.query.get("name")
        views = [self._view(name) for name in self._placement.providers if wanted in (None, name)]
        return Response(200, {"resource_providers": views})

    def _show(self, request: Request, uuid: str) -> Response:
        return Response(200, self._view(self._name(uuid)))

    def _allocations(self, request: Request, uuid: str) -> Response:
        name = self._name(uuid)
        consumers = self._placement.consumers(name) or ()
        held = self._placement.allocations[name]
        views = {consumer: {"resources": {"VCPU": held[consumer]}} for consumer in sorted(consumers)}
        return Response(200, {"allocations": views, "resource_provider_generation": 1})

    def _usages(self, request: Request, uuid: str) -> Response:
        name = self._name(uuid)
        used = self._placement.capacity[name] - self._placement.free(name)
        return Response(200, {"usages": {"VCPU": used}, "resource_provider_generation": 1})

    def _inventories(self, request: Request, uuid: str) -> Response:
        total = self._placement.capacity[self._name(uuid)]
        inventory = {
            "total": total,
            "reserved": 0,
            "min_unit": 1,
            "max_unit": total,
            "step_size": 1,
            "allocation_ratio": 1.0,
        }
        return Response(200, {"inventories": {"VCPU": inventory}, "resource_provider_generation": 1})

    def _candidates(self, request: Request) -> Response:
        """Show where there is room: the summaries of providers, by which each host is its own root."""
        needs = {
            name: int(amount) for name, _, amount in (e.partition(":") for e in request.query["resources"].split(","))
        }
        tree = request.query.get("in_tree")
        self._placement.gate.read("allocation_candidates")
        found = [self._placement.providers[name] for name in self._placement.candidates({"VCPU": 0} | needs)]
        shown = [uuid for uuid in found if tree in (None, uuid)][: int(request.query.get("limit", "1000"))]
        held = {uuid: {"allocations": {uuid: {"resources": needs}}} for uuid in shown}
        summaries: Body = {
            uuid: {"root_provider_uuid": uuid, "parent_provider_uuid": None, "traits": []} for uuid in shown
        }
        return Response(200, {"allocation_requests": list(held.values()), "provider_summaries": summaries})

    def _consumer(self, request: Request, consumer: str) -> Response:
        held = {
            self._placement.providers[name]: {"resources": {"VCPU": allocations[consumer]}, "generation": 1}
            for name, allocations in self._placement.allocations.items()
            if consumer in allocations
        }
        whose = {"project_id": "project-demo", "user_id": "user-demo", "consumer_generation": GENERATION}
        return Response(200, {"allocations": held, **(whose if held else {})})

    def _allocate(self, request: Request, consumer: str) -> Response:
        """Replace all that a consumer holds, as from 1.28 on: with an empty object it holds nothing."""
        body = request.body
        if set(body) != {"allocations", "project_id", "user_id", "consumer_generation"}:
            raise Refused(400, f"JSON does not validate: {sorted(body)}")
        if body["consumer_generation"] != GENERATION:
            raise Refused(409, "consumer generation conflict")
        wanted = {self._name(uuid): held["resources"]["VCPU"] for uuid, held in body["allocations"].items()}
        self._placement.gate.write("allocations", lambda: self._replace(consumer, wanted))
        return Response(204)

    def _replace(self, consumer: str, wanted: dict[str, int]) -> None:
        self._placement.release(consumer)
        for name, vcpus in wanted.items():
            self._placement.allocate(consumer, name, vcpus)

    def _name(self, uuid: str) -> str:
        for name, provider in self._placement.providers.items():
            if provider == uuid:
                return name
        raise Refused(404, f"No resource provider with uuid {uuid} found.")

    def _view(self, name: str) -> Body:
        uuid = self._placement.providers[name]
        links = ("self", ""), ("inventories", "/inventories"), ("usages", "/usages"), ("allocations", "/allocations")
        return {
            "uuid": uuid,
            "name": name,
            "generation": 1,
            "root_provider_uuid": uuid,
            "parent_provider_uuid": None,
            "links": [{"rel": rel, "href": f"{self.prefix}/resource_providers/{uuid}{path}"} for rel, path in links],
        }
