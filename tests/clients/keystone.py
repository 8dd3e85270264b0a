"""A real Keystone with our API in its catalog, in every form of URL that deployers register."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cloud.rig import keystone, layout, rest
from tests.cloud.rig.ports import free_block
from tests.cloud.rig.settings import PASSWORD, REGION, Settings

if TYPE_CHECKING:
    from pathlib import Path

ALIAS = "/instance-ha"
# Region -> what stands in its catalog behind the address of our API, and who registers it so.
ENDPOINTS = {
    # The charms, and upstream's guide of old.
    REGION: "/v1/%(tenant_id)s",
    # Upstream's guide of today.
    "versioned": "/v1",
    "slash": "/v1/",
    # Kolla.
    "unversioned": "",
    # devstack, and whoever serves it below an alias of Apache.
    "below-an-alias": f"{ALIAS}/v1/$(project_id)s",
    "unversioned-below-an-alias": ALIAS,
}
# User -> project, and the roles there.
USERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "admin": ("admin", ("admin",)),
    "masakari": ("service", ("admin", "service")),
    "demo": ("demo", ("member",)),
    "nobody": ("demo", ()),
}


def path_of(region: str) -> str:
    """Return the path below which a client must stay that looks our API up in a region."""
    return ALIAS if ENDPOINTS[region].startswith(ALIAS) else ""


class RealKeystone:
    """The server, from `start` to `stop`."""

    def __init__(self, folder: Path) -> None:
        """Put its data below a folder."""
        self._settings = Settings(data=folder, first_port=free_block(("keystone",)))
        self.url = self._settings.url("keystone", "/v3")
        self.projects: dict[str, str] = {}
        self.users: dict[str, str] = {}

    def start(self, api_url: str) -> None:
        """Start it and fill it: the users, and an API at that address."""
        keystone.start_alone(self._settings)
        api = self.api()
        for user, (project, roles) in USERS.items():
            self.projects[project] = keystone.put_project(api, project)
            self.users[user] = keystone.put_user(api, user, self.projects[project], *roles)
        for region, path in ENDPOINTS.items():
            keystone.put_endpoints(api, "masakari", "instance-ha", api_url + path, region)

    def stop(self) -> None:
        """End it."""
        keystone.server(self._settings).daemon().stop()

    def api(self) -> rest.Api:
        """Return its own API, as its administrator."""
        return rest.keystone_api(self._settings, rest.Identity(self._settings))

    def authtoken(self) -> str:
        """Return the section of a masakari.conf that lets our API ask it about tokens."""
        return layout.authtoken(self._settings, "masakari", is_cached=False)

    def unscoped_token(self, user: str) -> str:
        """Return a token of a user and of no project."""
        identity = {"user": {"id": self.users[user], "password": PASSWORD}}
        body = {"auth": {"identity": {"methods": ["password"], "password": identity}, "scope": "unscoped"}}
        answer = rest.send("POST", f"{self.url}/auth/tokens", body=body)
        assert answer.status == 201, answer
        return answer.headers["x-subject-token"]

    def application_credential(self, user: str) -> dict[str, str | None]:
        """Make an application credential of a user, and return what openstacksdk needs to log in with it instead."""
        own = rest.keystone_api(self._settings, rest.Identity(self._settings, user, USERS[user][0]))
        path = f"/users/{self.users[user]}/application_credentials"
        made = own.call("POST", path, {"application_credential": {"name": user}})["application_credential"]
        instead = dict.fromkeys(("username", "password", "project_name", "user_domain_name", "project_domain_name"))
        return {
            **instead,
            "auth_type": "v3applicationcredential",
            "application_credential_id": made["id"],
            "application_credential_secret": made["secret"],
        }

    def login(self, user: str, region: str) -> dict[str, str]:
        """Return what a user of a cloud has in the environment."""
        return {
            "OS_AUTH_URL": self.url,
            "OS_USERNAME": user,
            "OS_PASSWORD": PASSWORD,
            "OS_PROJECT_NAME": USERS[user][0],
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_PROJECT_DOMAIN_NAME": "Default",
            "OS_REGION_NAME": region,
        }
