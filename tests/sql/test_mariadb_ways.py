"""What is MariaDB's alone: character sets and collations of older databases, and local time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from tests.sql.servers import Server, make_database
from unit_tests.adapters.db.rig import DatabaseClock, SqlRig, rigged
from unit_tests.adapters.db.sql_store_contract import NAMES, MoveContract, RaceContract, WordsContract
from unit_tests.api.world import World
from unit_tests.ports.store_contract import TERMS, ViewsContract, move, own
from vmha.adapters.db import schema
from vmha.adapters.db.connection import open_database, transaction
from vmha.adapters.db.fleet import segments_with_hosts

OLDER = {
    "utf8mb3": "CHARACTER SET utf8mb3",
    "unicode": "CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
    "latin1": "CHARACTER SET latin1 COLLATE latin1_german1_ci",
}


class TestOlderDatabases(ViewsContract, RaceContract):
    """Upstream's tables may have any character set and collation; ours are compared with them in many statements."""

    @pytest.fixture(params=OLDER)
    def rig(self, mariadb: Server, request: pytest.FixtureRequest) -> Iterator[SqlRig]:
        """A database as some deployer made it, long ago."""
        with rigged(database(mariadb, request.param)) as rig:
            yield rig

    def test_any_name_is_stored(self, rig: SqlRig) -> None:
        """Of a name that the old table cannot hold the rest is kept, our own tables hold all of it, and the move goes on."""
        owner = own(rig)
        moves = tuple(move(name) for name in NAMES)
        owner.commit(moves=moves)
        shown = [row["instance_name"] for row in rig.read(select(schema.vmoves).order_by(schema.vmoves.c.id))]
        kept = {"🦄 unicorn": {"🦄 unicorn", "? unicorn"}}
        for name, stored in zip(NAMES, shown, strict=True):
            assert stored in kept.get(name, {name}) or "?" in stored
            assert len(stored) == len(name)
        rig.store.release(owner.lease)
        (claimed,) = rig.store.claim("engine-2", TERMS, limit=8)
        assert claimed.recovery.moves == moves

    def test_our_tables_compare_with_upstreams(self, rig: SqlRig) -> None:
        """A comparison of our uuids with upstream's uses upstream's index: no table is read as a whole for each commit."""
        query = (
            "EXPLAIN SELECT notifications.id FROM recovery_notifications JOIN notifications "
            "ON notifications.notification_uuid = recovery_notifications.notification_uuid "
            "WHERE recovery_notifications.recovery_uuid = 'x'"
        )
        with transaction(rig.engine) as connection:
            tables = {row["table"]: row for row in connection.exec_driver_sql(query).mappings()}
        assert "ALL" not in {row["type"] for row in tables.values() if row["table"] is not None}


_made: dict[str, str] = {}


def database(mariadb: Server, name: str) -> str:
    """Make the database of this character set once."""
    if name not in _made:
        _made[name] = make_database(mariadb, f"older_{name}", OLDER[name])
    return _made[name]


class TestWordsInUtf8(WordsContract, MoveContract):
    """In a database of today nothing of a name is lost."""

    @pytest.fixture
    def rig(self, mariadb_url: str) -> Iterator[SqlRig]:
        """A utf8mb4 database, by a URL that asks for less, as deployers write it."""
        with rigged(f"{mariadb_url}?charset=utf8") as rig:
            yield rig


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ({"description": "x" * 70_000}, "the value of description is too long"),
        ({"description": "\U0001f600"}, "the value of description has characters that this column cannot hold"),
        ({"name": "\u0416\u0443\u043a"}, "the value of name has characters that this column cannot hold"),
    ],
)
def test_the_api_says_what_cannot_be_stored(mariadb: Server, tmp_path: Path, sent: dict[str, str], why: str) -> None:
    """What is too long for the column, or has letters that an old table lacks, is the client's 400, names the field and stores nothing."""
    world = World(tmp_path, database=database(mariadb, "latin1"))
    before = world.call("GET", "/v1/segments").json
    segment = {"name": "plain", "recovery_method": "auto", "service_type": "compute", **sent}
    answer = world.call("POST", "/v1/segments", send={"segment": segment})
    assert answer.status_int == 400
    assert why in answer.json["badRequest"]["message"]
    assert world.call("GET", "/v1/segments").json == before
    world.engine.dispose()
    world.reader.dispose()


def test_a_segment_that_is_named_in_capitals(mariadb: Server, tmp_path: Path) -> None:
    """A host whose segment was named in capitals belongs to it for those too who compare uuids by themselves, as `upgrade check` does."""
    world = World(tmp_path, database=make_database(mariadb, "capitals"))
    segment = world.call("POST", "/v1/segments", send={"segment": SEGMENT}).json["segment"]
    host = {"name": "c1", "type": "x", "control_attributes": "y"}
    answer = world.call("POST", f"/v1/segments/{segment['uuid'].upper()}/hosts", send={"host": host})
    assert answer.status_int == 201
    assert answer.json["host"]["failover_segment_id"] == segment["uuid"]
    with transaction(world.engine) as connection:
        (group,) = segments_with_hosts(connection)
    assert [member.name for member in group.members] == ["c1"]
    world.engine.dispose()


SEGMENT = {"name": "az1", "recovery_method": "auto", "service_type": "compute"}


def test_the_hour_that_autumn_repeats(mariadb_url: str) -> None:
    """When local time goes back by an hour, the clock that leases and proofs go by does not (the server's zone is Berlin)."""
    clock = DatabaseClock(1_761_438_600.0)  # 26 October 2025, 00:30 UTC: the first 02:30 in Berlin
    engine = open_database(mariadb_url)
    clock.wind(engine)

    def now() -> float:
        with transaction(engine) as connection:
            return float(connection.execute(select(func.database_now())).scalar_one())

    first = now()
    clock.now += 3600.0
    assert now() - first == pytest.approx(3600.0, abs=0.001)
    engine.dispose()
