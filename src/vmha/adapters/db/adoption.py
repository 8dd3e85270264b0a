"""Brings upstream's tables to upstream's own head, whichever release of it made them; it only adds.

Releases up to 2023.1 counted their steps in `migrate_version` (7: without vmoves, 8: with), later ones name a revision in
`masakari_alembic_version`. The old table stays as it is, so that the old release finds its number again.
"""

from __future__ import annotations

from alembic.migration import MigrationContext
from sqlalchemy import Column, Connection, MetaData, String, Table, delete, insert, inspect, select, text

from vmha.adapters.db import schema
from vmha.errors import ConfigurationError

OLDER_UPSTREAM = ("8f848eb45d03", "8bdf5929c5a6")
"""Upstream's earlier revisions; what they lack (the table vmoves, two nullable columns) is added as upstream adds it."""

LEGACY_TABLE = "migrate_version"
LEGACY = {7: OLDER_UPSTREAM[0], 8: OLDER_UPSTREAM[1]}
"""The revision that has the tables of a step from before upstream named revisions."""

MYSQL = ("mysql", "mariadb")


def bring_to_head(connection: Connection) -> None:
    """Create what is missing of upstream's tables and write upstream's revision. Raises `ConfigurationError`."""
    at = revision(connection, schema.UPSTREAM_VERSION_TABLE)
    if at == schema.UPSTREAM_REVISION:
        return
    if at is None:
        _check_legacy(connection)
    elif at not in OLDER_UPSTREAM:
        raise ConfigurationError(
            f"cannot use the database: upstream's tables stand at revision {at}, which this version does not know "
            f"(it knows {schema.UPSTREAM_REVISION}); install a newer version"
        )
    _create_missing_tables(connection)
    _add_missing_columns(connection)
    stamp = version_table(connection, schema.UPSTREAM_VERSION_TABLE)
    stamp.create(connection, checkfirst=True)
    connection.execute(delete(stamp))
    connection.execute(insert(stamp).values(version_num=schema.UPSTREAM_REVISION))


def version_table(connection: Connection, name: str) -> Table:
    """Describe a version table; it has the character set of upstream's tables: Masakari 14 refuses a database with one that is not utf8."""
    table = Table(name, MetaData(), Column("version_num", String(32), primary_key=True, nullable=False))
    _like_upstreams(connection, table)
    return table


def revision(connection: Connection, table: str) -> str | None:
    """Return the revision that a version table names, None where there is none."""
    return MigrationContext.configure(connection, opts={"version_table": table}).get_current_revision()


def _check_legacy(connection: Connection) -> None:
    """Raise `ConfigurationError` for tables of upstream's that no revision and no known step describes."""
    tables = set(inspect(connection).get_table_names())
    if not tables & set(schema.upstream.tables):
        return
    if LEGACY_TABLE not in tables:
        raise ConfigurationError(
            "cannot upgrade the database: it has Masakari's tables but not their revision in "
            f"{schema.UPSTREAM_VERSION_TABLE}; run `masakari-manage db sync` of the Masakari that made them on it first"
        )
    counted = Table(LEGACY_TABLE, MetaData(), autoload_with=connection)
    step = connection.execute(select(counted.c.version)).scalar()
    if step not in LEGACY:
        raise ConfigurationError(
            f"cannot upgrade the database: {LEGACY_TABLE} names step {step}, and this version knows "
            f"{' and '.join(map(str, LEGACY))}; bring it there with `masakari-manage db sync` of Masakari 14 or 15 first"
        )


def _create_missing_tables(connection: Connection) -> None:
    """Create the tables in the character set of those that are there: a comparison across two would not use an index."""
    made = MetaData()
    for table in schema.upstream.sorted_tables:
        _like_upstreams(connection, table.to_metadata(made))
    made.create_all(connection, checkfirst=True)


def _like_upstreams(connection: Connection, table: Table) -> None:
    look = _collation(connection)
    for dialect in MYSQL:
        table.dialect_options[dialect].update({"engine": "InnoDB", **({"collate": look} if look else {})})


def _add_missing_columns(connection: Connection) -> None:
    known = {column["name"] for column in inspect(connection).get_columns("notifications")}
    for name, kind in (("failover_segment_uuid", "VARCHAR(36)"), ("message", "TEXT")):
        if name not in known:
            connection.execute(text(f"ALTER TABLE notifications ADD COLUMN {name} {kind}"))


def _collation(connection: Connection) -> str | None:
    """Return the collation of upstream's tables on MySQL and its kin; None elsewhere, and before there are any."""
    if connection.dialect.name not in MYSQL:
        return None
    found: str | None = connection.execute(
        text(
            "SELECT table_collation FROM information_schema.tables "
            "WHERE table_schema = DATABASE() AND table_name = 'notifications'"
        )
    ).scalar()
    return found
