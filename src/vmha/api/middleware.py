"""What surrounds v1, as plain WSGI layers: each takes an application and returns one."""

from __future__ import annotations

import io
import logging
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import webob
from keystonemiddleware.auth_token import AuthProtocol
from oslo_context.context import RequestContext
from oslo_middleware import cors, http_proxy_to_wsgi, sizelimit

from vmha.api.call import Caller
from vmha.api.faults import PLAIN_TYPE, Fault, bad_request, unexpected
from vmha.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from oslo_config import cfg

    from vmha.api.policy import Policy

    Layer = Callable[[WSGIApplication], WSGIApplication]

LOG = logging.getLogger(__name__)
CALLER: Final = "vmha.caller"
"""Key of the environment under which the `Caller` stands."""
# The names by which oslo's libraries know them, so that keystonemiddleware passes the ids on.
REQUEST_ID: Final = "openstack.request_id"
GLOBAL_REQUEST_ID: Final = "openstack.global_request_id"

_REQUEST_ID_FORM = re.compile(r"req-[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}")
_CORS_DEFAULTS = {
    "allow_headers": [
        "X-Auth-Token",
        "X-Openstack-Request-Id",
        "X-Identity-Status",
        "X-Roles",
        "X-Service-Catalog",
        "X-User-Id",
        "X-Tenant-Id",
    ],
    "expose_headers": ["X-Auth-Token", "X-Openstack-Request-Id", "X-Subject-Token", "X-Service-Token"],
    "allow_methods": ["GET", "PUT", "POST", "DELETE", "PATCH"],
}
_UNKNOWN_USER = b"401 Unauthorized\n\nThe token names no user.\n"


def cross_origin(config: cfg.ConfigOpts) -> Layer:
    """Answer preflights, and let pages of the origins that [cors] names read our answers."""
    set_library_defaults()

    def around(app: WSGIApplication) -> WSGIApplication:
        shared = cors.CORS(app, config)

        def layer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            # All others pass it unchanged, and it would take each answer apart and put it together again.
            concerns_it = "HTTP_ORIGIN" in environ or environ.get("REQUEST_METHOD") == "OPTIONS"
            return (shared if concerns_it else app)(environ, start_response)

        return layer

    return around


def set_library_defaults() -> None:
    """Give options of libraries the defaults that they have upstream; oslo.config's generators ask for it too."""
    cors.set_defaults(**_CORS_DEFAULTS)


def proxy_headers(config: cfg.ConfigOpts) -> Layer:
    """Believe X-Forwarded-* where [oslo_middleware] enable_proxy_headers_parsing says that a proxy sets them."""

    def around(app: WSGIApplication) -> WSGIApplication:
        proxy = http_proxy_to_wsgi.HTTPProxyToWSGI(app, config)

        def layer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            # It changes the request only. Called as an application it would take each answer apart, too.
            proxy.process_request(webob.Request(environ))
            return app(environ, start_response)

        return layer

    return around


def request_ids(app: WSGIApplication) -> WSGIApplication:
    """Give each request an id that stands in its answer and in the log, beside the caller's own."""

    def layer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request_id = f"req-{uuid4()}"
        environ[REQUEST_ID] = request_id
        inbound = environ.get("HTTP_X_OPENSTACK_REQUEST_ID", "")
        if _REQUEST_ID_FORM.fullmatch(inbound):
            environ[GLOBAL_REQUEST_ID] = inbound

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            return start_response(status, [*headers, ("x-openstack-request-id", request_id)], *error)

        return app(environ, start)

    return layer


def faults(app: WSGIApplication) -> WSGIApplication:
    """Turn what the layers below raise into an answer; what nobody foresaw is logged and not shown."""

    def layer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            return app(environ, start_response)
        except Fault as error:
            fault = error
        except Exception as error:  # noqa: BLE001 (the last line of defence: one request fails, not the process)
            log_defect(environ, error)
            fault = unexpected(error)
        status = f"{fault.status.value} {fault.status.phrase}"
        body = fault.body()
        start_response(status, [*fault.headers().items(), ("Content-Length", str(len(body)))])
        return [body]

    return layer


def size_limit(config: cfg.ConfigOpts) -> Layer:
    """Read bodies here, up to [oslo_middleware] max_request_body_size bytes, whether their length is announced or not."""
    config.register_opts(sizelimit.OPTS, group="oslo_middleware")
    limit: int = config.oslo_middleware.max_request_body_size

    def around(app: WSGIApplication) -> WSGIApplication:
        def layer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            body = _read(environ, limit)
            environ["wsgi.input"] = io.BytesIO(body)
            environ["CONTENT_LENGTH"] = str(len(body))
            return app(environ, start_response)

        return layer

    return around


def fresh_rules(policy: Policy) -> Layer:
    """Let what changed in a policy file count from the next request on."""

    def around(app: WSGIApplication) -> WSGIApplication:
        def layer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            policy.read_again()
            return app(environ, start_response)

        return layer

    return around


def authentication(strategy: str, config: cfg.ConfigOpts, policy: Policy) -> tuple[Layer, ...]:
    """Return the layers that find out who calls. Raises `ConfigurationError` for an unknown strategy."""
    match strategy:
        case "keystone":
            return (_tokens(config), _bearers(policy))
        case "noauth2":
            return (_anybody,)
        case _:
            raise ConfigurationError(
                f"cannot use auth_strategy = {strategy}: it must be keystone, or noauth2 for tests"
            )


def log_defect(environ: WSGIEnvironment, error: Exception) -> None:
    """Write down what nobody foresaw, with its traceback and all that finds it again."""
    LOG.error("request failed", extra={"fields": request_fields(environ)}, exc_info=error)


def request_fields(environ: WSGIEnvironment) -> dict[str, object]:
    """Return what names a request in the log."""
    return {
        "method": environ.get("REQUEST_METHOD"),
        "path": environ.get("PATH_INFO"),
        "request": environ.get(REQUEST_ID),
        "global_request": environ.get(GLOBAL_REQUEST_ID, "-"),
    }


def _read(environ: WSGIEnvironment, limit: int) -> bytes:
    """Read the whole body. Raises `Fault` if it is larger than `limit`."""
    announced = environ.get("CONTENT_LENGTH") or ""
    if announced and not (announced.isascii() and announced.isdigit()):
        raise bad_request("Malformed Content-Length")
    # A length of more digits than the limit is larger, and Python refuses to read thousands of them.
    if len(announced.lstrip("0")) > len(str(limit)) or int(announced or 0) > limit:
        raise _too_large(limit)
    if announced:
        body: bytes = environ["wsgi.input"].read(int(announced))
        return body
    if not environ.get("wsgi.input_terminated"):
        return b""
    body = environ["wsgi.input"].read(limit + 1)
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> Fault:
    return Fault(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"Request is too large. Larger than max_request_body_size ({limit}).",
    )


def _tokens(config: cfg.ConfigOpts) -> Layer:
    """Let keystonemiddleware check the token and replace what the client said about itself by what Keystone says."""
    return lambda app: AuthProtocol(app, {"oslo_config_config": config})


def _bearers(policy: Policy) -> Layer:
    """Read the caller from what keystonemiddleware wrote into the environment."""

    def around(app: WSGIApplication) -> WSGIApplication:
        def layer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            user_id = environ.get("HTTP_X_USER_ID")
            if not user_id:
                length = str(len(_UNKNOWN_USER))
                start_response("401 Unauthorized", [("Content-Type", PLAIN_TYPE), ("Content-Length", length)])
                return [_UNKNOWN_USER]
            known = _credentials(environ)
            environ[CALLER] = Caller(
                user_id=user_id,
                user_name=environ.get("HTTP_X_USER_NAME"),
                project_id=known["project_id"],
                roles=tuple(known["roles"]),
                is_admin=policy.is_admin(known),
                more=known,
            )
            return app(environ, start_response)

        return layer

    return around


def _credentials(environ: WSGIEnvironment) -> dict[str, Any]:
    """Return what a rule may ask of the caller: scope, domains and the service that sent it too, under the names of oslo.context."""
    return dict(RequestContext.from_environ(environ, overwrite=False).to_policy_values())


def _anybody(app: WSGIApplication) -> WSGIApplication:
    """Believe what the client says about itself, and take it for an administrator."""

    def layer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ[CALLER] = Caller(
            user_id=environ.get("HTTP_X_USER_ID"),
            user_name=None,
            project_id=environ.get("HTTP_X_PROJECT_ID"),
            roles=(),
            is_admin=True,
        )
        return app(environ, start_response)

    return layer
