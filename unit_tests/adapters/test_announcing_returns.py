"""What lets a host back or retires it announces the host as a person's own change of it is announced, and never falls over that."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from unit_tests.adapters.db.rig import SqlRig
from unit_tests.adapters.test_announcing_engine import Recorder
from unit_tests.ports.returns_contract import hold, known
from vmha.adapters.announcing_engine import HostAnnouncements
from vmha.adapters.db import migrate
from vmha.adapters.db.connection import open_database
from vmha.adapters.db.returns import SqlReturns
from vmha.return_ports import Hold


class Heard:
    """A host on maintenance, what lets it back, and what is heard of it."""

    def __init__(self, folder: Path) -> None:
        url = f"sqlite:///{folder / 'masakari.sqlite'}"
        database = open_database(url)
        migrate.sync(database)
        database.dispose()
        self.sql = SqlRig(url)
        self.recorder = Recorder()
        announcements = HostAnnouncements(self.sql.open(), self.recorder)
        self.returns = SqlReturns(self.sql.engine, via="api", on_host=announcements.changed)

    def flags(self) -> list[tuple[bool, bool]]:
        """Return on_maintenance and reserved, as each end told them."""
        told = self.recorder.data("host.update.end")
        return [(host["on_maintenance"], host["reserved"]) for host in told]


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Heard]:
    """Listen, before anything happened."""
    one = Heard(tmp_path)
    yield one
    one.sql.close()


def test_what_changes_a_host_is_told(heard: Heard) -> None:
    """Each change is a start and an end with the row as it is stored; what changes nothing is not told."""
    mine = hold()
    heard.returns.hold(mine, known(heard.sql), ends_maintenance=True)
    heard.returns.settle(mine, is_reserved=True, on_maintenance=True, keeps=True)
    heard.returns.settle(mine)
    heard.returns.hold(hold(), known(heard.sql), ends_maintenance=False)
    assert [each.event_type for each in heard.recorder.told] == ["host.update.start", "host.update.end"] * 2
    assert heard.flags() == [(False, False), (True, True)]
    assert {each.binary for each in heard.recorder.told} == {"masakari-api"}


def test_a_host_that_is_forgotten_is_told(heard: Heard) -> None:
    """Its row is deleted as an operator deletes it, and announced as that is: with what it was, and its segment."""
    mine = hold()
    heard.returns.hold(mine, known(heard.sql), ends_maintenance=False)
    heard.returns.forget(mine, ())
    assert [each.event_type for each in heard.recorder.told] == ["host.delete.start", "host.delete.end"]
    (host,) = heard.recorder.data("host.delete.end")
    assert (host["name"], host["failover_segment"]["masakari_object.data"]["name"]) == ("c1", "segment")


def test_what_cannot_be_told_undoes_nothing(
    heard: Heard, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The change is stored, the return goes on, and the log says what was lost."""

    def away(*_: object, **__: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr("vmha.adapters.announcing_engine._of_host", away)
    with caplog.at_level(logging.WARNING, "vmha.adapters"):
        heard.returns.settle(_held(heard), is_reserved=True)
    assert known(heard.sql).is_reserved
    assert heard.recorder.told == []
    assert "announcement lost" in [record.getMessage() for record in caplog.records]


def _held(heard: Heard) -> Hold:
    mine = hold()
    heard.returns.hold(mine, known(heard.sql), ends_maintenance=False)
    return mine
