"""What of the contract the requests must reach: each route, each parameter of a list, and each row of errors, several times."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from unit_tests.api import contract
from unit_tests.api.described import DOCUMENT
from vmha.api.routes import NOT_ALLOWED, ROUTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.differential.exchange import Answer, Request

AT_LEAST = 5
REQUESTS = 300
OURS = ("/recoveries", "/segments/{segment}/hosts/{host}/action")
"""Upstream has nothing below these paths."""


def seldom(sent: Iterable[tuple[Request, Answer]]) -> list[str]:
    """Name what was reached less than AT_LEAST times, by the requests and upstream's answers to them."""
    reached: Counter[str] = Counter()
    for request, answer in sent:
        reached.update(_reached(request, answer))
    return [f"{each}: {reached[each]} times" for each in wanted() if reached[each] < AT_LEAST]


def wanted() -> list[str]:
    """Name all that must be reached."""
    routes = [f"{each.method} {each.path}" for each in (*ROUTES, *NOT_ALLOWED) if not each.path.startswith(OURS)]
    parameters = [f"{route}?{name}" for route in routes for name in _parameters(*route.split(" "))]
    return [*routes, *parameters, *map(str, contract.ROWS)]


def _parameters(method: str, path: str) -> list[str]:
    """Name the parameters that the API's description knows for a route."""
    described = DOCUMENT["paths"].get(path, {}).get(method.lower(), {})
    return [each["name"] for each in described.get("parameters", []) if each["in"] == "query"]


def _reached(request: Request, answer: Answer) -> list[str]:
    route = contract.route_of(request.method, request.path)
    names = {name for name, _ in parse_qsl(request.path.partition("?")[2], keep_blank_values=True)}
    message = contract.message_of(answer.body)
    # A row that is about some routes is met on one of those.
    rows = [row for row in contract.ROWS if row.is_met_by(answer.status, message) and (not row.on or route in row.on)]
    return [*([route] if route else []), *(f"{route}?{name}" for name in names), *map(str, rows)]
