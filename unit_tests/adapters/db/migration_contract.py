"""What `migrate.sync` holds on each database: it makes the schema that the code expects, once, whoever calls it and how often."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, insert, inspect, text
from sqlalchemy.engine import Engine

from vmha.adapters.db import adoption, migrate, schema
from vmha.adapters.db.connection import open_database, transaction
from vmha.errors import ConfigurationError

Fresh = Callable[[], str]
PROCESSES = 4
NEWEST = "0006"

SYNC = """
import sys
from vmha.adapters.db import migrate
from vmha.adapters.db.connection import open_database
engine = open_database(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
migrate.sync(engine)
"""


class MigrationContract:
    """The contract. The `fresh` fixture makes an empty database and returns its URL."""

    def test_makes_what_the_code_expects(self, fresh: Fresh) -> None:
        """The tables that the steps make are those of the metadata, ours and upstream's, column for column."""
        engine = synced(fresh())
        assert differences(engine, schema.ours) == []
        assert differences(engine, schema.upstream) == []

    def test_writes_both_versions(self, fresh: Fresh) -> None:
        """Our tables stand at our last step, upstream's at upstream's own head, each in a version table of its own."""
        engine = open_database(fresh())
        assert migrate.version(engine) is None
        assert migrate.upstream_version(engine) is None
        migrate.sync(engine)
        assert migrate.version(engine) == NEWEST
        assert migrate.upstream_version(engine) == schema.UPSTREAM_REVISION
        assert {"vmha_alembic_version", "masakari_alembic_version"} < set(inspect(engine).get_table_names())

    def test_again_changes_nothing(self, fresh: Fresh) -> None:
        """A second sync finds everything there and leaves rows and tables as they are."""
        engine = synced(fresh())
        with transaction(engine) as connection:
            connection.execute(text("INSERT INTO engines (name, started_at, seen_at) VALUES ('engine-1', 1, 2)"))
        before = described(engine)
        migrate.sync(engine)
        assert described(engine) == before
        with transaction(engine) as connection:
            assert connection.execute(text("SELECT name FROM engines")).scalars().all() == ["engine-1"]

    @pytest.mark.slow
    def test_several_processes_at_once(self, fresh: Fresh) -> None:
        """Any number of processes may start on an empty database at the same moment."""
        url = fresh()
        command = [sys.executable, "-c", SYNC, url]
        pipe = subprocess.PIPE
        started = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(PROCESSES)]
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        ends = [(*process.communicate(timeout=50), process.returncode) for process in started]
        assert [code for _, _, code in ends] == [0] * PROCESSES, [errors for _, errors, _ in ends]
        assert differences(open_database(url), schema.ours) == []

    @pytest.mark.parametrize("revision", adoption.OLDER_UPSTREAM)
    def test_an_older_upstream_database_is_brought_to_its_head(self, fresh: Fresh, revision: str) -> None:
        """A database of an earlier Masakari gets what upstream's own steps would add, and keeps its rows."""
        engine = open_database(fresh())
        older(engine, revision)
        with transaction(engine) as connection:
            connection.execute(
                text(
                    "INSERT INTO failover_segments (uuid, name, service_type, recovery_method, deleted) "
                    "VALUES ('u', 'old', 'COMPUTE', 'auto', 0)"
                )
            )
        migrate.sync(engine)
        assert migrate.upstream_version(engine) == schema.UPSTREAM_REVISION
        assert differences(engine, schema.upstream) == []
        with transaction(engine) as connection:
            assert connection.execute(text("SELECT name FROM failover_segments")).scalars().all() == ["old"]

    def test_an_unknown_upstream_database_is_refused(self, fresh: Fresh) -> None:
        """A database of a later Masakari than this version knows is left as it is."""
        engine = synced(fresh())
        with transaction(engine) as connection:
            connection.execute(text("UPDATE masakari_alembic_version SET version_num = 'fedcba987654'"))
        before = described(engine)
        with pytest.raises(ConfigurationError, match="fedcba987654"):
            migrate.sync(engine)
        assert described(engine) == before

    def test_tables_without_a_revision_are_refused(self, fresh: Fresh) -> None:
        """Upstream's tables from before its present migrations are left to upstream's own upgrade first."""
        engine = synced(fresh())
        with transaction(engine) as connection:
            connection.execute(text("DROP TABLE masakari_alembic_version"))
        with pytest.raises(ConfigurationError, match="db sync"):
            migrate.sync(engine)

    @pytest.mark.parametrize("step", [7, 8])
    def test_a_step_of_the_old_count_is_brought_to_the_head(self, fresh: Fresh, step: int) -> None:
        """A database of Masakari 14 or 15 gets what it lacks; its own count stays for the way back."""
        engine = open_database(fresh())
        older(engine, adoption.LEGACY[step])
        count_steps(engine, step)
        migrate.sync(engine)
        assert migrate.upstream_version(engine) == schema.UPSTREAM_REVISION
        assert differences(engine, schema.upstream) == []
        with transaction(engine) as connection:
            assert connection.execute(text("SELECT version FROM migrate_version")).scalars().all() == [step]

    @pytest.mark.parametrize("step", [6, 9])
    def test_an_unknown_step_of_the_old_count_is_refused(self, fresh: Fresh, step: int) -> None:
        """A database of an older Masakari, or of one with steps of its own, is left as it is."""
        engine = open_database(fresh())
        older(engine, adoption.OLDER_UPSTREAM[0])
        count_steps(engine, step)
        before = described(engine)
        with pytest.raises(ConfigurationError, match=f"names step {step}"):
            migrate.sync(engine)
        assert described(engine) == before

    def test_a_later_version_of_ours_is_refused(self, fresh: Fresh) -> None:
        """A database that a later version has upgraded is left as it is, and the text says what to do."""
        engine = synced(fresh())
        with transaction(engine) as connection:
            connection.execute(text("UPDATE vmha_alembic_version SET version_num = '9999'"))
        with pytest.raises(ConfigurationError, match="9999"):
            migrate.sync(engine)
        assert migrate.version(engine) == "9999"

    def test_claims_of_before_have_no_holder(self, fresh: Fresh) -> None:
        """A database of step 0002 keeps its claims, and the engine of before, which does not know the column, goes on claiming."""
        engine = synced(fresh())
        claim = "INSERT INTO claims (claim_key, recovery_uuid, made_at) VALUES (:key, 'r', 1)"
        with transaction(engine) as connection:
            connection.execute(text("ALTER TABLE claims DROP COLUMN held_by"))
            connection.execute(text("UPDATE vmha_alembic_version SET version_num = '0002'"))
            connection.execute(text(claim), {"key": "reserved:c1"})
        migrate.sync(engine)
        assert differences(engine, schema.ours) == []
        with transaction(engine) as connection:
            connection.execute(text(claim), {"key": "reserved:c2"})
            held = connection.execute(text("SELECT claim_key, held_by FROM claims ORDER BY claim_key")).all()
        assert [tuple(row) for row in held] == [("reserved:c1", None), ("reserved:c2", None)]

    def test_recoveries_of_before_have_no_subject(self, fresh: Fresh) -> None:
        """A database of step 0005 keeps its recoveries; a sync that died between column and index is finished."""
        engine = synced(fresh())
        table = schema.recoveries
        (index,) = [each for each in table.indexes if "subject" in each.columns]
        nothing = dict.fromkeys(("host_uuid", "host_name", "segment_uuid", "method", "phase", "message", "state"), "x")
        with transaction(engine) as connection:
            connection.execute(
                insert(table).values(uuid="r", kind="host", version=1, opened_at=1.0, epoch=0, **nothing)
            )
        for left in ((), ("subject",)):
            with transaction(engine) as connection:
                index.drop(connection)
                if not left:
                    connection.execute(text("ALTER TABLE recoveries DROP COLUMN subject"))
                connection.execute(text("UPDATE vmha_alembic_version SET version_num = '0005'"))
            migrate.sync(engine)
            assert differences(engine, schema.ours) == []
            assert index.name in {each["name"] for each in inspect(engine).get_indexes("recoveries")}
            with transaction(engine) as connection:
                kept = connection.execute(text("SELECT uuid, kind, subject FROM recoveries")).all()
            assert [tuple(row) for row in kept] == [("r", "host", None)]

    def test_a_sync_that_died_is_finished(self, fresh: Fresh) -> None:
        """Where a process died between two tables (MySQL commits each), the next sync makes the rest."""
        engine = synced(fresh())
        with transaction(engine) as connection:
            connection.execute(text("DELETE FROM vmha_alembic_version"))
            connection.execute(text("DROP TABLE timeline"))
            connection.execute(text("DROP TABLE effects"))
        migrate.sync(engine)
        assert migrate.version(engine) == NEWEST
        assert differences(engine, schema.ours) == []

    def test_a_database_of_the_step_before_gets_its_alerts(self, fresh: Fresh) -> None:
        """A database at step 0002 gets the tables of alerts and keeps its rows; a sync that died between the two is finished."""
        engine = synced(fresh())
        for left in ((), ("alerts",)):
            with transaction(engine) as connection:
                for table in ("alert_deliveries", "alerts"):
                    if table not in left:
                        connection.execute(text(f"DROP TABLE {table}"))
                connection.execute(text("UPDATE vmha_alembic_version SET version_num = '0002'"))
                connection.execute(text("DELETE FROM engines"))
                connection.execute(text("INSERT INTO engines (name, started_at, seen_at) VALUES ('engine-1', 1, 2)"))
            migrate.sync(engine)
            assert migrate.version(engine) == NEWEST
            assert differences(engine, schema.ours) == []
            with transaction(engine) as connection:
                assert connection.execute(text("SELECT name FROM engines")).scalars().all() == ["engine-1"]


def synced(url: str) -> Engine:
    """Open a database and bring it to the schema of this version."""
    engine = open_database(url)
    migrate.sync(engine)
    return engine


def older(engine: Engine, revision: str) -> None:
    """Take a database back to one of upstream's earlier revisions."""
    migrate.sync(engine)
    with transaction(engine) as connection:
        connection.execute(text("ALTER TABLE notifications DROP COLUMN message"))
        connection.execute(text("ALTER TABLE notifications DROP COLUMN failover_segment_uuid"))
        if revision == adoption.OLDER_UPSTREAM[0]:
            connection.execute(text("DROP TABLE vmoves"))
        connection.execute(text("UPDATE masakari_alembic_version SET version_num = :r"), {"r": revision})
        for table in reversed(schema.ours.sorted_tables):
            table.drop(connection)
        connection.execute(text("DROP TABLE vmha_alembic_version"))


def count_steps(engine: Engine, step: int) -> None:
    """Put the old table in place of the new one, as sqlalchemy-migrate left it."""
    with transaction(engine) as connection:
        connection.execute(text("DROP TABLE masakari_alembic_version"))
        connection.execute(
            text("CREATE TABLE migrate_version (repository_id VARCHAR(250) PRIMARY KEY, version INTEGER)")
        )
        connection.execute(text("INSERT INTO migrate_version VALUES ('masakari', :step)"), {"step": step})


def differences(engine: Engine, metadata: MetaData) -> list[Any]:
    """Compare the tables of the metadata with those of the database."""

    def of_metadata(name: str | None, kind: str, parents: Any) -> bool:
        return kind != "table" or name in metadata.tables

    with transaction(engine) as connection:
        context = MigrationContext.configure(connection, opts={"include_name": of_metadata})
        return list(compare_metadata(context, metadata))


def described(engine: Engine) -> dict[str, Any]:
    """Describe every table: columns, indexes, constraints."""
    look = inspect(engine)
    return {
        name: (
            [(column["name"], str(column["type"]), column["nullable"]) for column in look.get_columns(name)],
            sorted(str(index) for index in look.get_indexes(name)),
            sorted(str(check) for check in look.get_check_constraints(name)),
        )
        for name in sorted(look.get_table_names())
    }
