"""What a notification says of the host's power reaches the recovery, and nothing else of it counts as a word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from unit_tests.api.test_races import failure, ready
from unit_tests.api.world import World
from vmha.adapters.db import schema


@pytest.mark.parametrize(("host_status", "says_off"), [("NORMAL", True), ("UNKNOWN", False)])
def test_only_normal_says_that_the_host_is_off(host_status: str, says_off: bool, tmp_path: Path) -> None:
    """The recovery that a notification opens knows its word by the notification's uuid; one with UNKNOWN has said nothing."""
    world = World(tmp_path)
    ready(world)
    answer = world.call("POST", "/v1/notifications", send=failure(host_status=host_status, cluster_status="OFFLINE"))
    uuid = answer.json["notification"]["notification_uuid"]
    with world.engine.connect() as connection:
        (state,) = connection.execute(select(schema.recoveries.c.state)).scalars()
    word = json.loads(state)["detector"]
    assert (word["notification"] if word else None) == (uuid if says_off else None)


def test_a_later_word_joins(tmp_path: Path) -> None:
    """A second notification is a letter to the open recovery, with its word."""
    world = World(tmp_path)
    ready(world)
    for host_status in ("UNKNOWN", "NORMAL"):
        assert world.call("POST", "/v1/notifications", send=failure(host_status=host_status)).status_int == 202
    with world.engine.connect() as connection:
        (letter,) = connection.execute(select(schema.inbox.c.event)).scalars()
    assert json.loads(letter)["says_off"] is True
