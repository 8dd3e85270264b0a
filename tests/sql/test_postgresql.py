"""The contracts of the store and of the migrations, held on a real PostgreSQL."""

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
def rig(postgresql_url: str) -> Iterator[SqlRig]:
    """A store with three hosts."""
    yield from rig_on(postgresql_url)


@pytest.fixture
def fresh(postgresql: Server) -> Fresh:
    """Empty databases."""
    return fresh_databases(postgresql)


class TestPostgreSqlStore(SqlStoreContract):
    """The SQL store on PostgreSQL."""


class TestPostgreSqlReturns(SqlReturnsContract):
    """What lets hosts back, on PostgreSQL."""


class TestPostgreSqlMigrations(MigrationContract):
    """The migrations on PostgreSQL."""


class TestPostgreSqlPurge(PurgeContract):
    """The purge on PostgreSQL."""


class TestPostgreSqlDisarming(DisarmContract):
    """Orders to disarm on PostgreSQL."""


class TestPostgreSqlLeftovers(LeftoverContract):
    """What upstream left unfinished on PostgreSQL."""
