"""The bench's rounds alternate, repeat what others disturbed, and send what they say."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from bench import api, api_rows, api_work
from bench.api_results import Round
from bench.api_work import POST, WORKLOADS, Workload
from unit_tests.bench.test_api_results import RUN


def test_who_is_first_alternates() -> None:
    """Each round has each work once, with both sides one right after the other; in the next one the other side begins."""
    asked: list[tuple[str, Sequence[str]]] = []

    def pair(work: Workload, sides: Sequence[str]) -> Round:
        asked.append((work.name, sides))
        return dict.fromkeys(sides, RUN)

    played = api.play(pair, 3)
    firsts = [sides[0] for name, sides in asked if name == POST.name]
    assert firsts == ["ours", "upstream", "ours"]
    assert {name: len(rounds) for name, rounds in played.items()} == {work.name: 3 for work in WORKLOADS}


def test_each_report_is_of_another_host() -> None:
    """A run never sends a duplicate, which would be cheap to refuse."""
    requests = api_work.requests_of(POST, "token")
    bodies = [json.loads(request.partition(b"\r\n\r\n")[2])["notification"] for request in requests]
    assert len({body["hostname"] for body in bodies}) == len(bodies) == api_rows.HOSTS
    assert {(body["type"], body["payload"]["event"]) for body in bodies} == {("COMPUTE_HOST", "STOPPED")}


@pytest.mark.parametrize("work", WORKLOADS, ids=lambda work: work.name)
def test_requests_are_whole_and_the_same_for_both_sides(work: Workload) -> None:
    """A request says how long it is, carries the token, and ends its connection, since upstream's server does so anyway."""
    head, _, body = api_work.requests_of(work, "secret")[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == f"{work.method} {work.path} HTTP/1.1"
    assert {"X-Auth-Token: secret", "Connection: close"} <= set(lines)
    assert (f"Content-Length: {len(body)}" in lines) is (work.method == "POST")
