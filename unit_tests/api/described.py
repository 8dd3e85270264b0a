"""Holds what the API does against its own description."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from vmha.api import openapi
from vmha.api.validation import formats

DOCUMENT: dict[str, Any] = json.loads(json.dumps(openapi.document()))


def check(method: str, path: str, sent: Any, answer: Any) -> None:
    """Fail unless an answer to a described request is described, and what was accepted is described as acceptable."""
    operation = find(method, path)
    if operation is None or (answer.status_int == 404 and not answer.content_type.startswith("application/json")):
        return
    status = str(answer.status_int)
    assert answer.status_int >= 400 or status in operation["responses"], (
        f"{method} {path} answered {status}, which is not described"
    )
    described = operation["responses"].get(status, operation["responses"]["default"])
    schema = described.get("content", {}).get("application/json", {}).get("schema")
    if schema is None:
        assert not answer.body or status == "401", f"{method} {path} answered with a body that is not described"
    elif not is_no_route(answer):
        demand(answer.json, schema, f"the answer to {method} {path}")
    if answer.status_int < 300 and "requestBody" in operation:
        demand(
            sent, operation["requestBody"]["content"]["application/json"]["schema"], f"{method} {path} was accepted and"
        )


def find(method: str, path: str) -> Any:
    """Return the description of what answers a request."""
    plain = re.sub("/+", "/", path.partition("?")[0])
    for template, methods in sorted(DOCUMENT["paths"].items(), key=lambda entry: "{" in entry[0]):
        if method.lower() in methods and pattern(template).fullmatch(plain):
            return methods[method.lower()]
    return None


@cache
def pattern(template: str) -> re.Pattern[str]:
    """Match a path below /v1 and below a project; `new` and `detail` are words of upstream's router."""
    inner = re.sub(r"\{\w+\}", "(?!new)[^/]+", template.removeprefix("/v1"))
    return re.compile(rf"/v1(/[0-9a-f-]+)?{inner}(\.json|\.xml)?")


def is_no_route(answer: Any) -> bool:
    """Tell the answer of a router that found nothing, which has no envelope."""
    return answer.status_int == 404 and "title" in answer.json


def demand(value: Any, schema: Any, what: str) -> None:
    """Fail unless `value` is as the schema says."""
    whole = {**schema, "components": DOCUMENT["components"]}
    error = next(Draft202012Validator(whole, format_checker=formats).iter_errors(value), None)
    assert error is None, f"{what} is not as described: {error.message} at {list(error.path)}"
