"""The comparison itself can fail: it sees what differs, and accepts only what an entry names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.differential import coverage, exchange
from tests.differential.compare import Accepted, Difference, accepted, differences
from tests.differential.exchange import Answer, Request
from unit_tests.api import contract

SAYING = 2
"""Characters beside the stars that a value must have: `[]` is the shortest that says something."""


def answer(body: Any, *, status: int = 200, **headers: str) -> Answer:
    """Return an answer."""
    return Answer(status=status, headers=headers, body=body)


@pytest.mark.parametrize(
    ("upstream", "ours", "where"),
    [
        (answer({"a": 1}), answer({"a": 1}), []),
        (answer({"a": 1}), answer({"a": 2}), ["body.a"]),
        (answer({"a": 1}), answer({"a": True}), ["body.a"]),
        (answer({"a": None}), answer({}), ["body"]),
        (answer({"a": 1, "b": None}), answer({"a": 1}), ["body.b"]),
        (answer({"a": 1, "b": 2}), answer({"b": 2, "a": 1}), ["body order of keys"]),
        (answer({"a": [1, 2]}), answer({"a": [1]}), ["body.a only there"]),
        (answer({"a": [1, 1]}), answer({"a": [1]}), ["body.a only there"]),
        (answer({"a": [1, 2]}), answer({"a": [2, 1]}), ["body.a.0", "body.a.1"]),
        (answer("text"), answer("other"), ["body"]),
        (answer({"a": 1}), answer({"a": 1}, status=202), ["answer"]),
        (answer({}, vary="x"), answer({}), ["header vary"]),
        (answer({}, vary="x"), answer({}, vary="y"), ["header vary"]),
    ],
)
def test_what_differs_is_found(upstream: Answer, ours: Answer, where: list[str]) -> None:
    """Values, types, keys and their order, lengths, status and headers count."""
    assert [each.where for each in differences("r", upstream, ours)] == where


def test_what_is_reached_seldom_is_named() -> None:
    """Four requests are too few for a route, its parameter or a row of errors; the fifth is enough."""
    request = Request(id="r", method="GET", path="/v1/$project/segments?limit=x")
    refused = answer(
        {"badRequest": {"code": 400, "message": "Invalid input received: limit must be an integer"}}, status=400
    )
    reached = {"GET /segments", "GET /segments?limit"} | {
        str(row) for row in contract.ROWS if "limit must be an integer" in row.words
    }
    few, enough = (coverage.seldom([(request, refused)] * count) for count in (4, 5))
    assert {f"{each}: 4 times" for each in reached} <= set(few)
    assert {each.rpartition(":")[0] for each in few} - {each.rpartition(":")[0] for each in enough} == reached
    assert len(few) == len(coverage.wanted())


def test_an_entry_covers_what_it_names_only() -> None:
    """Request, place and both values must fit; a star in a value stands for any text and nothing else is special."""
    entry = Accepted(reason="", request="r: GET /v1/*", where="body.a", upstream="[1]", ours="x*")
    found = Difference(request="r: GET /v1/*", where="body.a", upstream="[1]", ours="xyz")
    assert entry.covers(found)
    for name, other in {"request": "r: GET /v1/x", "where": "body.b", "upstream": "1", "ours": "y"}.items():
        changed = Difference(**{each: getattr(found, each) for each in found.__slots__} | {name: other})
        assert not entry.covers(changed)


def test_the_file_of_differences_names_what_differs() -> None:
    """No entry names a request, or a place in an answer, that no request and no answer of the files can have; each value says something."""
    known = {request.id for name in exchange.files() for request in exchange.read(name)}
    for entry in accepted():
        assert entry.request in known
        assert "*" not in entry.where
        assert re.search(r"\w", entry.reason)
        for value in (entry.upstream, entry.ours):
            assert len(value.replace("*", "")) >= SAYING, f"{value} says too little"


def test_an_entry_stands_for_each_of_its_requests_and_places(tmp_path: Path) -> None:
    """What is written once for several requests is held against each of them."""
    path = tmp_path / "differences.yaml"
    path.write_text('[{reason: r, requests: [a(b|c), d], where: "body.(0|1).x", upstream: u, ours: o}]')
    found = [(entry.request, entry.where) for entry in accepted(path)]
    assert found == [(request, f"body.{place}.x") for request in ("ab", "ac", "d") for place in (0, 1)]
