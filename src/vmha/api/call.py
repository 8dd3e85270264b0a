"""One request as the handlers see it, and their answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vmha.api.microversion import Microversion
    from vmha.api.params import Query
    from vmha.api.parts import ApiParts
    from vmha.api.policy import Policy

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks. `is_admin` is the verdict of the policy `context_is_admin`, `more` what else rules may ask about, by oslo.context's names."""

    user_id: str | None
    user_name: str | None
    project_id: str | None
    roles: tuple[str, ...]
    is_admin: bool
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request to a route, after authentication, schema and policy.

    `path` holds what the URL's braces matched, `url` is the whole of it without its parameters.
    """

    parts: ApiParts
    policy: Policy
    caller: Caller
    version: Microversion
    path: Mapping[str, str]
    query: Query
    body: Any
    base_url: str
    url: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A success; without a body nothing but the status is sent."""

    body: JsonObject | None
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)


if TYPE_CHECKING:
    Handler = Callable[[Call], Answer]
