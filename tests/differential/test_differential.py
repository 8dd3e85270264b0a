"""Upstream and ours answer the same requests in the same way, but for what stands in differences.yaml with its reason."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.differential import compare, coverage, exchange, seed
from unit_tests.api import described

if TYPE_CHECKING:
    from tests.differential.compare import Difference
    from tests.differential.exchange import Answer, Request
    from tests.differential.servers import Servers

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True, slots=True)
class Sent:
    """The requests of a file with upstream's answers, and what differed in ours."""

    answered: list[tuple[Request, Answer]] = field(default_factory=list)
    differing: list[Difference] = field(default_factory=list)


@pytest.fixture(scope="module")
def sent() -> dict[str, Sent]:
    """Return what was sent, by file; the tests that send a file fill it."""
    return {}


@pytest.mark.parametrize("name", exchange.files())
def test_file(name: str, both: Servers, sent: dict[str, Sent]) -> None:
    """Every request of the file is answered alike by both, or differs as the file of differences says."""
    sent[name] = send_all(name, both)
    entries = compare.accepted()
    surprises = [each for each in sent[name].differing if not any(entry.covers(each) for entry in entries)]
    shown = "\n".join(
        f"- {each.request}\n    {each.where}\n    upstream: {each.upstream}\n    ours:     {each.ours}"
        for each in surprises
    )
    assert not surprises, f"{len(surprises)} differences have no reason:\n{shown}"


def test_every_accepted_difference_still_occurs(sent: dict[str, Sent]) -> None:
    """An entry, or a request of one, that nothing answers to any more is taken out."""
    if set(sent) != set(exchange.files()):
        pytest.skip("only with all files of requests")
    everything = [each for file in sent.values() for each in file.differing]
    gone = [
        f"{entry.where} of {entry.request}: {entry.reason}"
        for entry in compare.accepted()
        if not any(entry.covers(each) for each in everything)
    ]
    assert not gone, "no longer occurs:\n" + "\n".join(gone)


def test_the_contract_is_covered(sent: dict[str, Sent]) -> None:
    """Every route, every parameter of a list and every kind of error is reached often enough, as upstream's answers show."""
    if set(sent) != set(exchange.files()):
        pytest.skip("only with all files of requests")
    answered = [each for file in sent.values() for each in file.answered]
    assert len(answered) >= coverage.REQUESTS
    seldom = coverage.seldom(answered)
    assert not seldom, "reached less than often:\n" + "\n".join(seldom)


def body_of(request: Request, known: dict[str, str]) -> Any:
    """Return the JSON that a request sends, None where it sends something else."""
    try:
        return json.loads(exchange.fill(request.body or "", known))
    except ValueError:
        return None


def send_all(name: str, both: Servers) -> Sent:
    """Send the requests of a file to both, on databases that hold the same; ours must answer as the API's description says."""
    kept: dict[str, dict[str, str]] = {}
    for side in both.sides:
        exchange.execute(seed.statements(side.name), side)
        kept[side.name] = {"project": both.project, **seed.names()}
    sent = Sent()
    for request in exchange.read(name):
        answers = []
        for side in both.sides:
            known = kept[side.name]
            if request.sql is not None:
                exchange.execute(request.sql, side)
                continue
            answer = exchange.send(request, side, known, both.tokens)
            known |= {word: exchange.part(answer.body, path) for word, path in request.keep.items()}
            if side is both.ours:
                described.check(
                    request.method, request.path, body_of(request, known), answered=answer.status, body=answer.body
                )
            answers.append(exchange.comparable(answer, side, known))
        if answers:
            sent.answered.append((request, answers[0]))
            sent.differing.extend(compare.differences(request.id, *answers))
    return sent
