"""What the cloud must hold before it can boot an instance: users, catalogue, image and flavors."""

from collections.abc import Iterator

from tests.cloud.rig import rest
from tests.cloud.rig.settings import PASSWORD, REGION, Settings

IMAGE = "rig"
# Name -> size of the root disk in GiB. Every guest has one core and 64 MiB.
FLAVORS = {"rig.nano": 0, "rig.disk": 1}
# Service user -> type, server and path of its endpoint.
SERVICES = {
    "placement": ("placement", "placement", ""),
    "nova": ("compute", "nova-api", "/v2.1"),
    "glance": ("image", "glance", ""),
    "neutron": ("network", "neutron", ""),
    "masakari": ("instance-ha", "ha-api", "/v1/$(project_id)s"),
}


def create_catalogue(settings: Settings) -> None:
    """Create service users and endpoints, and a user `demo` without any rights to speak of."""
    keystone = rest.keystone_api(settings, rest.Identity(settings))
    roles = {role["name"]: role["id"] for role in keystone.call("GET", "/roles")["roles"]}
    service = _project(keystone, "service")
    for name, (kind, server, path) in SERVICES.items():
        user = _user(keystone, name, service)
        for role in ("admin", "service"):
            keystone.call("PUT", f"/projects/{service}/users/{user}/roles/{roles[role]}")
        _endpoints(keystone, name, kind, settings.url(server, path))
    demo = _project(keystone, "demo")
    keystone.call("PUT", f"/projects/{demo}/users/{_user(keystone, 'demo', demo)}/roles/{roles['member']}")


def create_resources(settings: Settings) -> None:
    """Create the image and the flavors."""
    identity = rest.Identity(settings)
    glance = rest.glance_api(settings, identity)
    if not glance.call("GET", f"/images?name={IMAGE}&status=active")["images"]:
        _upload_image(glance)
    nova = rest.nova_api(settings, identity)
    existing = {flavor["name"] for flavor in nova.call("GET", "/flavors")["flavors"]}
    for name in FLAVORS.keys() - existing:
        flavor = {"id": name, "name": name, "vcpus": 1, "ram": 64, "disk": FLAVORS[name]}
        nova.call("POST", "/flavors", {"flavor": flavor})


def _upload_image(glance: rest.Api) -> None:
    image = {"name": IMAGE, "disk_format": "raw", "container_format": "bare", "visibility": "public"}
    image_id = glance.call("POST", "/images", image)["id"]
    content = {"Content-Type": "application/octet-stream"}
    answer = glance.send("PUT", f"/images/{image_id}/file", bytes(1024), headers=content)
    if answer.status != 204:
        raise rest.HttpError("the upload of the image", answer)


def _project(keystone: rest.Api, name: str) -> str:
    found = keystone.call("GET", f"/projects?name={name}")["projects"]
    if not found:
        body = {"project": {"name": name, "domain_id": "default"}}
        found = [keystone.call("POST", "/projects", body)["project"]]
    return str(found[0]["id"])


def _user(keystone: rest.Api, name: str, project: str) -> str:
    found = keystone.call("GET", f"/users?name={name}")["users"]
    if not found:
        user = {"name": name, "domain_id": "default", "password": PASSWORD, "default_project_id": project}
        found = [keystone.call("POST", "/users", {"user": user})["user"]]
    return str(found[0]["id"])


def _endpoints(keystone: rest.Api, name: str, kind: str, url: str) -> None:
    found = keystone.call("GET", f"/services?type={kind}")["services"]
    if not found:
        found = [keystone.call("POST", "/services", {"service": {"name": name, "type": kind}})["service"]]
    service = found[0]["id"]
    existing = set(_interfaces(keystone, service))
    for interface in {"public", "internal", "admin"} - existing:
        endpoint = {"interface": interface, "region_id": REGION, "service_id": service, "url": url}
        keystone.call("POST", "/endpoints", {"endpoint": endpoint})


def _interfaces(keystone: rest.Api, service: str) -> Iterator[str]:
    for endpoint in keystone.call("GET", f"/endpoints?service_id={service}")["endpoints"]:
        yield endpoint["interface"]
