"""What schemathesis makes up from the description is answered as the description says, and never with a 5xx."""

from __future__ import annotations

import json
import math
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.openapi.asking import FORGED, MEMBER, NOBODY, Asked, Operation, operations, requests_of
from unit_tests.api import described
from vmha.api.openapi import DESCRIPTION
from vmha.api.routes import ROUTES

if TYPE_CHECKING:
    from schemathesis import Response

    from tests.openapi.rig import Rig

OPERATIONS: Final = tuple(operations())
SEED: Final = 20260314
_CHECKS: Final = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
# Why a body that is as described may be refused all the same: it names a host that nobody knows.
_UNKNOWN: Final = ("Host with name", "Compute service with name")
# The one refusal that is stored: an operator is to see the failure of a host on maintenance.
_REMEMBERED: Final = b"is ignored as the host is already under maintenance"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_answers_are_as_described(operation: Operation, api: Rig, request: pytest.FixtureRequest) -> None:
    """Each operation gets its share of requests; some succeed, some are refused, and what is refused has changed nothing."""
    share = share_of(operation, request.config.getoption("requests"))
    statuses: Counter[int] = Counter()

    @seed(zlib.crc32(f"{SEED} {operation}".encode()))
    @settings(
        max_examples=share,
        database=None,
        deadline=None,
        phases=(Phase.generate,),  # the first request that fails is short enough, and shrinking it may take minutes
        suppress_health_check=list(HealthCheck),
    )
    @given(asked=requests_of(operation))
    def ask(asked: Asked) -> None:
        answer = asked.send(api, operation)
        statuses[answer.status_code] += 1
        was_changed = api.database.was_changed()
        if was_changed:
            api.database.restore()
        asked.case.validate_response(answer, checks=list(_CHECKS))
        if was_changed and (operation.method == "GET" or answer.status_code >= 400):
            assert _REMEMBERED in answer.content, "a request that was refused, or only read, has changed something"
        judge_caller(asked, operation, answer)
        judge_body(asked, operation, answer)

    ask()
    assert statuses.total() >= share
    assert [status for status in statuses if status < 300], f"no success: {statuses}"
    assert [status for status in statuses if 400 <= status < 500], f"no refusal: {statuses}"


def test_every_route_has_its_share() -> None:
    """Each route is asked in both forms of its path, the version in the one that it has, and the shares add up to what is wanted."""
    plain = {(each.method, each.path) for each in OPERATIONS if not each.is_below_project}
    below = {(each.method, each.path) for each in OPERATIONS if each.is_below_project}
    assert below == {(route.method, route.path) for route in (DESCRIPTION, *ROUTES)}
    assert plain == below | {("GET", "/")}
    assert sum(share_of(each, 3000) for each in OPERATIONS) >= 3000


def share_of(operation: Operation, requests: int) -> int:
    """Return how many of so many requests are for an operation."""
    return math.ceil(requests * weight(operation) / sum(map(weight, OPERATIONS)))


def weight(operation: Operation) -> int:
    """Give those more requests that read more of one: a body, or parameters."""
    described_as = description(operation)
    return (
        2 if "requestBody" in described_as or any(each["in"] == "query" for each in described_as["parameters"]) else 1
    )


def description(operation: Operation) -> Any:
    """Return what the description says of an operation."""
    return described.DOCUMENT["paths"][operation.path][operation.method.lower()]


def judge_caller(asked: Asked, operation: Operation, answer: Response) -> None:
    """Fail where somebody gets further than the token lets them."""
    if asked.caller in (FORGED, NOBODY):
        assert answer.status_code == 401, "a caller without a token was heard"
    if asked.caller == MEMBER and "403" in description(operation)["responses"]:
        assert answer.status_code >= 400, "a caller who is no administrator got through"


def judge_body(asked: Asked, operation: Operation, answer: Response) -> None:
    """Fail for a body that was taken though it is not as described, or refused though it is."""
    body = description(operation).get("requestBody")
    if body is None:
        return
    sent: Any = asked.case.body
    if answer.status_code < 300:
        described.demand(sent, body["content"]["application/json"]["schema"], "what was accepted")
    if asked.is_valid and asked.is_by_admin and answer.status_code == 400:
        (fault,) = json.loads(answer.content).values()
        assert fault["message"].startswith(_UNKNOWN), f"a body that is as described was refused: {fault}"
