"""Every error that the API can make has a case in the YAML files, and so has every row of the contract's tables of errors.

Neither is a list that somebody keeps: where errors are made is read from the source, and what the cases provoke is seen as they run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from unit_tests.api import contract, raising
from unit_tests.api.test_files import cases, play
from unit_tests.api.world import World


@dataclass
class Played:
    """What all cases together came by: the places that made an error, and each answer as route, status and sentence."""

    places: set[tuple[str, int]]
    answers: list[tuple[str | None, int, str]] = field(default_factory=list)

    def note(self, method: str, path: str, answer: Any) -> None:
        """Remember an answer."""
        is_json = answer.content_type == "application/json" and answer.body
        message = contract.message_of(answer.json if is_json else answer.text)
        self.answers.append((contract.route_of(method, path), answer.status_int, message))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Run all cases."""
    with raising.watched() as places:
        played = Played(places)
        for parameter in cases():
            play(parameter.values[0], tmp_path_factory.mktemp("case"), played.note)
    return played


@pytest.mark.slow
def test_every_place_that_makes_an_error_has_a_case(played: Played) -> None:
    """Whatever line of the API, or of what it asks of adapters/db, makes an error that becomes an answer: a case does that."""
    sites = raising.sites()
    unprovoked = [
        str(site)
        for site in sorted(sites)
        if not any(file == site.file and site.first_line <= line <= site.last_line for file, line in played.places)
    ]
    assert not unprovoked, "no case in unit_tests/api/*.yaml comes by these places:\n" + "\n".join(unprovoked)


@pytest.mark.slow
@pytest.mark.parametrize("row", [*contract.ROWS, *contract.OURS], ids=str)
def test_every_row_of_the_contract_has_a_case(row: contract.Row, played: Played) -> None:
    """For each route that a row of the contract is about a case is answered as the row says."""
    met = {route for route, status, message in played.answers if row.is_met_by(status, message)}
    assert met
    assert set(row.on) <= met, f"no case for {sorted(set(row.on) - met)}"


def test_errors_are_ours() -> None:
    """The API raises errors of our own tree, the router's, ValueError where it reads a text, and what SQLAlchemy's pool asks for.

    Nothing that no case could name.
    """
    assert {name for module in raising.modules() for name in foreign(module)} == {
        "falcon.HTTPRouteNotFound",
        "ValueError",
        "AssertionError",
        "InvalidatePoolError",
    }


def foreign(module: Any) -> Iterator[str]:
    """Name the errors that a module raises and that are none of ours."""
    for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
        if isinstance(node, ast.Raise) and node.exc is not None:
            called = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if raising.is_foreign(raising.resolved(called, module)):
                yield ast.unparse(called)


def test_a_place_without_a_case_is_noticed(tmp_path: Path) -> None:
    """The places are told apart: a run that provokes one error does not count for another."""
    with raising.watched() as places:
        World(tmp_path).call("GET", "/v1/segments/x")
    made = {
        site
        for site in raising.sites()
        for file, line in places
        if file == site.file and site.first_line <= line <= site.last_line
    }
    assert {site.file for site in made} == {"api/segments.py"}
    assert len(made) == 1
    assert len(raising.sites()) > 40
