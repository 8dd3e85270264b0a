"""The description of the API is true. That answers are as it says is checked by `World.call`, in every test that asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unit_tests.api import described
from unit_tests.api.world import World
from vmha.api import openapi
from vmha.api.routes import ROUTES, VERSION

ALL = (VERSION, openapi.DESCRIPTION, *ROUTES)
FILE = Path(__file__).parents[2] / "docs" / "openapi.json"


def operations() -> list[tuple[str, str, Any]]:
    """Return method, path below /v1 and description of each operation."""
    return [
        (method.upper(), "" if path == "/" else path, operation)
        for path, methods in described.DOCUMENT["paths"].items()
        for method, operation in methods.items()
        if method != "servers"
    ]


def test_every_route_is_described_and_nothing_else() -> None:
    """The description has the operations of the table of routes."""
    assert {(method, path) for method, path, _ in operations()} == {(route.method, route.path) for route in ALL}


def test_the_file_is_the_description() -> None:
    """docs/openapi.json is what `python -m vmha.api.openapi` prints."""
    assert json.loads(FILE.read_text()) == described.DOCUMENT, "run: python -m vmha.api.openapi > docs/openapi.json"


def test_the_description_is_served(tmp_path: Path) -> None:
    """Clients read it below /v1, with or without a project. It names the address that they called, and their project."""
    world = World(tmp_path)
    for path in ("/v1/openapi.json", "/v1/77/openapi"):
        shown = world.call("GET", path, headers={"X-Project-Id": "77"}).json
        plain, project = shown.pop("servers")
        assert plain == {"url": "http://localhost:80/v1"}
        assert project["url"] == "http://localhost:80/v1/{project_id}"
        assert project["variables"]["project_id"]["default"] == "77"
        assert shown == {name: value for name, value in described.DOCUMENT.items() if name != "servers"}


def test_every_operation_is_complete() -> None:
    """Each has a summary, its path's parameters and a body where its route reads one."""
    bodies = {(route.method, route.path): route.body is not None for route in ALL}
    for method, path, operation in operations():
        assert operation["summary"].endswith("."), path
        named = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
        assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}
        assert ("requestBody" in operation) == bodies[method, path]


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        (method, path, each["name"])
        for method, path, operation in operations()
        for each in operation["parameters"]
        if each["in"] == "query"
    ],
)
def test_described_parameters_are_read(method: str, path: str, name: str, tmp_path: Path) -> None:
    """A parameter that is described changes the answer: to an error for nonsense, or to a shorter list."""
    world = World(tmp_path)
    segment = {"segment": {"name": "s1", "recovery_method": "auto", "service_type": "compute"}}
    segment_uuid = world.call("POST", "/v1/segments", send=segment).json["segment"]["uuid"]
    host = {"host": {"name": "c1", "type": "X", "control_attributes": "Y"}}
    world.call("POST", f"/v1/segments/{segment_uuid}/hosts", send=host)
    body = {"event": "STOPPED", "host_status": "NORMAL"}
    report = {"type": "COMPUTE_HOST", "hostname": "c1", "generated_time": "2026-03-14T03:00:00", "payload": body}
    uuid = world.call("POST", "/v1/notifications", send={"notification": report}).json["notification"][
        "notification_uuid"
    ]
    with world.engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into vmoves (uuid, notification_uuid, instance_uuid, instance_name, created_at, deleted) "
            f"values ('v1', '{uuid}', 'i1', 'vm', '2026-03-14 03:00:00.000000', 0)"
        )
    filled = "/v1" + path.format(segment=segment_uuid, notification=uuid)
    plain = world.call(method, filled)
    nonsense = world.call(method, f"{filled}?{name}=nonsense")
    assert len(next(iter(plain.json.values()))) == 1
    assert (nonsense.status_int, nonsense.json) != (plain.status_int, plain.json)


def test_a_wrong_description_is_noticed() -> None:
    """The check that all tests of the API rely on can fail."""
    answers = described.find("GET", "/v1/segments")["responses"]
    with pytest.raises(AssertionError, match="is not as described"):
        described.demand(
            {"segments": [{"id": 1}]},
            answers["200"]["content"]["application/json"]["schema"],
            "it",
        )
