"""What the cloud must hold before it can boot an instance: users, catalogue, image and flavors."""

from tests.cloud.rig import keystone, rest
from tests.cloud.rig.settings import Settings

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
    api = rest.keystone_api(settings, rest.Identity(settings))
    service = keystone.put_project(api, "service")
    for name, (kind, server, path) in SERVICES.items():
        keystone.put_user(api, name, service, "admin", "service")
        keystone.put_endpoints(api, name, kind, settings.url(server, path))
    keystone.put_user(api, "demo", keystone.put_project(api, "demo"), "member")


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
