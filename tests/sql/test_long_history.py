"""After years of recoveries the statements of engine and API still go by indexes: no table of the past is read as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event, insert
from sqlalchemy.engine import Engine

from unit_tests.adapters.db.rig import SqlRig, rigged
from unit_tests.ports.store_contract import TERMS, Owner, entry, move
from vmha.adapters.db import notifications, schema, vmoves
from vmha.adapters.db.connection import transaction
from vmha.adapters.db.listing import Order as SortKey
from vmha.adapters.db.listing import Page
from vmha.core.effects import PowerOff
from vmha.core.explain import Code, because
from vmha.core.model import MoveStatus, Phase, Reserved, ReservedStatus

ROWS = 20_000
"""Of notifications: with fewer, MariaDB rightly sorts them all for a page of a hundred."""
RECOVERIES = 3_000
GROWING = {
    "notifications",
    "vmoves",
    "recoveries",
    "recovery_notifications",
    "effects",
    "moves",
    "fence_proofs",
    "timeline",
}
WHOLE = {"ALL", "index"}
"""How EXPLAIN calls a scan of a table, and of an index."""


@pytest.fixture
def rig(mariadb_url: str) -> Iterator[SqlRig]:
    """A database with a past."""
    with rigged(mariadb_url) as rig:
        write_history(rig)
        yield rig


def write_history(rig: SqlRig) -> None:
    """Write recoveries that ended long ago, each with all that hangs on one."""
    long_ago = datetime(2020, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    uuids = [(str(uuid4()), str(uuid4())) for _ in range(ROWS)]
    recent = uuids[:RECOVERIES]
    rows: dict[Any, list[dict[str, Any]]] = {
        schema.notifications: [
            {
                "notification_uuid": notification,
                "generated_time": long_ago + timedelta(minutes=number),
                "created_at": long_ago + timedelta(minutes=number),
                "source_host_uuid": f"host-{number % 500}",
                "type": "COMPUTE_HOST",
                "status": "finished",
                "deleted": 0,
            }
            for number, (notification, _) in enumerate(uuids)
        ],
        schema.vmoves: [
            {
                "uuid": str(uuid4()),
                "notification_uuid": notification,
                "instance_uuid": str(uuid4()),
                "instance_name": "vm",
                "deleted": 0,
            }
            for notification, _ in recent
        ],
        schema.recoveries: [
            {
                "uuid": recovery,
                "kind": "host",
                "host_uuid": f"host-{number % 500}",
                "host_name": f"h{number % 500}",
                "segment_uuid": "segment",
                "method": "auto",
                "phase": "ended",
                "outcome": "recovered",
                "message": "",
                "state": "{}",
                "version": 9,
                "opened_at": float(number),
                "epoch": 1,
            }
            for number, (_, recovery) in enumerate(recent)
        ],
        schema.recovery_notifications: [
            {"notification_uuid": notification, "recovery_uuid": recovery, "is_first": True}
            for notification, recovery in recent
        ],
        schema.moves: [
            {
                "recovery_uuid": recovery,
                "instance_uuid": str(uuid4()),
                "position": 0,
                "vmove_uuid": str(uuid4()),
                "status": "moved",
                "state": "{}",
            }
            for _, recovery in recent
        ],
        schema.effects: [
            {
                "uuid": str(uuid4()),
                "recovery_uuid": recovery,
                "effect_key": "power",
                "kind": "ReadPower",
                "payload": "{}",
                "engine": "e",
                "epoch": 1,
                "intended_at": 0.0,
            }
            for _, recovery in recent
        ],
        schema.fence_proofs: [
            {
                "uuid": str(uuid4()),
                "recovery_uuid": recovery,
                "host_name": "h",
                "rung": "ipmi",
                "evidence": "{}",
                "established_at": 0.0,
                "read_at": 0.0,
                "valid_until": 1.0,
            }
            for _, recovery in recent
        ],
        schema.timeline: [
            {"recovery_uuid": recovery, "at": 0.0, "engine": "e", "code": "OPENED", "facts": "{}", "sentence": ""}
            for _, recovery in recent
        ],
    }
    with transaction(rig.engine) as connection:
        for table, values in rows.items():
            connection.execute(insert(table), values)
    with rig.engine.connect() as connection:
        connection.exec_driver_sql(f"ANALYZE TABLE {', '.join(sorted(GROWING))}")


class Listener:
    """Keeps the statements that an engine sends, with their parameters."""

    def __init__(self, engine: Engine) -> None:
        self.sent: dict[str, Any] = {}
        event.listen(engine, "before_cursor_execute", self._keep)

    def _keep(self, connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if statement.split()[0] in ("SELECT", "UPDATE", "DELETE", "INSERT"):
            self.sent[statement] = parameters[0] if many else parameters


def test_no_statement_reads_a_table_as_a_whole(rig: SqlRig) -> None:
    """Every statement of a recovery, from the report to its end, and of the lists that clients ask for, goes by an index."""
    listener = Listener(rig.engine)
    live_through_a_recovery(rig)
    sent = dict(listener.sent)
    assert len(sent) > 40
    whole = {}
    with rig.engine.connect() as connection:
        for statement, parameters in sent.items():
            plan = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).mappings().all()
            scanned = [
                row["table"] for row in plan if row["type"] in WHOLE and row["table"] in GROWING and rows(row) > 100
            ]
            if scanned:
                whole[statement] = [dict(row) for row in plan]
    assert whole == {}


def rows(plan: Any) -> int:
    """How many rows the plan expects to read."""
    return int(plan["rows"] or 0)


def live_through_a_recovery(rig: SqlRig) -> None:
    """Send every statement that there is."""
    store = rig.store
    rig.add_host("spare", reserved=True)
    reported = rig.report("c1")
    rig.report("c1")
    store.sign_on("engine-1")
    (claimed,) = store.claim("engine-1", TERMS, limit=8)
    owner = Owner(rig, claimed)
    store.renew([owner.lease], TERMS)
    letters = store.inbox([owner.state.uuid])[owner.state.uuid]
    owner.surroundings()
    off = owner.order(PowerOff("c1", 1))
    owner.commit(phase=Phase.FENCING, orders=(off,), slots=2, handled=(letters[0][0],), timeline=(entry(owner, "off"),))
    store.admit(owner.lease, off, TERMS)
    known = owner.prove()
    moves = (move("vm1"), move("vm2"))
    owner.commit(moves=moves, answered=(off.id,), reason=because(Code.DISPUTED, host="c1"))
    orders = tuple(owner.evacuate(known.uuid) for _ in moves)
    moved = tuple(replace(each, status=MoveStatus.MOVED, destination="c2") for each in moves)
    owner.commit(orders=orders, moves=moved, reserved=(Reserved("spare", ReservedStatus.READY),))
    for order in orders:
        store.admit(owner.lease, order, TERMS)
    owner.commit(proof=None, revoked=((known, "it reads ON"),))
    store.release(owner.lease)
    (claimed,) = store.claim("engine-2", TERMS, limit=8)
    Owner(rig, claimed).end()
    newest = Page(limit=100, marker=None, order=(SortKey("created_at", True), SortKey("id", True)))
    with transaction(rig.engine) as connection:
        notifications.listed(connection, (), newest)
        vmoves.listed(connection, reported.notification, (), newest)
