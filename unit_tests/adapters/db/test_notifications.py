"""Notifications as rows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from unit_tests.api.world import make_database
from vmha.adapters.db import notifications
from vmha.adapters.db.connection import transaction

GENERATED = datetime(2026, 3, 14, 3, 0, 0, 250000, tzinfo=UTC).replace(tzinfo=None)
NOW = GENERATED.replace(second=5, microsecond=0)


@pytest.mark.parametrize(
    "returns", [True, False], ids=["a database that shows what it inserts", "MySQL, which does not"]
)
def test_what_was_inserted_is_shown_as_it_is_kept(tmp_path: Path, returns: bool) -> None:
    """`insert` returns the very row that is found afterwards."""
    engine = make_database(f"sqlite:///{tmp_path}/vmha.sqlite")
    engine.dialect.insert_returning = returns
    with transaction(engine) as connection:
        made = notifications.insert(
            connection,
            type="COMPUTE_HOST",
            host_uuid="of-c1",
            segment_uuid="of-s1",
            generated_time=GENERATED,
            payload={"event": "STOPPED"},
            status="running",
            message=None,
            now=NOW,
        )
    with transaction(engine) as connection:
        assert notifications.find(connection, made.notification_uuid) == made
    assert (made.generated_time, made.payload, made.updated_at) == (GENERATED, {"event": "STOPPED"}, NOW)
