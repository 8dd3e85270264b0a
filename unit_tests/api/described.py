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


def check(method: str, path: str, sent: Any, *, answered: int, body: Any) -> None:
    """Fail unless an answer to a described request is described, and what was accepted is described as acceptable.

    `body` is the JSON of the answer, text where it is none.
    """
    operation = find(method, path)
    if operation is None:
        return
    status = str(answered)
    assert status in operation["responses"], f"{method} {path} answered {status}, which is not described"
    kinds = resolved(operation["responses"][status]).get("content", {})
    if isinstance(body, str):
        assert not body or "text/plain" in kinds, f"{method} {path} answered with a text that is not described: {body}"
    else:
        demand(body, kinds["application/json"]["schema"], f"the answer to {method} {path}")
    if answered < 300 and "requestBody" in operation:
        demand(
            sent, operation["requestBody"]["content"]["application/json"]["schema"], f"{method} {path} was accepted and"
        )


def find(method: str, path: str) -> Any:
    """Return the description of what answers a request."""
    plain = path[:1] + re.sub("/+", "/", path.partition("?")[0][1:])
    for template, methods in sorted(DOCUMENT["paths"].items(), key=lambda entry: "{" in entry[0]):
        if method.lower() in methods and pattern(template).fullmatch(plain):
            return methods[method.lower()]
    return None


@cache
def pattern(template: str) -> re.Pattern[str]:
    """Match a path below /v1 and below a project."""
    inner = re.sub(r"\{\w+\}", "[^/]+", template)
    return re.compile(rf"/v1(/[0-9a-f-]+)?{inner}(\.json|\.xml)?" if inner != "/" else "/v1/?")


def resolved(response: Any) -> Any:
    """Follow a reference to one of the responses that many operations share."""
    *_, name = response.get("$ref", "").split("/")
    return DOCUMENT["components"]["responses"][name] if name else response


def demand(value: Any, schema: Any, what: str) -> None:
    """Fail unless `value` is as the schema says."""
    whole = {**schema, "components": DOCUMENT["components"]}
    error = next(Draft202012Validator(whole, format_checker=formats).iter_errors(value), None)
    assert error is None, f"{what} is not as described: {error.message} at {list(error.path)}"
