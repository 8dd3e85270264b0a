"""Orders to disarm on whatever database: who may stand beside whom, how they end, and who tells it."""

from __future__ import annotations

from sqlalchemy import select

from unit_tests.adapters.db.rig import SqlRig
from unit_tests.ports.store_contract import TERMS
from vmha.adapters.db import disarming, schema
from vmha.adapters.db.connection import transaction
from vmha.core.model import Disarm


def standing(rig: SqlRig) -> list[str]:
    """What is disarmed now."""
    with transaction(rig.engine) as connection:
        return [order.scope for order in disarming.standing(connection)]


def over(rig: SqlRig) -> list[Disarm]:
    """Close what has run out."""
    with transaction(rig.engine) as connection:
        return disarming.end_what_is_over(connection)


def losing(rig: SqlRig) -> list[str | None]:
    """What would be lost with c1, with c2 and with their segment."""
    with transaction(rig.engine) as connection:
        found = [disarming.standing_on(connection, host=f"uuid-of-{name}") for name in ("c1", "c2")]
        segment = connection.scalars(select(schema.failover_segments.c.uuid)).one()
        return [order and order.scope for order in (*found, disarming.standing_on(connection, segment=segment))]


class DisarmContract:
    """The contract; the fixture `rig` gives hosts in a segment."""

    def test_each_scope_has_one(self, rig: SqlRig) -> None:
        """A second order for the same replaces the first, also a longer one, and the first is kept as ended."""
        rig.disarm("all", "", seconds=600.0)
        rig.disarm("host", "c1", seconds=60.0)
        rig.disarm("all", "", seconds=30.0)
        assert standing(rig) == ["host c1", "all hosts"]
        with transaction(rig.engine) as connection:
            ended = connection.execute(
                select(schema.disarms.c.ended_because).where(schema.disarms.c.ended_at.is_not(None))
            ).all()
        assert ended == [("ann disarmed anew",)]
        rig.pass_time(30.0)
        assert standing(rig) == ["host c1"]

    def test_what_has_run_out_is_told_once(self, rig: SqlRig) -> None:
        """Nobody has to end it for it to be over; the first who looks is told of it, and nobody afterwards."""
        rig.disarm("segment", "segment", seconds=10.0)
        assert over(rig) == []
        rig.pass_time(10.0)
        assert standing(rig) == []
        assert [(order.scope, order.by, order.why) for order in over(rig)] == [("segment segment", "ann", "because")]
        assert over(rig) == []

    def test_arming_ends_exactly_what_it_names(self, rig: SqlRig) -> None:
        """To arm a host does not arm what is disarmed with all; to arm what is not disarmed does nothing and says so."""
        rig.disarm("all", "", seconds=600.0)
        with transaction(rig.engine) as connection:
            assert not disarming.arm(connection, disarming.host("uuid-of-c1", "c1"), because="bob armed it")
            assert disarming.arm(connection, disarming.ALL, because="bob armed it")
            assert not disarming.arm(connection, disarming.ALL, because="bob armed it")
        assert standing(rig) == []
        assert over(rig) == []

    def test_what_a_deletion_would_lose_is_found(self, rig: SqlRig) -> None:
        """What stands for a host alone goes with it, and with its segment; what stands for all goes with neither."""
        rig.disarm("all", "", seconds=600.0)
        assert losing(rig) == [None, None, None]
        rig.disarm("host", "c1", seconds=600.0)
        assert losing(rig) == ["host c1", None, "host c1"]
        rig.disband("c1")
        assert losing(rig) == ["host c1", None, None]
        rig.disarm("segment", "segment", seconds=10.0)
        assert losing(rig) == ["host c1", None, "segment segment"]
        rig.pass_time(10.0)
        assert losing(rig) == ["host c1", None, None]

    def test_of_several_the_one_that_ends_last_is_named(self, rig: SqlRig) -> None:
        """So that nobody who reads it waits for the wrong one."""
        rig.disarm("all", "", seconds=60.0)
        rig.disarm("host", "c1", seconds=600.0)
        reported = rig.report("c1")
        (claimed,) = [c for c in rig.store.claim("e1", TERMS, limit=9) if c.recovery.uuid == reported.recovery]
        around = rig.store.surroundings(claimed.recovery, brake_window_seconds=300.0)
        assert around.disarmed is not None
        assert around.disarmed.scope == "host c1"
