"""What becomes of upstream's unfinished notifications, on each database: taken up once, or ended with a reason, and nothing of ours touched."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import insert, select, update

from unit_tests.adapters.db.rig import SqlRig
from unit_tests.adapters.db.sql_store_contract import patient, race
from unit_tests.engine.loop_rig import HandClock
from vmha.adapters.db import schema
from vmha.adapters.db.connection import transaction
from vmha.adapters.db.leftovers import AT_ONCE, LOOK_SECONDS, LeftoverWatch, settle, unfinished
from vmha.adapters.db.records import moment
from vmha.core.acceptance import LEFT_SECONDS
from vmha.core.explain import Code
from vmha.core.model import Phase

STOPPED = {"event": "STOPPED", "host_status": "NORMAL", "cluster_status": "OFFLINE"}
VM = "00000000-0000-4000-8000-000000000001"
FAILED = {"event": "LIFECYCLE", "vir_domain_event": "STOPPED_FAILED", "instance_uuid": VM}
PROCESS_STOPPED = {"event": "STOPPED", "process_name": "nova-compute"}
UNFINISHED = ("new", "running", "error")


def leave(
    rig: SqlRig,
    status: str = "running",
    *,
    host: str = "c1",
    kind: str = "COMPUTE_HOST",
    payload: Any = STOPPED,
    age: float = 60.0,
    moves: tuple[str, ...] = (),
) -> str:
    """Write a notification as upstream's engine leaves it, with its moves, and return its uuid."""
    uuid, then = str(uuid4()), stamp(rig, -age)
    with transaction(rig.engine) as connection:
        connection.execute(
            insert(schema.notifications).values(
                notification_uuid=uuid,
                # A monitor's own clock, which is not asked.
                generated_time=stamp(rig, -30 * 86_400.0),
                created_at=then,
                source_host_uuid=f"uuid-of-{host}",
                type=kind,
                payload=payload if isinstance(payload, str) else json.dumps(payload),
                status=status,
                deleted=0,
            )
        )
        for number, move in enumerate(moves):
            row = {"uuid": f"{uuid[:30]}-{number}", "notification_uuid": uuid, "instance_uuid": "i", "deleted": 0}
            connection.execute(
                insert(schema.vmoves).values(**row, instance_name="vm", status=move, created_at=then, message=None)
            )
    return uuid


def stamp(rig: SqlRig, seconds: float) -> datetime:
    """Return the database's time, so many seconds from now, as upstream's columns have it."""
    now = moment(rig.clock.now)
    assert now is not None
    return (now + timedelta(seconds=seconds)).replace(microsecond=0)


def look(rig: SqlRig) -> None:
    """Let an engine look that has just started."""
    LeftoverWatch(rig.engine, HandClock()).look()


def recoveries(rig: SqlRig) -> list[dict[str, Any]]:
    """Read all recoveries."""
    return rig.read(select(schema.recoveries))


def alerts(rig: SqlRig) -> list[tuple[str, str, str]]:
    """Read kind, host and reason of all alerts, by kind."""
    table = schema.alerts.c
    found = rig.read(select(table.kind, table.host_name, table.code).order_by(table.kind))
    return [(row["kind"], row["host_name"], row["code"]) for row in found]


class LeftoverContract:
    """The contract. `rig` gives the hosts c1, c2 and c3 and the database's clock."""

    @pytest.mark.parametrize("status", UNFINISHED)
    def test_a_young_report_opens_a_recovery(self, rig: SqlRig, status: str) -> None:
        """A host that upstream's engine did not get to, or not through with, is recovered from the start: with a second witness.

        What its monitor said then of its power is no word of now, also where a segment believes its monitors.
        """
        uuid = leave(rig, status)
        look(rig)
        (recovery,) = recoveries(rig)
        assert (recovery["host_name"], recovery["phase"]) == ("c1", Phase.WITNESSING.value)
        assert json.loads(recovery["state"])["detector"] is None
        assert rig.status(uuid) == "running"
        (link,) = rig.read(select(schema.recovery_notifications))
        assert (link["notification_uuid"], link["recovery_uuid"], bool(link["is_first"])) == (
            uuid,
            recovery["uuid"],
            True,
        )
        codes = rig.read(select(schema.timeline.c.code).order_by(schema.timeline.c.id))
        assert [row["code"] for row in codes] == [Code.OPENED.name, Code.LEFT_BEHIND.name]
        assert f"(notification {uuid}, {status})" in rig.timeline(recovery["uuid"])[1]

    def test_a_second_look_finds_nothing(self, rig: SqlRig) -> None:
        """What was settled is nobody's leftover any more, neither the one that was taken up nor the one that was ended."""
        leave(rig, "running")
        leave(rig, "new", host="c2", kind="VM", payload={})
        look(rig)
        before = rig.stored()
        look(rig)
        assert rig.stored() == before
        with transaction(rig.engine) as connection:
            assert unfinished(connection, limit=10) == []

    def test_it_joins_a_recovery_that_is_open(self, rig: SqlRig) -> None:
        """A host that was reported to us too is recovered once; its engine hears of the other notification."""
        ours = rig.report("c1")
        uuid = leave(rig, "error")
        look(rig)
        assert [row["uuid"] for row in recoveries(rig)] == [ours.recovery]
        assert len(rig.store.inbox([ours.recovery])[ours.recovery]) == 1
        assert rig.status(uuid) == "running"

    @pytest.mark.parametrize("status", UNFINISHED)
    def test_an_old_report_is_no_witness(self, rig: SqlRig, status: str) -> None:
        """What was true more than an hour ago opens no recovery: it ends as failed and says what to do."""
        old = leave(rig, status, age=LEFT_SECONDS + 2)
        young = leave(rig, status, host="c2", age=LEFT_SECONDS - 2)
        look(rig)
        assert [row["host_name"] for row in recoveries(rig)] == ["c2"]
        row = rig.notification(old)
        assert (row["status"], rig.status(young)) == ("failed", "running")
        assert "report it again" in row["message"]
        assert abs(row["updated_at"] - stamp(rig, 0)) < timedelta(seconds=2)
        assert alerts(rig) == [("opened", "c2", "OPENED"), ("refused", "c1", "LEFT_UNRECOVERED")]

    @pytest.mark.parametrize(("status", "opens"), [("new", False), ("running", True), ("error", True)])
    def test_maintenance_counts_unless_it_is_upstreams_own_mark(self, rig: SqlRig, status: str, opens: bool) -> None:
        """Upstream's engine marks a host when it begins; before that, somebody else did, and nothing is done to that host."""
        uuid = leave(rig, status)
        with transaction(rig.engine) as connection:
            connection.execute(update(schema.hosts).values(on_maintenance=True))
        look(rig)
        assert len(recoveries(rig)) == opens
        row = rig.notification(uuid)
        assert row["status"] == ("running" if opens else "ignored")
        assert opens or "under maintenance" in row["message"]
        assert [kind for kind, _, _ in alerts(rig)] == ["opened" if opens else "refused"]

    @pytest.mark.parametrize(
        ("case", "status", "says"),
        [
            ({"kind": "VM", "payload": {"event": "LIFECYCLE"}}, "ignored", "no failure of the instance"),
            ({"kind": "VM", "payload": {**FAILED, "instance_uuid": "vm"}}, "failed", "cannot be read"),
            ({"kind": "VM", "payload": FAILED, "age": LEFT_SECONDS + 2}, "failed", "too old"),
            ({"kind": "PROCESS", "payload": {"event": "STOPPED"}}, "ignored", "for its monitor to say"),
            ({"kind": "PROCESS", "payload": PROCESS_STOPPED}, "ignored", "for its monitor to say"),
            (
                {"kind": "PROCESS", "payload": {**PROCESS_STOPPED, "event": "STARTED"}},
                "ignored",
                "for its monitor to say",
            ),
            ({"payload": {"event": "STARTED", "host_status": "NORMAL"}}, "finished", "reported started"),
            ({"payload": {"event": "STOPPED"}}, "ignored", "no host_status"),
            ({"payload": "{not json"}, "failed", "cannot be read"),
            ({"payload": "[]"}, "failed", "cannot be read"),
            ({"host": "gone"}, "failed", "in no segment"),
        ],
    )
    def test_what_is_not_taken_up_ends(self, rig: SqlRig, case: dict[str, Any], status: str, says: str) -> None:
        """What the API would end at once ends here, and what nobody can act on has failed; each says why."""
        uuid = leave(rig, "running", **case)
        look(rig)
        row = rig.notification(uuid)
        assert (row["status"], recoveries(rig)) == (status, [])
        assert says in row["message"]

    @pytest.mark.parametrize("status", UNFINISHED)
    def test_a_young_report_of_an_instance_opens_an_incident_that_stops_nothing(self, rig: SqlRig, status: str) -> None:
        """What upstream's engine did not get to may have been mended since, so its incident says that it is a leftover."""
        uuid = leave(rig, status, kind="VM", payload=FAILED)
        look(rig)
        (incident,) = recoveries(rig)
        assert (incident["kind"], incident["subject"], incident["host_name"]) == ("instance", VM, "c1")
        assert json.loads(incident["state"])["is_leftover"] is True
        assert rig.status(uuid) == "running"

    def test_maintenance_is_no_mark_of_upstreams_for_an_instance(self, rig: SqlRig) -> None:
        """Upstream's engine marks the hosts that failed; on any other it was an operator, and its instances are left alone."""
        uuid = leave(rig, "running", kind="VM", payload=FAILED)
        with transaction(rig.engine) as connection:
            connection.execute(update(schema.hosts).values(on_maintenance=True))
        look(rig)
        assert (recoveries(rig), rig.status(uuid)) == ([], "ignored")

    @pytest.mark.parametrize("change", ["disabled", "deleted"])
    def test_the_segment_decides_too(self, rig: SqlRig, change: str) -> None:
        """A disabled segment ignores it, in upstream's words; a host that was deleted with its segment has none."""
        uuid = leave(rig, "new")
        with transaction(rig.engine) as connection:
            if change == "disabled":
                connection.execute(update(schema.failover_segments).values(enabled=False))
            else:
                connection.execute(update(schema.hosts).values(deleted=schema.hosts.c.id))
        look(rig)
        words = {"disabled": ("ignored", "Recovery aboart"), "deleted": ("failed", "in no segment any more")}
        row = rig.notification(uuid)
        assert (row["status"], words[change][1] in row["message"]) == (words[change][0], True)

    def test_moves_that_nobody_ends_are_ended(self, rig: SqlRig) -> None:
        """Upstream's moves that were on their way have failed, and say why; those that were over stay as they are."""
        uuid = leave(rig, "running", moves=("pending", "ongoing", "succeeded", "failed"))
        leave(rig, "finished", host="c2", moves=("pending",))
        look(rig)
        table = schema.vmoves
        moves = rig.read(
            select(table.c.status, table.c.message).where(table.c.notification_uuid == uuid).order_by(table.c.id)
        )
        assert [row["status"] for row in moves] == ["failed", "failed", "succeeded", "failed"]
        assert [row["message"] is not None for row in moves] == [True, True, False, False]
        others = rig.read(select(table.c.status).where(table.c.notification_uuid != uuid))
        assert others == [{"status": "pending"}]

    def test_what_is_ours_or_over_is_left_alone(self, rig: SqlRig) -> None:
        """A notification that belongs to a recovery, one that is final and one that was deleted are no leftovers."""
        rig.report("c1")
        for status in ("finished", "failed", "ignored"):
            leave(rig, status, host="c2")
        deleted = leave(rig, "running", host="c3")
        with transaction(rig.engine) as connection:
            table = schema.notifications
            connection.execute(update(table).where(table.c.notification_uuid == deleted).values(deleted=table.c.id))
        before = rig.stored()
        look(rig)
        assert rig.stored() == before

    def test_several_engines_settle_each_once(self, rig: SqlRig) -> None:
        """Engines that start at the same moment settle each leftover once: one recovery a host, one letter a leftover that joined."""
        hosts = [f"h{number}" for number in range(6)]
        for host in hosts:
            rig.add_host(host)
        left = [leave(rig, "running", host=host) for host in hosts for _ in range(2)]
        engines = [rig.open() for _ in range(3)]
        settled = race([partial(settle_all, engine, left) for engine in engines])
        assert Counter(uuid for uuids in settled for uuid in uuids) == Counter(left)
        assert sorted(row["host_name"] for row in recoveries(rig)) == hosts
        assert len(rig.read(select(schema.recovery_notifications))) == len(left)
        assert len(rig.read(select(schema.inbox))) == len(hosts)

    def test_many_leftovers_do_not_hold_an_engine_up(self, rig: SqlRig) -> None:
        """A look settles a bounded number; the rest follow in the next rounds, and then it waits for its time."""
        clock = HandClock()
        watch = LeftoverWatch(rig.engine, clock)
        for _ in range(AT_ONCE + 1):
            leave(rig, "new", kind="VM", payload={})
        for left in (1, 0):
            watch.look()
            assert count(rig) == left
        leave(rig, "new", kind="VM", payload={})
        clock.sleep(LOOK_SECONDS - 1)
        watch.look()
        assert count(rig) == 1
        clock.sleep(1)
        watch.look()
        assert count(rig) == 0


def settle_all(engine: Any, uuids: list[str]) -> list[str]:
    """Settle each leftover as an engine does; return those that nobody else had settled."""
    return [uuid for uuid in uuids if patient(partial(settle, engine, uuid)) is not None]


def count(rig: SqlRig) -> int:
    """Count what is left."""
    with transaction(rig.engine) as connection:
        return len(unfinished(connection, limit=1000))
