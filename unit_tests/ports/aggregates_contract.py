"""What every implementation of the port `Aggregates` must do, simulated or real; see `nova_contract.py`."""

from __future__ import annotations

from typing import Protocol

import pytest

from unit_tests.ports.nova_contract import NovaHarness, soon
from vmha.core.aggregates import Aggregate
from vmha.errors import NovaRefused, NovaUnavailable, OrderExpired
from vmha.ports import Deadline

NOWHERE = 999_999


class AggregatesHarness(NovaHarness, Protocol):
    """A cloud in which an operator can make aggregates."""

    def aggregate(self, name: str, *hosts: str, zone: str | None = None) -> int:
        """Make an aggregate with these hosts; return its id."""


class AggregatesContract:
    """The contract. Subclasses give a fixture `harness`."""

    def test_all_are_listed_with_their_hosts(self, harness: AggregatesHarness) -> None:
        """With the zone that they make, or none."""
        host, other = harness.host(), harness.host()
        plain = harness.aggregate("rack of contracts", host, other)
        zoned = harness.aggregate("zone of contracts", host, zone="az-of-contracts")
        assert found(harness, plain) == Aggregate(
            id=plain, name="rack of contracts", zone=None, hosts=frozenset({host, other})
        )
        assert found(harness, zoned).zone == "az-of-contracts"

    def test_a_host_joins_and_leaves(self, harness: AggregatesHarness) -> None:
        """Others stay in it."""
        host, other = harness.host(), harness.host()
        number = harness.aggregate("joined", other)
        harness.nova.join(number, host, deadline=soon(harness))
        assert found(harness, number).hosts == {host, other}
        harness.nova.leave(number, host, deadline=soon(harness))
        assert found(harness, number).hosts == {other}

    def test_twice_is_refused_and_changes_nothing(self, harness: AggregatesHarness) -> None:
        """One that is in it cannot join, one that is not cannot leave."""
        host = harness.host()
        number = harness.aggregate("twice", host)
        assert refusal(harness, number, host) == 409
        assert found(harness, number).hosts == {host}
        harness.nova.leave(number, host, deadline=soon(harness))
        with pytest.raises(NovaRefused) as error:
            harness.nova.leave(number, host, deadline=soon(harness))
        assert error.value.status == 404

    def test_another_zone_is_refused(self, harness: AggregatesHarness) -> None:
        """A host is in one zone only, and what runs on it keeps its zone."""
        host, full = harness.host(), harness.host()
        harness.aggregate("here", host, zone="here")
        there = harness.aggregate("there", zone="there")
        harness.boot(full)
        assert refusal(harness, there, host) == 409
        assert refusal(harness, there, full) == 409
        assert found(harness, there).hosts == frozenset()

    def test_the_unknown_is_refused(self, harness: AggregatesHarness) -> None:
        """An aggregate, or a host, that Nova does not know."""
        number = harness.aggregate("known")
        assert refusal(harness, NOWHERE, harness.host()) == 404
        assert refusal(harness, number, "nowhere") == 404

    def test_nothing_leaves_after_the_deadline(self, harness: AggregatesHarness) -> None:
        """An order is told as not given, a reading as not answered."""
        host = harness.host()
        number = harness.aggregate("late")
        past = Deadline(at=harness.clock.monotonic() - 1.0)
        with pytest.raises(OrderExpired):
            harness.nova.join(number, host, deadline=past)
        with pytest.raises(OrderExpired):
            harness.nova.leave(number, host, deadline=past)
        with pytest.raises(NovaUnavailable):
            harness.nova.aggregates(deadline=past)
        assert found(harness, number).hosts == frozenset()


def found(harness: AggregatesHarness, number: int) -> Aggregate:
    """Return one aggregate as the list shows it."""
    [each] = [each for each in harness.nova.aggregates(deadline=soon(harness)) if each.id == number]
    return each


def refusal(harness: AggregatesHarness, number: int, host: str) -> int:
    """Return the status with which Nova refuses to add a host."""
    with pytest.raises(NovaRefused) as error:
        harness.nova.join(number, host, deadline=soon(harness))
    return error.value.status
