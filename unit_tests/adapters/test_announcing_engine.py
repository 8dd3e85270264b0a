"""An engine announces each notification that it processes once, how that ended and why, and what it changed of hosts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from unit_tests.adapters.db.rig import SqlRig
from unit_tests.engine.crash_rig import QUICK, WorldClock
from vmha.adapters.announcing_engine import EngineAnnouncements
from vmha.adapters.db import migrate, schema
from vmha.adapters.db.connection import open_database
from vmha.adapters.db.store import SqlStore
from vmha.core.events import Rejected
from vmha.errors import StoreUnavailable
from vmha.ports import Announcement, Announcer
from vmha.sim.faults import inject
from vmha.sim.rig import Rig
from vmha.sim.world import Timing, World


class Recorder:
    """Keeps what is announced."""

    def __init__(self) -> None:
        self.told: list[Announcement] = []

    def announce(self, announcement: Announcement) -> None:
        """Keep it."""
        self.told.append(announcement)

    def types(self, start: str) -> list[str]:
        """Return the types that begin so, in order."""
        return [each.event_type for each in self.told if each.event_type.startswith(start)]

    def data(self, event_type: str) -> list[Any]:
        """Return what was told under a type."""
        payloads: list[Any] = [each.payload for each in self.told if each.event_type == event_type]
        return [payload["masakari_object.data"] for payload in payloads]


class Story:
    """A cloud with a dead host c1, engines on one database, and who hears what they announce; `announcer` instead of a recorder."""

    def __init__(self, folder: Path, announcer: Announcer | None = None) -> None:
        self.world = World(3, timing=Timing(report_seconds=1.0, service_down_seconds=4.0, spawn_seconds=1.0))
        for name in ("c1", "c2", "c3"):
            self.world.add_host(name)
        for number in range(2):
            self.world.add_server("c1", name=f"web-{number}")
        url = f"sqlite:///{folder / 'masakari.sqlite'}"
        database = open_database(url)
        migrate.sync(database)
        database.dispose()
        clock = WorldClock()
        clock.world = self.world
        self.sql = SqlRig(url, clock)
        self.recorder = Recorder()
        self.announcements = EngineAnnouncements(self.sql.open(), announcer or self.recorder)

    def run(self, seconds: float = 60.0) -> None:
        """Let two engines work for so long."""
        store = SqlStore(self.sql.open(), on_commit=self.announcements.committed)
        rig = Rig(self.world, engines=2, store=store, policy=replace(QUICK, move_attempts=1), poll_seconds=2.0)
        self.world.advance(self.world.now + seconds)
        for actor in rig.actors.values():
            actor.kill()


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """Begin a story: the host has died."""
    one = Story(tmp_path)
    one.world.advance(10.0)
    inject(one.world, "host_crashes", host="c1")
    yield one
    one.sql.close()


def test_a_recovery_is_one_start_and_one_end(story: Story) -> None:
    """With two engines at work the start says new, the end finished, and the host's maintenance is told in between, by the API's name."""
    notification = story.sql.report("c1").notification
    story.run()
    assert [each.event_type for each in story.recorder.told] == [
        "notification.process.start",
        "host.update.start",
        "host.update.end",
        "notification.process.end",
    ]
    (start,), (end,) = (story.recorder.data(f"notification.process.{phase}") for phase in ("start", "end"))
    assert (start["status"], end["status"]) == ("new", "finished")
    assert {start["notification_uuid"], end["notification_uuid"]} == {notification}
    assert start["id"] == end["id"] > 0
    assert end["fault"] is None
    (host,) = story.recorder.data("host.update.end")
    assert (host["name"], host["on_maintenance"], host["id"] > 0) == ("c1", True, True)
    assert host["failover_segment"]["masakari_object.data"]["name"] == "segment"
    assert [each.binary for each in story.recorder.told] == [
        *("masakari-engine", "masakari-api", "masakari-api", "masakari-engine"),
    ]
    assert not any(each.is_error for each in story.recorder.told)


def test_a_notification_that_joined_has_its_own(story: Story) -> None:
    """A second report of the same host is started and ended too, once."""
    uuids = {story.sql.report("c1").notification for _ in range(2)}
    story.run()
    for phase in ("start", "end"):
        told = [each["notification_uuid"] for each in story.recorder.data(f"notification.process.{phase}")]
        assert (len(told), set(told)) == (2, uuids)


def test_a_failure_is_an_error_with_its_reason(story: Story) -> None:
    """A recovery that failed is an error whose fault has the reason's name and sentence, and the timeline as the traceback."""
    story.sql.report("c1")
    for name in ("c2", "c3"):
        inject(story.world, "spawn_fails", host=name)
    story.run(600.0)
    assert story.recorder.types("notification.process") == ["notification.process.start", "notification.process.error"]
    (error,) = story.recorder.data("notification.process.error")
    fault = error["fault"]["masakari_object.data"]
    (row,) = story.sql.read(select(schema.recoveries))
    assert error["status"] == "failed"
    assert fault["exception_message"] == row["message"]
    assert fault["exception"].isupper()
    assert row["message"] in fault["traceback"]
    assert len(fault["traceback"].splitlines()) > 3
    assert [each.is_error for each in story.recorder.told][-1]


def test_a_rejected_one_ends(story: Story) -> None:
    """What a human rejects was processed: it ends, ignored."""
    recovery = story.sql.report("c1").recovery
    story.sql.say(recovery, Rejected(by="ann", why="no"))
    story.run()
    assert story.recorder.types("notification.process")[-1] == "notification.process.end"
    assert story.recorder.data("notification.process.end")[0]["status"] == "ignored"


@pytest.mark.parametrize("trouble", [StoreUnavailable("the database is away"), KeyError("a defect")], ids=repr)
def test_what_cannot_be_told_ends_no_step(
    trouble: Exception, story: Story, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where what is to be told cannot be read, or cannot be made, the recovery goes on, and the log says what was lost."""

    def away(*_: object, **__: object) -> None:
        raise trouble

    monkeypatch.setattr("vmha.adapters.announcing_engine._processing", away)
    notification = story.sql.report("c1").notification
    with caplog.at_level(logging.WARNING, "vmha.adapters"):
        story.run()
    assert story.sql.status(notification) == "finished"
    assert story.recorder.told == []
    assert "announcement lost" in [record.getMessage() for record in caplog.records]
