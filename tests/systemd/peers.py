"""Peers that do on the real servers what the real charms do there, and then answer in their words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tests.cloud.rig.settings import ADDRESS, REGION
from tests.juju.peers.base import Bag
from tests.juju.peers.keystone import Keystone
from tests.juju.peers.mysql_router import MysqlRouter
from tests.juju.peers.rabbitmq import Rabbitmq

if TYPE_CHECKING:
    from tests.cloud.rig import rest
    from tests.juju.standin.context import Context
    from tests.juju.standin.juju import Juju
    from tests.juju.standin.model import Relation, Unit
    from tests.systemd.neighbours import Neighbours

ROUTER = "masakari-mysql-router"
DATABASE_PASSWORD = "router-gave-this"
PASSWORDS = (DATABASE_PASSWORD, str(Rabbitmq.options["password"]), str(Keystone.options["password"]))
DOMAIN = "service_domain"
PROJECT = "services"


class RealRouter(MysqlRouter):
    """mysql-router with a MariaDB behind it. What it answers is what its option `password` says; who gets in, MariaDB says."""

    def __init__(self, unit: Unit, neighbours: Neighbours) -> None:
        super().__init__(unit)
        self._neighbours = neighbours

    def reply(self, context: Context, relation: Relation, asking: Mapping[str, Bag]) -> dict[str, str]:
        """Make the database and the user that are asked for, once."""
        (bag,) = asking.values()
        name, user = bag["database"], f"'{bag['username']}'@'{ADDRESS}'"
        password = str(context.application.config()["password"])
        self._neighbours.database.sql(
            f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4;"
            f"CREATE USER IF NOT EXISTS {user} IDENTIFIED BY '{password}';"
            f"GRANT ALL ON {name}.* TO {user};"
        )
        return super().reply(context, relation, asking)


class RealRabbitmq(Rabbitmq):
    """rabbitmq-server with a RabbitMQ behind it."""

    def __init__(self, unit: Unit, neighbours: Neighbours) -> None:
        super().__init__(unit)
        self._neighbours = neighbours
        self._made: set[tuple[str, str]] = set()

    def reply(self, context: Context, relation: Relation, asking: Mapping[str, Bag]) -> dict[str, str]:
        """Make the virtual host and the user that are asked for, once."""
        for bag in asking.values():
            wanted = bag["vhost"], bag["username"]
            if wanted not in self._made:
                vhost, user = wanted
                self._neighbours.broker_says("add_vhost", vhost)
                self._neighbours.broker_says("add_user", user, str(context.application.config()["password"]))
                self._neighbours.broker_says("set_permissions", "-p", vhost, user, ".*", ".*", ".*")
                self._made.add(wanted)
        return super().reply(context, relation, asking) | {"hostname": ADDRESS, "private-address": ADDRESS}


class RealKeystone(Keystone):
    """keystone with a Keystone behind it: service user, endpoint in the catalog; Nova and Placement stand there already."""

    def __init__(self, unit: Unit, neighbours: Neighbours) -> None:
        super().__init__(unit)
        self._neighbours = neighbours
        self._is_set_up = False

    def reply(self, context: Context, relation: Relation, asking: Mapping[str, Bag]) -> dict[str, str]:
        """Make the user once, and let the catalog say what the unit asks for."""
        api = self._neighbours.keystone()
        if not self._is_set_up:
            make_user(api, str(context.application.config()["password"]))
            cloud = self._neighbours.cloud.url
            for name, kind, path in (("nova", "compute", "/compute/v2.1"), ("placement", "placement", "/placement")):
                put_endpoints(api, name, kind, dict.fromkeys(("public", "internal", "admin"), f"{cloud}{path}"))
            self._is_set_up = True
        for bag in asking.values():
            urls = {kind: bag[f"{kind}_url"] for kind in ("public", "internal", "admin")}
            put_endpoints(api, bag["service"], "instance-ha", urls)
        port = str(self._neighbours.settings.port("keystone"))
        found = super().reply(context, relation, asking)
        ours = {f"{kind}_host": ADDRESS for kind in ("auth", "service", "internal")}
        return found | ours | {f"{kind}_port": port for kind in ("auth", "service", "internal")}


def make_user(api: rest.Api, password: str) -> None:
    """Make the service user with its domain, its project and its roles."""
    domain = api.call("POST", "/domains", {"domain": {"name": DOMAIN}})["domain"]["id"]
    project = api.call("POST", "/projects", {"project": {"name": PROJECT, "domain_id": domain}})["project"]["id"]
    body = {"name": "masakari", "domain_id": domain, "password": password, "default_project_id": project}
    user = api.call("POST", "/users", {"user": body})["user"]["id"]
    for role in api.call("GET", "/roles")["roles"]:
        if role["name"] in ("admin", "service"):
            api.call("PUT", f"/projects/{project}/users/{user}/roles/{role['id']}")


def put_endpoints(api: rest.Api, name: str, kind: str, urls: Mapping[str, str]) -> None:
    """Make a service and its endpoints, or change their URLs in place."""
    services = api.call("GET", f"/services?type={kind}")["services"]
    if not services:
        services = [api.call("POST", "/services", {"service": {"name": name, "type": kind}})["service"]]
    service = services[0]["id"]
    there = {each["interface"]: each for each in api.call("GET", f"/endpoints?service_id={service}")["endpoints"]}
    for interface, url in urls.items():
        endpoint = {"interface": interface, "region_id": REGION, "service_id": service, "url": url}
        if interface not in there:
            api.call("POST", "/endpoints", {"endpoint": endpoint})
        elif there[interface]["url"] != url:
            api.call("PATCH", f"/endpoints/{there[interface]['id']}", {"endpoint": {"url": url}})


def deploy(juju: Juju, neighbours: Neighbours) -> None:
    """Add the three to a model."""
    juju.deploy_script(MysqlRouter.charm("mysql-router"), lambda unit: RealRouter(unit, neighbours), ROUTER)
    juju.deploy_script(Rabbitmq.charm("rabbitmq-server"), lambda unit: RealRabbitmq(unit, neighbours))
    juju.deploy_script(Keystone.charm("keystone"), lambda unit: RealKeystone(unit, neighbours))
    port = neighbours.settings.port("cloud-database")
    juju.config(ROUTER, {"host": ADDRESS, "port": port, "password": DATABASE_PASSWORD})


def integrate(juju: Juju) -> None:
    """Relate masakari to the three."""
    for name, endpoint in ((ROUTER, "shared-db"), ("rabbitmq-server", "amqp"), ("keystone", "identity-service")):
        juju.integrate(f"masakari:{endpoint}", f"{name}:{endpoint}")
