"""The steps of one request, in upstream's order: version, body, project, schema, policy, handler."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from vmha.api import members, microversion, validation
from vmha.api.call import Call
from vmha.api.faults import Fault, bad_request
from vmha.api.microversion import Microversion, UnsupportedVersion
from vmha.api.middleware import CALLER, REQUEST_ID
from vmha.api.params import Query

if TYPE_CHECKING:
    from collections.abc import Callable

    import falcon

    from vmha.api.call import Caller
    from vmha.api.parts import ApiParts
    from vmha.api.policy import Policy
    from vmha.api.routes import NotAllowed, Route

    Responder = Callable[..., None]

PROJECT: Final = "project_id"
_WITH_BODY = ("POST", "PUT")


def responder(route: Route, parts: ApiParts, policy: Policy) -> Responder:
    """Make what falcon calls for `route`."""

    def respond(request: falcon.Request, response: falcon.Response, **path: str) -> None:
        version = _version(request, response)
        body = _body(request)
        caller: Caller = request.env[CALLER]
        _demand_own_project(path.pop(PROJECT, None), caller)
        if route.body is not None:
            validation.check(body, route.body[max(each for each in route.body if each <= version)])
        if route.rule is not None:
            policy.demand(caller, route.rule)
        base = base_url(request, parts)
        call = Call(
            parts=parts,
            policy=policy,
            caller=caller,
            version=version,
            path=members.by_uuid(parts.engine, path),
            query=Query(request.query_string),
            body=body,
            base_url=base,
            url=base + request.path,
            request_id=request.env.get(REQUEST_ID),
        )
        answer = route.handler(call)
        response.set_headers(answer.headers)
        send(response, answer.status, answer.body)

    return respond


def refuser(refused: NotAllowed) -> Responder:
    """Make what falcon calls for a method that is mapped and does nothing."""

    def refuse(request: falcon.Request, response: falcon.Response, **path: str) -> None:
        _version(request, response)
        raise Fault(
            HTTPStatus.METHOD_NOT_ALLOWED,
            f"The request method: '{refused.method}' with action: '{refused.action}' is not allowed on this resource",
        )

    return refuse


def send(response: falcon.Response, status: HTTPStatus, body: dict[str, Any] | None) -> None:
    """Write a success."""
    response.status = status
    response.content_type = "application/json"
    if body is not None:
        response.data = json.dumps(body).encode()


def base_url(request: falcon.Request, parts: ApiParts) -> str:
    """Return what links begin with."""
    return (parts.link_prefix or request.prefix).rstrip("/")


def _version(request: falcon.Request, response: falcon.Response) -> Microversion:
    """Negotiate, and say in the answer what was agreed."""
    try:
        version = microversion.requested(request.get_header(microversion.HEADER))
    except UnsupportedVersion:
        response.append_header("Vary", microversion.HEADER)
        raise
    response.set_header(microversion.HEADER, f"{microversion.SERVICE} {version}")
    response.append_header("Vary", microversion.HEADER)
    return version


def _body(request: falcon.Request) -> Any:
    if request.method not in _WITH_BODY:
        return None
    content_type = (request.content_type or "").partition(";")[0].strip().lower()
    # Upstream takes text/plain for a client that does not say what it sends.
    if content_type not in ("", "text/plain", "application/json"):
        raise Fault(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Unsupported Content-Type")
    # The size limit stands before us, so this is bounded also where the client announces no length.
    return validation.parse(request.env["wsgi.input"].read())


def _demand_own_project(in_url: str | None, caller: Caller) -> None:
    if in_url is not None and in_url != caller.project_id:
        raise bad_request(
            f"Malformed request URL: URL's project_id '{in_url}' doesn't match Context's project_id "
            f"'{caller.project_id}'"
        )
