"""The simulated Keystone over HTTP: password logins, tokens, a catalog, and the validation that keystonemiddleware asks for."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import NAMESPACE_DNS, uuid5

from vmha.sim.gate import Refused
from vmha.sim.http import Part, Request, Response, Route

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmha.sim.http import Body
    from vmha.sim.world import World

REGION = "RegionOne"
PASSWORD = "secret"  # noqa: S105 (of a simulated cloud)
TOKEN_SECONDS = 3600.0
DOMAIN = {"id": "default", "name": "Default"}


@dataclass(frozen=True, slots=True)
class User:
    """Who may log in, to which project, as what."""

    name: str
    project: str
    roles: tuple[str, ...]


USERS = {
    user.name: user
    for user in (
        User("admin", "admin", ("admin", "member", "reader")),
        User("masakari", "service", ("admin", "service")),
        User("demo", "demo", ("member", "reader")),
    )
}


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was given."""

    user: User
    issued_at: float
    generation: int
    audit_id: str


class Keystone(Part):
    """Identity v3. Every user has the same password, and is an administrator unless called demo."""

    prefix = "/identity"

    def __init__(self, world: World, *, instance_ha_url: str | None = None) -> None:
        super().__init__()
        self._world = world
        self._tokens: dict[str, Token] = {}
        self.instance_ha_url = instance_ha_url

    def routes(self) -> Sequence[Route]:
        """Return the table of routes."""
        return (
            Route("GET", "/", self._versions),
            Route("GET", "/v3", self._version),
            Route("POST", "/v3/auth/tokens", self._log_in),
            Route("GET", "/v3/auth/tokens", self._validate),
            Route("HEAD", "/v3/auth/tokens", self._validate),
            Route("DELETE", "/v3/auth/tokens", self._revoke),
        )

    def guard(self, request: Request) -> None:
        """Answer nobody during an outage."""
        self._world.keystone_gate.check_open()

    def check(self, request: Request) -> User:
        """Return the user behind the token of a request to any API; raises `Refused` with 401."""
        return self._token(request.headers.get("x-auth-token", ""), 401).user

    def _versions(self, request: Request) -> Response:
        return Response(300, {"versions": {"values": [self._describe(request)]}})

    def _version(self, request: Request) -> Response:
        return Response(200, {"version": self._describe(request)})

    def _describe(self, request: Request) -> Body:
        return {
            "id": "v3.14",
            "status": "stable",
            "updated": "2020-04-07T00:00:00Z",
            "links": [{"rel": "self", "href": f"{request.url}{self.prefix}/v3/"}],
            "media-types": [],
        }

    def _log_in(self, request: Request) -> Response:
        try:
            identity = request.body["auth"]["identity"]
            user = self._user(identity)
        except (KeyError, TypeError, AttributeError) as error:
            raise Refused(400, f"the body of a login has no {error}") from error
        token = Token(user, self._world.now, self._world.token_generation, secrets.token_urlsafe(16))
        name = secrets.token_urlsafe(32)
        self._tokens[name] = token
        return Response(201, self._body(token, request), {"X-Subject-Token": name})

    def _user(self, identity: Body) -> User:
        if "password" in identity["methods"]:
            given = identity["password"]["user"]
            user = USERS.get(given.get("name") or str(given["id"]).removeprefix("user-"))
            if user is None or given["password"] != PASSWORD:
                raise Refused(401, "The request you have made requires authentication.")
            return user
        if "token" in identity["methods"]:
            return self._token(identity["token"]["id"], 401).user
        raise Refused(401, "The simulated Keystone knows the methods password and token.")

    def _validate(self, request: Request) -> Response:
        self.check(request)
        name = request.headers.get("x-subject-token", "")
        body = self._body(self._token(name, 404), request)
        return Response(200, body if request.method == "GET" else None, {"X-Subject-Token": name})

    def _revoke(self, request: Request) -> Response:
        self.check(request)
        self._tokens.pop(request.headers.get("x-subject-token", ""), None)
        return Response(204)

    def _token(self, name: str, status: int) -> Token:
        token = self._tokens.get(name)
        if token is None or token.generation != self._world.token_generation:
            raise Refused(status, "The token is unknown, or was revoked.")
        if token.issued_at + TOKEN_SECONDS < self._world.now:
            raise Refused(status, "The token has expired.")
        return token

    def _body(self, token: Token, request: Request) -> Body:
        issued = datetime.fromtimestamp(token.issued_at, UTC)
        user = token.user
        return {
            "token": {
                "methods": ["password"],
                "user": {"id": f"user-{user.name}", "name": user.name, "domain": DOMAIN, "password_expires_at": None},
                "project": {"id": project_id(user.project), "name": user.project, "domain": DOMAIN},
                "is_domain": False,
                "roles": [{"id": f"role-{role}", "name": role} for role in user.roles],
                "issued_at": _text(issued),
                "expires_at": _text(issued + timedelta(seconds=TOKEN_SECONDS)),
                "audit_ids": [token.audit_id],
                "catalog": self._catalog(request.url),
            }
        }

    def _catalog(self, url: str) -> list[Body]:
        services = {
            ("keystone", "identity"): f"{url}{self.prefix}",
            ("nova", "compute"): f"{url}/compute/v2.1",
            ("placement", "placement"): f"{url}/placement",
            ("glance", "image"): f"{url}/image",
        }
        if self.instance_ha_url is not None:
            services["masakari", "instance-ha"] = self.instance_ha_url
        return [
            {
                "id": f"service-{kind}",
                "name": name,
                "type": kind,
                "endpoints": [
                    {
                        "id": f"endpoint-{kind}-{interface}",
                        "interface": interface,
                        "region": REGION,
                        "region_id": REGION,
                        "url": endpoint,
                    }
                    for interface in ("public", "internal", "admin")
                ],
            }
            for (name, kind), endpoint in services.items()
        ]


def project_id(name: str) -> str:
    """Return an id in hexadecimal digits, as Keystone's are: others cannot stand in the URLs of our API."""
    return uuid5(NAMESPACE_DNS, name).hex


def _text(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
