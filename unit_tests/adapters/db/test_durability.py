"""Whether an acknowledged commit outlives a power cut, on SQLite, and where the database is away."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import event

from vmha.adapters.db.connection import open_database
from vmha.adapters.db.durability import durability


def test_sqlite_is_opened_so_that_it_waits(tmp_path: Path) -> None:
    """Our own connections wait for the disk, and it is said that one file is one machine."""
    engine = open_database(f"sqlite:///{tmp_path / 'masakari.sqlite'}")
    found = durability(engine)
    engine.dispose()
    assert found.is_durable is True
    assert "one machine" in found.says


@pytest.mark.parametrize("level", ["OFF", "NORMAL"])
def test_sqlite_that_does_not_wait_is_found(level: str, tmp_path: Path) -> None:
    """A connection that acknowledges early is not durable."""
    engine = open_database(f"sqlite:///{tmp_path / 'masakari.sqlite'}")

    @event.listens_for(engine, "connect")
    def _weaken(connection: object, _record: object) -> None:
        connection.execute(f"PRAGMA synchronous={level}")  # type: ignore[attr-defined]

    found = durability(engine)
    engine.dispose()
    assert found.is_durable is False
    assert "FULL" in found.do


def test_a_database_that_is_away_is_unknown() -> None:
    """Where nobody answers nothing is claimed."""
    engine = open_database("mysql+pymysql://u:hidden-word@127.0.0.1:1/masakari")
    found = durability(engine)
    engine.dispose()
    assert found.is_durable is None
    assert "did not answer" in found.says
    assert "hidden-word" not in found.says
