"""The simulated Nova over HTTP: as much of microversions 2.1 to 2.96 as openstacksdk, its command line and our adapter use.

What an answer looks like stands in `nova_views.py`, what it means in `compute.py`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode

from vmha.sim import nova_views, owner
from vmha.sim.gate import Refused
from vmha.sim.http import Part, Request, Response, Route
from vmha.sim.nova_views import Version

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vmha.sim.http import Body
    from vmha.sim.keystone import Keystone, User
    from vmha.sim.rows import Server, Service
    from vmha.sim.world import World

Row = TypeVar("Row")

MAX_LIMIT = 1000
MINIMUM, MAXIMUM = Version(2, 1), Version(2, 96)
BY_UUID = Version(2, 53)
WITHOUT_SHARED_STORAGE = Version(2, 14)
WITH_FORCE, WITHOUT_FORCE = Version(2, 29), Version(2, 68)
ENDS_STOPPED = Version(2, 95)
MIGRATION_PAGES = Version(2, 59)
ERRORS = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    406: "notAcceptable",
    409: "conflictingRequest",
    503: "serviceUnavailable",
}


class NovaApi(Part):
    """Compute v2.1. `max_limit` is Nova's own bound of a page."""

    prefix = "/compute"

    def __init__(self, world: World, keystone: Keystone, *, max_limit: int = MAX_LIMIT) -> None:
        super().__init__()
        self._world = world
        self._nova = world.nova
        self._keystone = keystone
        self._max_limit = max_limit

    def routes(self) -> Sequence[Route]:
        """Return the table of routes."""
        return (
            Route("GET", "/", self._versions),
            Route("GET", "/v2.1", self._version),
            Route("GET", "/v2.1/os-services", self._list_services),
            Route("PUT", "/v2.1/os-services/{service}", self._change_service),
            Route("DELETE", "/v2.1/os-services/{service}", self._delete_service),
            Route("GET", "/v2.1/servers", self._list_servers),
            Route("GET", "/v2.1/servers/detail", self._list_servers),
            Route("GET", "/v2.1/servers/{server}", self._show_server),
            Route("DELETE", "/v2.1/servers/{server}", self._delete_server),
            Route("POST", "/v2.1/servers/{server}/action", self._act),
            Route("GET", "/v2.1/servers/{server}/os-instance-actions", self._list_actions),
            Route("GET", "/v2.1/servers/{server}/os-instance-actions/{request}", self._show_action),
            Route("GET", "/v2.1/os-migrations", self._list_migrations),
            Route("GET", "/v2.1/os-hypervisors", self._list_hypervisors),
            Route("GET", "/v2.1/os-hypervisors/detail", self._list_hypervisors),
            Route("GET", "/v2.1/os-aggregates", self._list_aggregates),
            Route("POST", "/v2.1/os-aggregates/{aggregate}/action", self._act_on_aggregate),
        )

    def explain(self, status: int, message: str) -> Body:
        """Wrap an error in Nova's envelope."""
        return {ERRORS.get(status, "computeFault"): {"code": status, "message": message}}

    def headers(self, request: Request) -> dict[str, str]:
        """Say which microversion answered."""
        try:
            version = asked_version(request)
        except Refused:
            version = MINIMUM
        return {
            "OpenStack-API-Version": f"compute {version}",
            "X-OpenStack-Nova-API-Version": str(version),
            "Vary": "OpenStack-API-Version, X-OpenStack-Nova-API-Version",
        }

    def guard(self, request: Request) -> None:
        """Answer nobody during an outage, and let only users of Keystone go beyond the versions."""
        self._nova.gate.check_open()
        asked_version(request)
        if request.path.rstrip("/") not in (self.prefix, f"{self.prefix}/v2.1"):
            self._keystone.check(request)

    def _versions(self, request: Request) -> Response:
        return Response(200, {"versions": [self._describe(request)]})

    def _version(self, request: Request) -> Response:
        return Response(200, {"version": self._describe(request)})

    def _describe(self, request: Request) -> Body:
        return {
            "id": "v2.1",
            "status": "CURRENT",
            "version": str(MAXIMUM),
            "min_version": str(MINIMUM),
            "updated": "2013-07-23T11:33:21Z",
            "links": [{"rel": "self", "href": f"{request.url}{self.prefix}/v2.1/"}],
        }

    # Services

    def _list_services(self, request: Request) -> Response:
        self._admin(request)
        version, query = asked_version(request), request.query
        known = self._nova.list_services()
        services = list(self._nova.services.values()) if version >= nova_views.PARTIAL else known
        views = [
            nova_views.service(self._nova, service, version)
            if service in known
            else {"binary": "nova-compute", "host": service.host, "status": "UNKNOWN"}
            for service in services
            if query.get("host", service.host) == service.host and query.get("binary", "nova-compute") == "nova-compute"
        ]
        return Response(200, {"services": views})

    def _change_service(self, request: Request, service: str) -> Response:
        self._admin(request)
        version, body = asked_version(request), request.body
        if version < BY_UUID:
            return self._act_on_service(request, service)
        found = self._find_service(lambda each: each.uuid == service, f"Service {service}")
        unknown = set(body) - {"status", "disabled_reason", "forced_down"}
        if unknown or body.get("status") not in (None, "enabled", "disabled"):
            raise Refused(400, f"Invalid input for a service: {body}")
        disabled = None if "status" not in body else body["status"] == "disabled"
        if disabled is False and body.get("disabled_reason"):
            raise Refused(400, "Specifying 'disabled_reason' with status 'enabled' is invalid.")
        changed = self._nova.set_service(
            found.host,
            caller=request.caller,
            forced_down=body.get("forced_down"),
            disabled=disabled,
            reason=body.get("disabled_reason"),
        )
        return Response(200, {"service": nova_views.service(self._nova, changed, version)})

    def _delete_service(self, request: Request, service: str) -> Response:
        self._admin(request)
        found = self._find_service(lambda each: each.uuid == service, f"Service {service}")
        self._nova.delete_service(found.host, caller=request.caller)
        return Response(204)

    def _act_on_service(self, request: Request, action: str) -> Response:
        """Serve the ways before 2.53, which openstacksdk still goes."""
        body = request.body
        forced_down, disabled = {
            "enable": (None, False),
            "disable": (None, True),
            "disable-log-reason": (None, True),
            "force-down": (bool(body.get("forced_down")), None),
        }.get(action, (None, None))
        if forced_down is None and disabled is None:
            raise Refused(404, f"There is no {action}.")
        host = str(body.get("host"))
        found = self._find_service(lambda each: each.host == host, f"Compute host {host}")
        self._nova.set_service(
            host,
            caller=request.caller,
            forced_down=forced_down,
            disabled=disabled,
            reason=body.get("disabled_reason"),
        )
        return Response(200, {"service": nova_views.service(self._nova, found, asked_version(request))})

    def _find_service(self, matches: Callable[[Service], bool], what: str) -> Service:
        for service in self._nova.services.values():
            if matches(service):
                return service
        raise Refused(404, f"{what} could not be found.")

    # Servers

    def _list_servers(self, request: Request) -> Response:
        user, version, query = self._keystone.check(request), asked_version(request), request.query
        servers = self._nova.list_servers(query.get("host") if _is_admin(user) else None)
        servers = [server for server in reversed(servers) if _shows(server, user, query)]
        page, links = self._page(request, servers, "servers", lambda server: server.uuid)
        view = nova_views.server if request.path.rstrip("/").endswith("/detail") else nova_views.short_server
        return Response(200, {"servers": [view(self._nova, each, version, request.url) for each in page], **links})

    def _show_server(self, request: Request, server: str) -> Response:
        version, row = asked_version(request), self._nova.servers.get(server)
        if row is not None and row.host in self._nova.hidden and version >= nova_views.PARTIAL:
            return Response(200, {"server": nova_views.partial_server(row, request.url)})
        found = self._nova.show_server(server)
        return Response(200, {"server": nova_views.server(self._nova, found, version, request.url)})

    def _delete_server(self, request: Request, server: str) -> Response:
        self._nova.gate.write("delete", lambda: owner.delete(self._world, server))
        return Response(204)

    def _act(self, request: Request, server: str) -> Response:
        if len(request.body) != 1:
            raise Refused(400, "Malformed request body")
        [(action, what)] = request.body.items()
        if action == "evacuate":
            return self._evacuate(request, server, what)
        if action == "os-migrateLive":
            self._admin(request)
        acts: dict[str, Callable[[], object]] = {
            "os-stop": lambda: owner.stop(self._world, server, request.caller),
            "os-start": lambda: owner.start(self._world, server, request.caller),
            "os-migrateLive": lambda: owner.live_migrate(self._world, server, what.get("host")),
        }
        if action not in acts:
            raise Refused(400, f"There is no such action: {action}")
        self._nova.gate.write(action.removeprefix("os-"), acts[action])
        return Response(202)

    def _evacuate(self, request: Request, server: str, order: Body) -> Response:
        self._admin(request)
        version = asked_version(request)
        allowed = {"host", "adminPass"}
        if version < WITHOUT_SHARED_STORAGE:
            allowed.add("onSharedStorage")
        if WITH_FORCE <= version < WITHOUT_FORCE:
            allowed.add("force")
        if set(order) - allowed:
            raise Refused(400, f"Additional properties are not allowed ({sorted(set(order) - allowed)})")
        if version < WITHOUT_SHARED_STORAGE and "onSharedStorage" not in order:
            raise Refused(400, "'onSharedStorage' is a required property")
        self._nova.evacuate(
            server, target=order.get("host"), caller=request.caller, ends_stopped=version >= ENDS_STOPPED
        )
        return Response(200, delay_seconds=self._nova.order_seconds)

    def _list_actions(self, request: Request, server: str) -> Response:
        """List a server's evacuations, newest first; other actions are not kept."""
        rows = reversed(self._nova.show_server(server).actions)
        return Response(200, {"instanceActions": [nova_views.action(row) for row in rows]})

    def _show_action(self, asked: Request, server: str, request: str) -> Response:
        for row in self._nova.show_server(server).actions:
            if row.request == request:
                events = [nova_views.event(step) for step in row.steps]
                return Response(200, {"instanceAction": {**nova_views.action(row), "events": events}})
        raise Refused(404, f"Action {request} not found")

    # Migrations and hypervisors

    def _list_migrations(self, request: Request) -> Response:
        self._admin(request)
        version, query = asked_version(request), request.query
        found = self._nova.list_migrations(
            host=query.get("host"), source=query.get("source_compute"), kind=query.get("migration_type")
        )
        wanted = {"status": query.get("status"), "instance": query.get("instance_uuid")}
        records = [
            record for record in found if all(value in (None, getattr(record, name)) for name, value in wanted.items())
        ]
        links: Body = {}
        if version >= MIGRATION_PAGES:
            records, links = self._page(request, records[::-1], "migrations", lambda record: record.uuid)
        return Response(200, {"migrations": [nova_views.migration(each, version) for each in records], **links})

    def _list_hypervisors(self, request: Request) -> Response:
        self._admin(request)
        pattern = request.query.get("hypervisor_hostname_pattern", "")
        found = [
            nova_views.hypervisor(self._world, service)
            for service in self._nova.list_services()
            if pattern in service.host
        ]
        if pattern and not found:
            raise Refused(404, f"No hypervisor matching '{pattern}' could be found.")
        return Response(200, {"hypervisors": found})

    def _list_aggregates(self, request: Request) -> Response:
        self._admin(request)
        return Response(200, {"aggregates": [nova_views.aggregate(each) for each in self._nova.aggregates.listed()]})

    def _act_on_aggregate(self, request: Request, aggregate: str) -> Response:
        self._admin(request)
        [(action, what)] = request.body.items()
        acts = {"add_host": self._nova.aggregates.join, "remove_host": self._nova.aggregates.leave}
        if action not in acts or not aggregate.isdecimal():
            raise Refused(400, f"There is no such action: {action}")
        acts[action](int(aggregate), what["host"], caller=request.caller)
        return Response(200, {})

    # What several of them need

    def _admin(self, request: Request) -> None:
        if not _is_admin(self._keystone.check(request)):
            raise Refused(403, "Policy doesn't allow this to be performed.")

    def _page(self, request: Request, rows: list[Row], name: str, key: Callable[[Row], str]) -> tuple[list[Row], Body]:
        """Cut a page out of a list, with a link to the next one where the page is full."""
        limit = _limit(request.query.get("limit"), self._max_limit)
        marker = request.query.get("marker")
        if marker is not None:
            keys = [key(row) for row in rows]
            if marker not in keys:
                raise Refused(400, f"marker [{marker}] not found")
            rows = rows[keys.index(marker) + 1 :]
        page = rows[:limit]
        if not page or len(page) < limit:
            return page, {}
        query = urlencode({**request.query, "marker": key(page[-1])})
        return page, {f"{name}_links": [{"rel": "next", "href": f"{request.url}{request.path}?{query}"}]}


def asked_version(request: Request) -> Version:
    """Return the microversion that a request asks for. Raises `Refused`."""
    asked = request.headers.get("x-openstack-nova-api-version", str(MINIMUM))
    for each in request.headers.get("openstack-api-version", "").split(","):
        service, _, text = each.strip().partition(" ")
        if service == "compute":
            asked = text
    if asked == "latest":
        return MAXIMUM
    match = re.fullmatch(r"(\d+)\.(\d+)", asked)
    if match is None:
        raise Refused(400, f"API Version String {asked} is of invalid format.")
    version = Version(int(match[1]), int(match[2]))
    if not MINIMUM <= version <= MAXIMUM:
        raise Refused(406, f"Version {asked} is not supported by the API. It is {MINIMUM} to {MAXIMUM}.")
    return version


def _limit(text: str | None, most: int) -> int:
    if text is None:
        return most
    if not text.isdecimal():
        raise Refused(400, f"Invalid input for query parameters limit: {text}")
    return min(int(text) or most, most)


def _is_admin(user: User) -> bool:
    return "admin" in user.roles


def _shows(server: Server, user: User, query: dict[str, str]) -> bool:
    """Tell whether a list shows a server to a user. Who is no administrator gets no other host's filter, nor others' servers."""
    everybody = _is_admin(user) and query.get("all_tenants", query.get("all_projects")) in ("1", "True", "true", "")
    status = query.get("status", "").upper()
    return (
        (everybody or server.project == user.project)
        and query.get("name", server.name) in server.name
        and query.get("uuid", server.uuid) == server.uuid
        and status in ("", nova_views.status(server))
    )
