"""Puts the API together: what is asked without a token, and v1 below its layers."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from http import HTTPStatus
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import falcon
from falcon.routing import BaseConverter
from oslo_middleware.healthcheck import Healthcheck

from vmha.adapters.db.listing import UnusablePage
from vmha.adapters.metrics_server import PATH, metrics_application
from vmha.api import middleware, versions
from vmha.api.endpoint import PROJECT, base_url, refuser, responder, send
from vmha.api.faults import Fault, bad_request, no_route, unavailable, unexpected
from vmha.api.openapi import DESCRIPTION
from vmha.api.parts import ApiParts
from vmha.api.policy import Policy
from vmha.api.routes import NOT_ALLOWED, ROUTES, VERSION
from vmha.errors import StoreUnavailable, Unstorable
from vmha.logs import log

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from vmha.api.endpoint import Responder
    from vmha.api.middleware import Layer

__all__ = ["ApiParts", "create_app"]

LOG = logging.getLogger(__name__)
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")


def create_app(parts: ApiParts) -> WSGIApplication:
    """Build the WSGI application. Raises `ConfigurationError`."""
    policy = Policy(parts.config)
    proxy = middleware.proxy_headers(parts.config)
    sized = middleware.size_limit(parts.config)
    v1 = _below(
        (
            middleware.cross_origin(parts.config),
            proxy,
            middleware.request_ids,
            middleware.faults,
            sized,
            middleware.fresh_rules(policy),
            *middleware.authentication(parts.auth_strategy, parts.config, policy),
        ),
        _v1(parts, policy),
    )
    discovery = _below((proxy, middleware.faults, sized), _discovery(parts))
    health = _below((middleware.faults, sized), _health(parts))
    # Like the health check: without a token, since whoever asks for it has none, and only where the operator wants it.
    measures = None if parts.metrics is None else _below((middleware.faults, sized), metrics_application(parts.metrics))

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/v1" or path.startswith("/v1/"):
            return v1(environ, start_response)
        if path == "/healthcheck" or path.startswith("/healthcheck/"):
            return health(environ, start_response)
        if path == PATH and measures is not None:
            return measures(environ, start_response)
        return discovery(environ, start_response)

    return application


def _below(layers: Sequence[Layer], app: WSGIApplication) -> WSGIApplication:
    """Put `layers` around `app`, the first one outermost."""
    for layer in reversed(layers):
        app = layer(app)
    return app


def _v1(parts: ApiParts, policy: Policy) -> falcon.App[Any, Any]:
    """Build the router from the tables of routes."""
    app: falcon.App[Any, Any] = falcon.App(media_type="application/json", middleware=[_Paths()])
    app.router_options.converters["project"] = _ProjectId
    for path, methods in _responders(parts, policy).items():
        resource = SimpleNamespace(**{f"on_{method.lower()}": _no_route for method in _METHODS} | methods)
        app.add_route(path, resource)
    for kind, handler in _ERRORS:
        app.add_error_handler(kind, handler)
    return app


def _responders(parts: ApiParts, policy: Policy) -> dict[str, dict[str, Responder]]:
    """Collect what answers each method, by path."""
    found: dict[str, dict[str, Responder]] = defaultdict(dict)
    for base in ("/v1", f"/v1/{{{PROJECT}:project}}"):
        for route in (DESCRIPTION, *ROUTES):
            found[base + route.path][f"on_{route.method.lower()}"] = responder(route, parts, policy)
        for refused in NOT_ALLOWED:
            found[base + refused.path][f"on_{refused.method.lower()}"] = refuser(refused)
    for path in ("/v1", "/v1/"):
        found[path][f"on_{VERSION.method.lower()}"] = responder(VERSION, parts, policy)
    return found


class _Paths:
    """Reads paths as upstream's router does: several slashes are one, a format may follow any path, a slash none.

    The first is met in clouds: an endpoint in the catalog that ends in a slash, and a client that begins with one.
    """

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        """Let falcon route by what is left of the path."""
        request.path = re.sub("/+", "/", request.path).removesuffix(".json").removesuffix(".xml")
        if request.path.endswith("/") and request.path != "/v1/":
            raise falcon.HTTPRouteNotFound


class _ProjectId(BaseConverter):
    """Matches what Keystone makes ids of, so that no route of ours is taken for a project."""

    _FORM = re.compile(r"[0-9a-f-]+")

    def convert(self, value: str) -> str | None:
        """Return the id, or None where it is none."""
        return value if self._FORM.fullmatch(value) else None


def _discovery(parts: ApiParts) -> falcon.App[Any, Any]:
    """Build what answers outside v1, whatever the method."""

    def discover(req: falcon.Request, resp: falcon.Response, **path: Any) -> None:
        at_root = req.path == "/"
        base = base_url(req, parts)
        document = versions.index(base) if at_root else versions.choices(base, req.path)
        send(resp, HTTPStatus.OK if at_root else HTTPStatus.MULTIPLE_CHOICES, document)

    app: falcon.App[Any, Any] = falcon.App(media_type="application/json")
    app.add_sink(discover, "/")
    return app


def _health(parts: ApiParts) -> WSGIApplication:
    """Build what load balancers ask."""
    return Healthcheck(None, {"backends": "disable_by_file", "disable_by_file_path": parts.healthcheck_disabled_by})


def _no_route(request: falcon.Request, response: falcon.Response, *rest: Any, **path: Any) -> None:
    """Answer as upstream's router does: in the form that the client likes best, and without the headers of a version."""
    response.status = HTTPStatus.NOT_FOUND
    response.content_type, response.text = no_route(request.get_header("Accept"), request.method)


def _show_fault(request: Any, response: falcon.Response, fault: Fault, path: Any) -> None:
    response.status = fault.status
    response.set_headers(fault.headers())
    response.data = fault.body()


def _show_unusable_page(request: Any, response: falcon.Response, error: UnusablePage, path: Any) -> None:
    _show_fault(request, response, bad_request(str(error)), path)


def _show_unstorable(request: Any, response: falcon.Response, error: Unstorable, path: Any) -> None:
    _show_fault(request, response, bad_request(f"Invalid input: {error}. Nothing was stored."), path)


def _show_store_away(request: Any, response: falcon.Response, error: StoreUnavailable, path: Any) -> None:
    log(LOG, "database away", level=logging.ERROR, error=str(error), **middleware.request_fields(request.env))
    away = unavailable("The database did not answer. The request may not have been done; read before you repeat it.")
    _show_fault(request, response, away, path)


def _show_defect(request: Any, response: falcon.Response, error: Exception, path: Any) -> None:
    middleware.log_defect(request.env, error)
    _show_fault(request, response, unexpected(error), path)


# falcon's own errors say only that there is no such route or method.
_ERRORS: tuple[tuple[type[Exception], Any], ...] = (
    (Exception, _show_defect),
    (falcon.HTTPError, _no_route),
    (StoreUnavailable, _show_store_away),
    (Unstorable, _show_unstorable),
    (UnusablePage, _show_unusable_page),
    (Fault, _show_fault),
)
