"""Plain REST calls to the cloud, with a token that is fetched once."""

import dataclasses
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from tests.cloud.rig.errors import RigError
from tests.cloud.rig.settings import PASSWORD, Settings

# Tells the rig's own requests from those of the service under test in every access log.
USER_AGENT = "vmha-rig"
NOVA_VERSION = "2.95"
# Keystone of this cloud gives tokens for a day.
TOKEN_SECONDS = 3600


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What a server said: status, headers with lower-case names, and the body as JSON (or text, or None)."""

    status: int
    headers: Mapping[str, str]
    body: Any


class HttpError(RigError):
    """A server answered, and not with success."""

    def __init__(self, request: str, answer: Answer) -> None:
        super().__init__(f"{request} answered {answer.status}: {answer.body}")
        self.answer = answer


class Identity:
    """A user of the cloud with a cached token."""

    def __init__(self, settings: Settings, user: str = "admin", project: str = "admin") -> None:
        self._url = f"{settings.url('keystone')}/v3/auth/tokens"
        self._user = user
        self._project = project
        self._lock = threading.Lock()
        self._token = ""
        self._project_id = ""
        self._fetched = float("-inf")

    def token(self) -> str:
        """Return a token that is valid for hours yet."""
        with self._lock:
            if time.monotonic() - self._fetched > TOKEN_SECONDS:
                self._fetch()
            return self._token

    def project_id(self) -> str:
        """Return the id of the user's project."""
        self.token()
        return self._project_id

    def _fetch(self) -> None:
        domain = {"id": "default"}
        user = {"name": self._user, "domain": domain, "password": PASSWORD}
        body = {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": {"name": self._project, "domain": domain}},
            }
        }
        answer = send("POST", self._url, body=body)
        if answer.status != 201:
            raise HttpError(f"POST {self._url}", answer)
        self._token = answer.headers["x-subject-token"]
        self._project_id = answer.body["token"]["project"]["id"]
        self._fetched = time.monotonic()


class Api:
    """One API of the cloud as seen by one user."""

    def __init__(self, url: str, identity: Identity, version_header: str = "", version: str = "") -> None:
        self.url = url
        self._identity = identity
        self._version_header = version_header
        self._version = version

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        version: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request and return whatever the answer is."""
        all_headers = {"X-Auth-Token": self._identity.token(), **(headers or {})}
        if self._version_header:
            all_headers[self._version_header] = version or self._version
        return send(method, self.url + path, body=body, headers=all_headers)

    def call(self, method: str, path: str, body: Any = None, *, version: str = "") -> Any:
        """Send a request and return the body of a success. Raises HttpError for anything else."""
        answer = self.send(method, path, body, version=version)
        if not 200 <= answer.status < 300:
            raise HttpError(f"{method} {path}", answer)
        return answer.body


def keystone_api(settings: Settings, identity: Identity) -> Api:
    """Return Keystone's API."""
    return Api(settings.url("keystone", "/v3"), identity)


def nova_api(settings: Settings, identity: Identity) -> Api:
    """Return Nova's API, at a microversion that shows everything unless a call names another."""
    url = settings.url("nova-api", "/v2.1")
    return Api(url, identity, "X-OpenStack-Nova-API-Version", NOVA_VERSION)


def placement_api(settings: Settings, identity: Identity) -> Api:
    """Return Placement's API."""
    return Api(settings.url("placement"), identity, "OpenStack-API-Version", "placement 1.36")


def glance_api(settings: Settings, identity: Identity) -> Api:
    """Return Glance's API."""
    return Api(settings.url("glance", "/v2"), identity)


def send(method: str, url: str, *, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
    """Send a request; bytes go as they are, everything else as JSON. Raises RigError when nobody answers."""
    all_headers = {"Accept": "application/json", "User-Agent": USER_AGENT, "Content-Type": "application/json"}
    all_headers.update(headers or {})
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers=all_headers)
    # Proxies of the environment are for the world outside; this never leaves the machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=120) as response:
            return _answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        return _answer(error.code, error.headers, error.read())
    except OSError as error:
        raise RigError(f"{method} {url} got no answer: {error}") from error


def _answer(status: int, headers: Any, raw: bytes) -> Answer:
    try:
        body = json.loads(raw) if raw else None
    except ValueError:
        body = raw.decode(errors="replace")
    return Answer(status, {name.lower(): value for name, value in headers.items()}, body)
