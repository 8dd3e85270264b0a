"""An engine that sees the database's clock jump gives up what it holds, and begins anew after a pause."""

from __future__ import annotations

import logging
from uuid import uuid4

import pytest

from unit_tests.engine.loop_rig import TERMS, LoopRig
from vmha.core.effects import PowerOff, ReadPower
from vmha.core.explain import Code
from vmha.ports import Order

PAUSE_SECONDS = TERMS.lease_seconds + TERMS.claim_after_seconds


@pytest.fixture
def rig() -> LoopRig:
    """An engine that holds the recovery of c1 and has asked its first questions."""
    rig = LoopRig("c1", "c2")
    rig.report("c1")
    rig.run(2.0)
    return rig


@pytest.mark.parametrize("seconds", [-1800.0, -5.0, 5.0, 1800.0])
def test_it_gives_up_and_says_so(rig: LoopRig, caplog: pytest.LogCaptureFixture, seconds: float) -> None:
    """A jump in either direction is logged with its seconds, and nothing is held from there on, nor claimed for a pause."""
    rig.ahead += seconds
    rig.run(PAUSE_SECONDS - 1.0)
    assert rig.engine.held == {}
    (record,) = (record for record in caplog.records if record.getMessage() == "database-clock-jumped")
    fields = record.__dict__["fields"]
    assert record.levelno == logging.ERROR
    assert (round(fields["seconds"]), fields["given_up"]) == (seconds, 1)


@pytest.mark.parametrize("seconds", [-1800.0, -5.0, 5.0, 1800.0])
def test_the_same_engine_begins_anew(rig: LoopRig, seconds: float) -> None:
    """What it claims again, the same engine takes as a new owner does: power is read before any order."""
    (uuid,) = rig.engine.held
    rig.ahead += seconds
    rig.run(PAUSE_SECONDS + 2.0)
    assert rig.engine.held[uuid].lease.epoch == 2
    assert "power" in rig.engine.held[uuid].state.checks
    assert rig.store.rows[uuid].timeline[-1].reason.code is Code.RESUMED


def test_what_has_nothing_under_way_is_given_back(rig: LoopRig) -> None:
    """Readings under way hold nothing up: an engine that did not see the jump, such as a new one, may claim at once."""
    (held,) = rig.engine.held.values()
    assert held.orders
    assert not any(order.effect.is_order for order in held.orders.values())
    rig.ahead -= 60.0
    rig.run()
    newcomer = rig.another("engine-2")
    newcomer.run_once()
    assert len(newcomer.held) == 1


def test_what_has_an_order_under_way_is_not(rig: LoopRig) -> None:
    """Where an order may still leave, the lease has to run out, in the time of a takeover at most."""
    (held,) = rig.engine.held.values()
    power_off = Order(id=str(uuid4()), recovery=held.state.uuid, effect=PowerOff("c1", 1))
    held.orders[power_off.id] = power_off
    rig.ahead -= 1800.0
    newcomer = rig.another("engine-2")
    rig.run(PAUSE_SECONDS - 1.0, rig.engine, newcomer)
    assert newcomer.held == {}
    rig.run(3.0, newcomer)
    assert len(newcomer.held) == 1


def test_leases_are_renewed_in_the_new_time(rig: LoopRig) -> None:
    """After a step back the engine renews by the new time, and keeps what it claimed."""
    (uuid,) = rig.engine.held
    rig.ahead -= 1800.0
    rig.run(PAUSE_SECONDS + 60.0)
    assert rig.engine.held[uuid].lease.epoch == 2


def test_no_jump_nothing_given_up(rig: LoopRig) -> None:
    """While both clocks go on alike, the recovery stays with its engine."""
    (uuid,) = rig.engine.held
    rig.run(120.0)
    assert rig.engine.held[uuid].lease.epoch == 1
    assert ReadPower("c1") in [order.effect for order in rig.executor.orders]
