"""The contracts of the store and of the migrations, held on a real MariaDB."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sql.conftest import fresh_databases, rig_on
from tests.sql.servers import Server
from unit_tests.adapters.db.disarm_contract import DisarmContract
from unit_tests.adapters.db.leftover_contract import LeftoverContract
from unit_tests.adapters.db.migration_contract import Fresh, MigrationContract
from unit_tests.adapters.db.purge_contract import PurgeContract
from unit_tests.adapters.db.rig import SqlRig
from unit_tests.adapters.db.sql_returns_contract import SqlReturnsContract
from unit_tests.adapters.db.sql_store_contract import SqlStoreContract


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


class TestMariaDbPurge(PurgeContract):
    """The purge on MariaDB."""


class TestMariaDbDisarming(DisarmContract):
    """Orders to disarm on MariaDB."""


class TestMariaDbLeftovers(LeftoverContract):
    """What upstream left unfinished on MariaDB."""
