"""Keystone: its configuration, its first administrator, its process, and what stands in its catalog.

It runs as a part of the cloud, on MariaDB and with memcached, or alone on SQLite: `start_alone`.
"""

import getpass
import grp
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.cloud.rig import environments, layout, plan, process, rest, schemas
from tests.cloud.rig.settings import PASSWORD, REGION, Settings
from tests.cloud.rig.web import WebServer

# Without a cache each token that it checks costs Keystone a quarter of a second. The second one is its process's own, so that
# it must have one process.
MEMCACHED, OWN_MEMORY = "dogpile.cache.memcached", "dogpile.cache.memory"
INTERFACES = ("public", "internal", "admin")
# bcrypt's. The first is Keystone's default: clients of the cloud that log in too often must feel it. The second is the least
# there is, for tests that log in as often as they like.
USUAL_ROUNDS, FEWEST_ROUNDS = 12, 4


def start_alone(settings: Settings) -> None:
    """Make a Keystone on SQLite with its administrator, start it, and return when it answers. Nothing else runs."""
    environments.make(["keystone"])
    for folder in ("run", "log"):
        (settings.data / folder).mkdir(parents=True, exist_ok=True)
    database = f"sqlite:///{settings.data / 'keystone.sqlite'}"
    configure(settings, connection=database, cache=OWN_MEMORY, password_rounds=FEWEST_ROUNDS)
    create(settings)
    server(settings, workers=1).start()


def configure(
    settings: Settings, *, connection: str = "", cache: str = MEMCACHED, password_rounds: int = USUAL_ROUNDS
) -> None:
    """Write keystone.conf; its database is the cloud's unless `connection` names another."""
    text = layout.fill(
        settings,
        "keystone.conf",
        connection=connection or f"{layout.database_url(settings, 'cloud-database')}/keystone?charset=utf8",
        cache=cache,
        password_rounds=password_rounds,
    )
    layout.write(_config(settings), text)


def create_in_cloud(settings: Settings) -> None:
    """Do the same as `create` on the cloud's own database server."""
    create(settings, lambda: schemas.create(settings, "keystone", partial(_manage, settings, "db_sync")))


def create(settings: Settings, sync: Callable[[], None] | None = None) -> None:
    """Create Keystone's schema, by `sync` if that is given, its keys and its first administrator."""
    for keys in ("fernet", "credential"):
        (settings.data / "keystone" / keys).mkdir(parents=True, exist_ok=True, mode=0o700)
    url = f"{settings.url('keystone')}/v3"
    administrator = ["--bootstrap-password", PASSWORD, "--bootstrap-region-id", REGION]
    for interface in INTERFACES:
        administrator += [f"--bootstrap-{interface}-url", url]
    owner = ("--keystone-user", getpass.getuser(), "--keystone-group", grp.getgrgid(os.getegid()).gr_name)
    at_once: dict[str, Callable[[], None]] = {
        "db_sync": sync or partial(_manage, settings, "db_sync"),
        "fernet_setup": partial(_manage, settings, "fernet_setup", *owner),
        "credential_setup": partial(_manage, settings, "credential_setup", *owner),
    }
    first = [plan.Step(verb, action) for verb, action in at_once.items()]
    last = plan.Step("bootstrap", partial(_manage, settings, "bootstrap", *administrator), tuple(at_once))
    plan.run((*first, last), lambda name, seconds: None)


def server(settings: Settings, workers: int = 2) -> WebServer:
    """Return Keystone's API."""
    config = {"OS_KEYSTONE_CONFIG_FILES": str(_config(settings))}
    return WebServer(settings, "keystone", "keystone", "keystone.wsgi.api", workers, 1, config)


def put_project(api: rest.Api, name: str) -> str:
    """Make a project unless it is there, and return its id."""
    found = api.call("GET", f"/projects?name={name}")["projects"]
    if not found:
        body = {"project": {"name": name, "domain_id": "default"}}
        found = [api.call("POST", "/projects", body)["project"]]
    return str(found[0]["id"])


def put_user(api: rest.Api, name: str, project: str, *roles: str) -> str:
    """Make a user unless it is there, let it have these roles in the project, and return its id."""
    found = api.call("GET", f"/users?name={name}")["users"]
    if not found:
        user = {"name": name, "domain_id": "default", "password": PASSWORD, "default_project_id": project}
        found = [api.call("POST", "/users", {"user": user})["user"]]
    user_id = str(found[0]["id"])
    known = {role["name"]: role["id"] for role in api.call("GET", "/roles")["roles"]} if roles else {}
    for role in roles:
        api.call("PUT", f"/projects/{project}/users/{user_id}/roles/{known[role]}")
    return user_id


def put_endpoints(api: rest.Api, name: str, kind: str, url: str, region: str = REGION) -> None:
    """Put a service into the catalog of a region, with the same URL for everybody, unless it stands there."""
    found = api.call("GET", f"/services?type={kind}")["services"]
    if not found:
        found = [api.call("POST", "/services", {"service": {"name": name, "type": kind}})["service"]]
    service = found[0]["id"]
    if region not in {each["id"] for each in api.call("GET", "/regions")["regions"]}:
        api.call("POST", "/regions", {"region": {"id": region}})
    known = api.call("GET", f"/endpoints?service_id={service}&region_id={region}")["endpoints"]
    for interface in sorted(set(INTERFACES) - {endpoint["interface"] for endpoint in known}):
        endpoint = {"interface": interface, "region_id": region, "service_id": service, "url": url}
        api.call("POST", "/endpoints", {"endpoint": endpoint})


def _manage(settings: Settings, verb: str, *arguments: str) -> None:
    program = environments.program("keystone", "keystone-manage")
    command = [program, "--config-file", str(_config(settings)), verb, *arguments]
    process.run(command, layout.log_file(settings, f"keystone-manage-{verb}"), cwd=settings.data)


def _config(settings: Settings) -> Path:
    return layout.config_file(settings, "keystone.conf")
