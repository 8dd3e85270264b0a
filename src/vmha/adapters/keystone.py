"""One authenticated session for all threads of a process, and calls through it that end in time and are sent once.

Rules:
1. A request leaves before its deadline or not at all; the last look at the clock is the last act before it is sent.
2. Nothing is repeated here, nor by a library below: no retries, no redirects. One exception: a 401 says that the service
   did not even look at the request, so keystoneauth fetches a new token and sends it once more (rule 1 holds again).
3. All threads share one token and one pool of connections. No version discovery: the microversion is in every request.
4. Foreign exceptions end here, as `NovaUnavailable`, `NovaRefused`, `OrderExpired` or `ConfigurationError`.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests
import urllib3
from keystoneauth1 import exceptions, loading
from keystoneauth1.session import Session, TCPKeepAliveAdapter

from vmha import __version__
from vmha.errors import ConfigurationError, NovaRefused, NovaUnavailable, OrderExpired

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from keystoneauth1.plugin import BaseAuthPlugin
    from oslo_config import cfg

    from vmha.ports import Clock, Deadline
    from vmha.settings import CloudSettings, Settings

Body = dict[str, Any]

# Longest wait for a TCP connection: three lost SYNs (1 + 2 + 4 s) are a dead address.
CONNECT_SECONDS = 5.0
# Longest wait for Keystone; others wait behind the thread that fetches the token.
TOKEN_SECONDS = 10.0
# Connections kept open beside those of the orders: readings of several recoveries at a time.
READERS = 8
# Statuses that say "not now", of Nova and of what stands before it. They say nothing of what was asked for: an order that got one is
# looked up and given again, and costs the instance none of its attempts.
_NOT_NOW = (408, 413, 429)
# How much of an answer is taken between two looks at the clock.
_PIECE = 65536


@dataclass(frozen=True, slots=True)
class Service:
    """A service of the catalog, with the headers that fix its microversion."""

    name: str
    type: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Limit:
    clock: Clock
    deadline: Deadline

    @property
    def left(self) -> float:
        return self.deadline.at - self.clock.monotonic()


_LIMIT: ContextVar[_Limit | None] = ContextVar("limit", default=None)


PASSWORD_TYPES = ("password", "v3password", "v2password")
"""Values of `auth_type` with which a user logs in by name and password."""


class Cloud:
    """Calls to services of one cloud and region, as its administrator."""

    def __init__(self, session: Session, *, interface: str, region: str | None, clock: Clock) -> None:
        self._session = session
        self._interface = interface
        self._region = region
        self._clock = clock

    def read(
        self,
        service: Service,
        path: str,
        query: Mapping[str, str | int | None],
        *,
        deadline: Deadline,
        before_order: bool = False,
    ) -> Body:
        """GET `path` and return the JSON object of the answer; `before_order` says that an order waits for it."""
        try:
            response = self._send(service, "GET", path, deadline=deadline, params=query)
        except _TooLateError as error:
            late = OrderExpired if before_order else NovaUnavailable
            raise late(f"GET {path} was not sent to {service.name}: no time was left") from error
        _check(service, "GET", path, response)
        try:
            body: Body = response.json()
        except ValueError as error:
            raise NovaUnavailable(f"{service.name} answered GET {path} with something that is not JSON") from error
        return body

    def order(self, service: Service, method: str, path: str, body: Body | None, *, deadline: Deadline) -> None:
        """Send an order once. `NovaUnavailable` leaves open whether it was taken; `NovaRefused` says that it was not."""
        try:
            response = self._send(service, method, path, deadline=deadline, json=body)
        except _TooLateError as error:
            raise OrderExpired(f"{method} {path} was not sent to {service.name}: its deadline had passed") from error
        _check(service, method, path, response)

    def _send(self, service: Service, method: str, path: str, *, deadline: Deadline, **what: Any) -> requests.Response:
        with _limited(_Limit(self._clock, deadline)), _translated(service, method, path):
            response: requests.Response = self._session.request(
                path,
                method,
                endpoint_filter={
                    "service_type": service.type,
                    "interface": self._interface,
                    "region_name": self._region,
                    "skip_discovery": True,
                },
                headers={"Accept": "application/json", **service.headers},
                redirect=False,
                connect_retries=0,
                status_code_retries=0,
                raise_exc=False,
                log=False,
                **what,
            )
        return response


def open_cloud(settings: Settings, *, clock: Clock) -> Cloud:
    """Prepare the session that the settings describe; nothing is sent yet. Raises `ConfigurationError`."""
    cloud = settings.cloud
    _, _, interface = cloud.nova_catalog_admin_info.split(":")
    session = Session(
        auth=_credentials(cloud, settings.config),
        session=_connections(settings.engine_settings.evacuate_threads + READERS),
        verify=False if cloud.nova_api_insecure else cloud.nova_ca_certificates_file or True,
        timeout=TOKEN_SECONDS,
        user_agent=f"vmha/{__version__} {settings.engine}",
    )
    return Cloud(session, interface=interface, region=cloud.os_region_name, clock=clock)


def _credentials(cloud: CloudSettings, config: cfg.ConfigOpts) -> BaseAuthPlugin:
    """Choose upstream's privileged user where it is set, as upstream does, else the user of [keystone_authtoken]."""
    loading.register_auth_conf_options(config, "keystone_authtoken")
    try:
        if cloud.os_privileged_user_name is None:
            plugin = loading.load_auth_from_conf_options(config, "keystone_authtoken")
        else:
            plugin = _privileged(cloud, config)
    except exceptions.ClientException as error:
        raise ConfigurationError(
            f"cannot log in to Keystone with what [keystone_authtoken] or os_privileged_user_* say: {error}"
        ) from error
    if plugin is None:
        raise ConfigurationError(
            "no credentials for Nova: set auth_type, auth_url, username, password, project_name, user_domain_name and "
            "project_domain_name in [keystone_authtoken]"
        )
    _check_password(cloud, config)
    return plugin


def _check_password(cloud: CloudSettings, config: cfg.ConfigOpts) -> None:
    """Name a password that is missing; keystoneauth would, without saying whose, when the first token is wanted."""
    kind = config.keystone_authtoken.auth_type or "password"
    privileged = cloud.os_privileged_user_name is not None
    given = (
        cloud.os_privileged_user_password if privileged else config.keystone_authtoken.get("password", "none wanted")
    )
    if kind in PASSWORD_TYPES and not given:
        option = "[DEFAULT] os_privileged_user_password" if privileged else "[keystone_authtoken] password"
        raise ConfigurationError(f"cannot log in to Keystone: there is no password; set {option}")


def _privileged(cloud: CloudSettings, config: cfg.ConfigOpts) -> Any:
    kind = config.keystone_authtoken.auth_type or "password"
    loader: loading.BaseLoader[Any] = loading.get_plugin_loader(kind)
    config.register_opts(loading.get_auth_plugin_conf_options(kind), group="keystone_authtoken")
    scope = (
        {"system_scope": cloud.os_system_scope}
        if cloud.os_system_scope
        else {
            "project_name": cloud.os_privileged_user_tenant,
            "project_domain_name": cloud.os_project_domain_name,
        }
    )
    return loader.load_from_options(
        auth_url=cloud.os_privileged_user_auth_url or config.keystone_authtoken.auth_url,
        username=cloud.os_privileged_user_name,
        password=cloud.os_privileged_user_password,
        user_domain_name=cloud.os_user_domain_name,
        **scope,
    )


def _connections(size: int) -> requests.Session:
    connections = requests.Session()
    for scheme in ("http://", "https://"):
        connections.mount(scheme, _BoundedAdapter(pool_connections=READERS, pool_maxsize=size))
    return connections


class _TooLateError(Exception):
    """The deadline passed before the request left."""


class _BoundedAdapter(TCPKeepAliveAdapter):
    """Looks at the deadline of the call that it serves; requests for tokens count too."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send the request with what is left of its time, or not at all."""
        limit = _LIMIT.get()
        if limit is not None:
            left = limit.left
            if left <= 0:
                raise _TooLateError
            # A connection that takes longer than what is left would let the order leave late.
            left = min(left, kwargs.get("timeout") or left)
            kwargs["timeout"] = urllib3.Timeout(total=left, connect=min(left, CONNECT_SECONDS))
        response = super().send(request, *args, **kwargs)
        if limit is not None:
            response.raw = io.BytesIO(_read_in_time(response, limit))
        return response


def _read_in_time(response: requests.Response, limit: _Limit) -> bytes:
    """Read the whole answer by the deadline: a timeout of the connection holds for each packet, however many there are."""
    pieces: list[bytes] = []
    try:
        while piece := response.raw.read1(_PIECE, decode_content=True):
            pieces.append(piece)
            if limit.left <= 0 and response.raw.length_remaining != 0:
                response.raw.close()
                raise requests.exceptions.ReadTimeout("its answer was still on its way at the deadline: timed out")
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ConnectionError(f"its answer broke off: {error}") from error
    response.raw.release_conn()
    return b"".join(pieces)


@contextmanager
def _limited(limit: _Limit) -> Iterator[None]:
    token = _LIMIT.set(limit)
    try:
        yield
    finally:
        _LIMIT.reset(token)


@contextmanager
def _translated(service: Service, method: str, path: str) -> Iterator[None]:
    what = f"{method} {path} got no answer from {service.name}"
    try:
        yield
    except exceptions.EndpointNotFound as error:
        raise NovaUnavailable(
            f"{what}: Keystone's catalog has no such endpoint; correct nova_catalog_admin_info or os_region_name"
        ) from error
    except exceptions.Unauthorized as error:
        raise NovaUnavailable(f"{what}: Keystone refused the user; correct its password: {error}") from error
    except exceptions.ClientException as error:
        raise NovaUnavailable(f"{what}: {error}") from error


def _check(service: Service, method: str, path: str, response: requests.Response) -> None:
    status = response.status_code
    if 200 <= status < 300:
        return
    if status == 401 or status in _NOT_NOW or status >= 500:
        raise NovaUnavailable(_answered(service, method, path, response))
    raise NovaRefused(status, _message(response))


def _answered(service: Service, method: str, path: str, response: requests.Response) -> str:
    return f"{service.name} answered {response.status_code} to {method} {path}: {_message(response)}"


def _message(response: requests.Response) -> str:
    """Take the service's own words out of its envelope, {"conflictingRequest": {"message": "..."}} or alike."""
    try:
        envelope = response.json()
        inner = next(iter(envelope.values()))
        inner = inner[0] if isinstance(inner, list) else inner
        message = inner.get("message") or inner.get("detail") or inner.get("title")
    except (ValueError, AttributeError, StopIteration, IndexError):
        message = None
    return str(message or response.reason or "no reason given")
