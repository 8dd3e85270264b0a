"""Would a commit that the database acknowledged outlive a power cut? An accepted notification is such a commit.

It is read from the server's own settings. What a standby would lose at a failover is no setting of this server, and is said so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from vmha.adapters.db.connection import transaction
from vmha.core.readiness import Durability
from vmha.errors import StoreUnavailable

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

MYSQL_FLUSH = "innodb_flush_log_at_trx_commit"
MYSQL_BINARY_LOG = "sync_binlog"
MYSQL_SETTINGS = (MYSQL_FLUSH, MYSQL_BINARY_LOG, "log_bin", "wsrep_on", "group_replication_group_name")
SYNCHRONOUS = ("on", "remote_apply", "remote_write", "local")
"""Values of PostgreSQL's synchronous_commit with which at least this server's own disk has the commit."""


def durability(engine: Engine) -> Durability:
    """Ask the database. One that does not answer is unknown."""
    try:
        with transaction(engine) as connection:
            match engine.dialect.name:
                case "sqlite":
                    return _sqlite(connection)
                case "postgresql":
                    return _postgresql(connection)
                case _:
                    return _mysql(connection)
    except StoreUnavailable as error:
        return Durability(is_durable=None, says=str(error).partition("\n")[0])


def _sqlite(connection: Connection) -> Durability:
    level = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
    if level < 2:
        return Durability(
            is_durable=False, says="SQLite does not wait for the disk", do="open it with synchronous = FULL"
        )
    return Durability(
        is_durable=True, says="SQLite waits for the disk; it is one file on one machine, so the engine is too"
    )


def _mysql(connection: Connection) -> Durability:
    names = ", ".join(f"'{name}'" for name in MYSQL_SETTINGS)
    rows = connection.execute(text(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})"))
    known = {str(name).lower(): str(value).lower() for name, value in rows}
    wanted = [MYSQL_FLUSH]
    is_cluster = known.get("wsrep_on") == "on" or bool(known.get("group_replication_group_name"))
    if known.get("log_bin") in ("on", "1"):
        wanted.append(MYSQL_BINARY_LOG)
    weak = [name for name in wanted if known.get(name) != "1"]
    if not weak:
        return Durability(is_durable=True, says=f"the database waits for its disk ({' and '.join(wanted)} = 1)")
    shown = ", ".join(f"{name} = {known.get(name, 'not shown')}" for name in weak)
    do = f"set {' and '.join(f'{name} = 1' for name in weak)} on every server of the database"
    if is_cluster:
        says = f"{shown}: a commit is lost only if all members of the database's cluster lose power at once"
        return Durability(is_durable=None, says=says, do=do)
    return Durability(is_durable=False, says=f"{shown}: a commit of the last second is lost with the power", do=do)


def _postgresql(connection: Connection) -> Durability:
    fsync, commit, standbys = (
        str(connection.exec_driver_sql(f"SHOW {name}").scalar_one()).lower()
        for name in ("fsync", "synchronous_commit", "synchronous_standby_names")
    )
    if fsync != "on" or commit not in SYNCHRONOUS:
        return Durability(
            is_durable=False,
            says=f"fsync = {fsync}, synchronous_commit = {commit}: commits of the last moment are lost with the power",
            do="set fsync = on and synchronous_commit = on",
        )
    more = "" if standbys else "; a standby, if there is one, is not waited for (synchronous_standby_names is empty)"
    return Durability(is_durable=True, says=f"the database waits for its disk (synchronous_commit = {commit}){more}")
