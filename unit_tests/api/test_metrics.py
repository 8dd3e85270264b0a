"""/metrics of the API: off unless it is wanted, without a token, and no other path or policy is changed by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import webob

from unit_tests.api.world import World
from vmha.adapters.db.gauges import read_standing
from vmha.adapters.metrics import api_registry
from vmha.api.app import create_app
from vmha.errors import StoreUnavailable


def get(application: Any, path: str) -> Any:
    """Send a request without a token."""
    return webob.Request.blank(path).get_response(application)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An API."""
    return World(tmp_path)


def test_it_is_off_by_default(world: World) -> None:
    """Without the option the path is like any other outside of v1: the choices of versions."""
    answer = get(world.app, "/metrics")
    assert answer.status_int == 300
    assert "vmha_" not in answer.text


def test_it_shows_what_the_database_tells(world: World) -> None:
    """With the option it answers without a token, also where tokens are checked; what engines count is not there."""
    registry = api_registry(lambda: read_standing(world.engine))
    answer = get(create_app(replace(world.parts(), metrics=registry)), "/metrics")
    assert answer.status_int == 200
    assert answer.content_type == "text/plain"
    assert "vmha_database_up 1.0" in answer.text
    assert 'vmha_recoveries_open{phase="moving"} 0.0' in answer.text
    assert "vmha_build_info{version=" in answer.text
    for engines_own in ("vmha_recoveries_ended", "vmha_hosts_unprotected", "process_cpu"):
        assert engines_own not in answer.text


@pytest.mark.parametrize("path", ["/metrics/", "/metrics/x", "/v1/metrics", "/metricsx"])
def test_no_other_path_is_taken(path: str, world: World) -> None:
    """All other paths answer as without the option."""
    registry = api_registry(lambda: read_standing(world.engine))
    application = create_app(replace(world.parts(), metrics=registry))
    assert get(application, path).status_int == get(world.app, path).status_int != 200


def test_a_database_that_is_away_is_a_metric(world: World) -> None:
    """The scrape itself succeeds, and says that the database is not up."""

    def away() -> Any:
        raise StoreUnavailable("away")

    answer = get(create_app(replace(world.parts(), metrics=api_registry(away))), "/metrics")
    assert answer.status_int == 200
    assert "vmha_database_up 0.0" in answer.text
