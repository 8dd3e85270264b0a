"""The API as OpenAPI 3.1, built from the table of routes and the schemas that bodies are checked against.

It is served at /v1/openapi.json, `python -m vmha.api.openapi` prints it, and docs/openapi.json is that text. Tests hold every
answer that they get against it, and make requests out of it. A status that an operation does not list is never answered.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from vmha.adapters.db import schema as tables
from vmha.api import answers, schemas
from vmha.api.answers import ref
from vmha.api.call import Answer
from vmha.api.microversion import HEADER, MAXIMUM, MINIMUM, SERVICE
from vmha.api.routes import NOT_ALLOWED, ROUTES, VERSION, Route
from vmha.core.kinds import KINDS, PHASES
from vmha.core.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jsonschema import Draft4Validator
    from sqlalchemy import Table

    from vmha.api.call import Call, JsonObject
    from vmha.api.microversion import Microversion
    from vmha.api.schemas import Schema

_TEXT: Final[Schema] = {"type": "string"}
_PAGE: Final[dict[str, Schema]] = {
    "limit": {"type": "integer", "minimum": 0},
    "marker": {**_TEXT, "description": "id or uuid of the row behind which the page begins"},
}
# As oslo.utils reads them, in either case.
_FLAG: Final[Schema] = {"enum": ["0", "1", "f", "false", "n", "no", "off", "on", "t", "true", "y", "yes"]}


def _list(table: Table, **filters: Schema) -> dict[str, Schema]:
    """Name the parameters of one of upstream's lists."""
    keys = {"enum": [column.name for column in table.c]}
    directions = {"enum": ["asc", "desc"]}
    sorting = {
        "sort_key": {"type": "array", "items": keys},
        "sort_dir": {"type": "array", "items": directions},
    }
    return {**filters, **sorting, **_PAGE}


_PARAMETERS: Final[dict[str, dict[str, Schema]]] = {
    "/segments": _list(
        tables.failover_segments,
        recovery_method={"enum": schemas.RECOVERY_METHODS},
        service_type=_TEXT,
        enabled=_FLAG,
    ),
    "/segments/{segment}/hosts": _list(tables.hosts, type=_TEXT, on_maintenance=_FLAG, reserved=_FLAG),
    "/notifications": _list(
        tables.notifications,
        status={"enum": answers.STATUSES},
        source_host_uuid=_TEXT,
        type={"enum": list(schemas.PAYLOADS)},
        **{"generated-since": {**_TEXT, "format": "date-time"}},
    ),
    "/notifications/{notification}/vmoves": _list(tables.vmoves, status=_TEXT, type=_TEXT),
    "/recoveries": {
        "host": _TEXT,
        "kind": {"enum": list(KINDS)},
        "phase": {"enum": sorted({each.value for each in PHASES})},
        "outcome": {"enum": [each.value for each in Outcome]},
        **_PAGE,
    },
}
_ABOUT: Final = (
    "Instance high availability: upstream Masakari's API v1, and recoveries beside it. Each path exists below /v1 and below "
    "/v1/{project_id}, for the caller's own project, but for the version itself; `.json` may follow any. Names with format `name` "
    "have no blank at their ends and only printable characters; a `printable line` has nothing else, a `printable text` line breaks too."
)
_SOME_PROJECT: Final = "0123456789abcdef0123456789abcdef"
_REFUSALS: Final = {
    HTTPStatus.BAD_REQUEST: "The request cannot be read, or names what is not known, or a project that is not the caller's.",
    HTTPStatus.UNAUTHORIZED: "There is no token, or none that is valid.",
    HTTPStatus.FORBIDDEN: "A rule of the policy does not let the caller.",
    HTTPStatus.NOT_FOUND: "There is no such thing, or no such path.",
    HTTPStatus.METHOD_NOT_ALLOWED: "`new` is no id but a word of the router.",
    HTTPStatus.NOT_ACCEPTABLE: "There is no such microversion.",
    HTTPStatus.CONFLICT: "What is stored does not allow it, now or at all.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than the service takes.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is said to be no JSON.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "A mistake of the service's; its log says more.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database, Nova or Keystone is away; the same request may succeed soon.",
}
"""What is answered other than a success, and when."""

_NOT_ALLOWED: Final = {(each.method, each.path) for each in NOT_ALLOWED}
_SENT: Final = {"schema": _TEXT, "required": True}
_REQUEST_ID: Final = {"x-openstack-request-id": _SENT}


def show(call: Call) -> Answer:
    """Describe the API itself."""
    project = call.caller.project_id or _SOME_PROJECT
    return Answer({**document(), "servers": _servers(f"{call.base_url}/v1", project)})


DESCRIPTION = Route("GET", "/openapi", show, None)
"""Where a client finds it; like the version's document it takes a token and no right."""


@cache
def document() -> JsonObject:
    """Return the description."""
    paths: dict[str, JsonObject] = {}
    for route in (VERSION, DESCRIPTION, *ROUTES):
        paths.setdefault(route.path or "/", {})[route.method.lower()] = _operation(route)
    # The version is the one thing that a project has not.
    paths["/"]["servers"] = _servers("/v1", _SOME_PROJECT)[:1]
    return {
        "openapi": "3.1.0",
        "info": {"title": "Masakari API v1", "version": str(MAXIMUM), "description": _ABOUT},
        "servers": _servers("/v1", _SOME_PROJECT),
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}},
            "schemas": answers.COMPONENTS,
            "responses": {f"Error{each.value}": _refusal(each) for each in _REFUSALS},
        },
    }


def _servers(url: str, project: str) -> list[JsonObject]:
    """Describe both forms of a path."""
    variable = {"default": project, "description": "the caller's project"}
    return [{"url": url}, {"url": f"{url}/{{project_id}}", "variables": {"project_id": variable}}]


def _operation(route: Route) -> JsonObject:
    status, schema = answers.SUCCESSES[route.method, route.path]
    success: JsonObject = {"description": status.phrase, "headers": {**_REQUEST_ID, HEADER: _SENT, "Vary": _SENT}}
    if schema is not None:
        success["content"] = {"application/json": {"schema": schema}}
    operation = {
        "summary": (route.handler.__doc__ or "").partition("\n")[0],
        "parameters": _parameters(route),
        "responses": {
            str(status.value): success,
            **{str(each.value): {"$ref": f"#/components/responses/Error{each.value}"} for each in _refusals(route)},
        },
    }
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _body(route.body)}}}
    return operation


def _refusals(route: Route) -> list[HTTPStatus]:
    """List the statuses other than the success that a route answers with."""
    # Where an id may stand `new` is a word of upstream's router.
    is_new_a_word = (route.method, f"{route.path.rpartition('/')[0]}/new") in _NOT_ALLOWED
    only_some = {
        HTTPStatus.FORBIDDEN: route.rule is not None,
        HTTPStatus.NOT_FOUND: "{" in route.path,
        HTTPStatus.METHOD_NOT_ALLOWED: route.path.endswith("}") and is_new_a_word,
        HTTPStatus.CONFLICT: route.method != "GET",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE: route.body is not None,
    }
    return [status for status in _REFUSALS if only_some.get(status, True)]


def _refusal(status: HTTPStatus) -> JsonObject:
    """Describe an error."""
    plain = {"text/plain": {"schema": _TEXT}}
    schema, others = answers.envelope(status), {}
    match status:
        case HTTPStatus.UNAUTHORIZED:
            schema, others = ref("Unauthorized"), plain
        case HTTPStatus.NOT_FOUND | HTTPStatus.SERVICE_UNAVAILABLE:
            # An id with a slash in it, or none, leads to no route; without Keystone no token can be checked. Which form these answers
            # have depends on the header Accept.
            schema, others = {"anyOf": [schema, ref("BareFault")]}, {**plain, "text/html": {"schema": _TEXT}}
        case _:
            pass
    content = {"application/json": {"schema": schema}, **others}
    return {"description": _REFUSALS[status], "headers": _REQUEST_ID, "content": content}


def _body(body: Mapping[Microversion, Draft4Validator]) -> Any:
    """Return the schema of the newest microversion; a notification's payload follows from its type."""
    newest = body[max(body)]
    schema: Any = newest.schema
    if newest is not schemas.NOTIFICATION_CREATE:
        return schema
    inner = schema["properties"]["notification"]
    kinds = [
        {"properties": {"type": {"const": kind}, "payload": payload.schema}}
        for kind, payload in schemas.PAYLOADS.items()
    ]
    return {**schema, "properties": {"notification": {**inner, "oneOf": kinds}}}


def _parameters(route: Route) -> list[JsonObject]:
    named = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    found: list[JsonObject] = [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in named]
    if route.method == "GET":
        found += [
            {"name": name, "in": "query", "schema": each} for name, each in _PARAMETERS.get(route.path, {}).items()
        ]
    about = f"`{SERVICE} {MINIMUM}` to `{SERVICE} {MAXIMUM}`, or `{SERVICE} latest`; without it {MINIMUM}"
    return [*found, {"name": HEADER, "in": "header", "description": about, "schema": _TEXT}]


def main() -> int:
    """Print the description."""
    json.dump(document(), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
