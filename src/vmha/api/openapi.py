"""The API as OpenAPI 3.1, built from the table of routes and the schemas that bodies are checked against.

It is served at /v1/openapi.json, `python -m vmha.api.openapi` prints it, and docs/openapi.json is that text. Tests hold every
answer that they get against it.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from vmha.api import answers, schemas
from vmha.api.answers import ref
from vmha.api.call import Answer
from vmha.api.microversion import HEADER, MAXIMUM, MINIMUM, SERVICE
from vmha.api.routes import ROUTES, VERSION, Route

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jsonschema import Draft4Validator

    from vmha.api.call import Call, JsonObject
    from vmha.api.microversion import Microversion

_PAGED: Final = ("sort_key", "sort_dir", "limit", "marker")
_FILTERS: Final[dict[str, tuple[str, ...]]] = {
    "/segments": ("recovery_method", "service_type", "enabled", *_PAGED),
    "/segments/{segment}/hosts": ("type", "on_maintenance", "reserved", *_PAGED),
    "/notifications": ("status", "source_host_uuid", "type", "generated-since", *_PAGED),
    "/notifications/{notification}/vmoves": ("status", "type", *_PAGED),
    "/recoveries": ("host", "phase", "outcome", "limit", "marker"),
}
_REPEATED: Final = ("sort_key", "sort_dir")
_ABOUT: Final = (
    "Instance high availability: upstream Masakari's API v1, and recoveries beside it. Every path below /v1 exists below "
    "/v1/{project_id} too. Names with format `name` have no blank at their ends and only printable characters."
)


def show(call: Call) -> Answer:
    """Describe the API itself."""
    return Answer(document())


DESCRIPTION = Route("GET", "/openapi", show, None)
"""Where a client finds it; like the version's document it takes a token and no right."""


@cache
def document() -> JsonObject:
    """Return the description."""
    paths: dict[str, JsonObject] = {}
    for route in (VERSION, DESCRIPTION, *ROUTES):
        paths.setdefault(f"/v1{route.path}", {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Masakari API v1", "version": str(MAXIMUM), "description": _ABOUT},
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}},
            "schemas": answers.COMPONENTS,
        },
    }


def _operation(route: Route) -> JsonObject:
    status, schema = answers.SUCCESSES[route.method, route.path]
    success: JsonObject = {"description": status.phrase}
    if schema is not None:
        success["content"] = {"application/json": {"schema": schema}}
    fault = {"description": "An error", "content": {"application/json": {"schema": ref("Fault")}}}
    operation = {
        "summary": (route.handler.__doc__ or "").partition("\n")[0],
        "parameters": _parameters(route),
        "responses": {
            str(status.value): success,
            "401": {"description": "No token that is valid"},
            "default": fault,
        },
    }
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _body(route.body)}}}
    return operation


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
    found = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in named]
    for name in _FILTERS.get(route.path, ()) if route.method == "GET" else ():
        plain: JsonObject = {"type": "string"}
        found.append(
            {"name": name, "in": "query", "schema": {"type": "array", "items": plain} if name in _REPEATED else plain}
        )
    about = f"`{SERVICE} {MINIMUM}` to `{SERVICE} {MAXIMUM}`, or `{SERVICE} latest`; without it {MINIMUM}"
    return [*found, {"name": HEADER, "in": "header", "description": about, "schema": {"type": "string"}}]


def main() -> int:
    """Print the description."""
    json.dump(document(), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
