"""The contracts of the store and of the migrations, held on a real MariaDB."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Connection

from tests.sql.conftest import fresh_databases, rig_on
from tests.sql.servers import Server
from unit_tests.adapters.db.disarm_contract import DisarmContract
from unit_tests.adapters.db.leftover_contract import LeftoverContract
from unit_tests.adapters.db.migration_contract import Fresh, MigrationContract
from unit_tests.adapters.db.purge_contract import PurgeContract
from unit_tests.adapters.db.rig import SqlRig
from unit_tests.adapters.db.sql_returns_contract import SqlReturnsContract
from unit_tests.adapters.db.sql_store_contract import SqlStoreContract
from vmha.adapters.db import migrate
from vmha.adapters.db.connection import open_database, transaction


@pytest.fixture
def rig(mariadb_url: str) -> Iterator[SqlRig]:
    """A store with three hosts."""
    yield from rig_on(mariadb_url)


@pytest.fixture
def fresh(mariadb: Server) -> Fresh:
    """Empty databases."""
    return fresh_databases(mariadb)


class TestMariaDbStore(SqlStoreContract):
    """The SQL store on MariaDB."""


class TestMariaDbReturns(SqlReturnsContract):
    """What lets hosts back, on MariaDB."""


class TestMariaDbMigrations(MigrationContract):
    """The migrations on MariaDB."""

    def test_the_lock_is_held_until_the_last_step_is_committed(self, fresh: Fresh) -> None:
        """MySQL commits after each change of the schema, but not what follows the last: another sync would do that step again."""
        url = fresh()
        engine, onlooker = open_database(url), open_database(url)
        is_free: list[int] = []

        @event.listens_for(engine, "commit")
        def _look(_connection: Connection) -> None:
            with transaction(onlooker) as other:
                is_free.append(
                    other.execute(text("SELECT IS_FREE_LOCK(CONCAT('vmha-', MD5(DATABASE())))")).scalar_one()
                )

        migrate.sync(engine)
        assert is_free == [0, 1], "the steps are committed first, then what held the lock"


class TestMariaDbPurge(PurgeContract):
    """The purge on MariaDB."""


class TestMariaDbDisarming(DisarmContract):
    """Orders to disarm on MariaDB."""


class TestMariaDbLeftovers(LeftoverContract):
    """What upstream left unfinished on MariaDB."""
