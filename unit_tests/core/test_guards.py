"""The brake: how many hosts of a segment may fail at once before a human is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unit_tests.core.states import AROUND, POLICY
from vmha.core.guards import allowed_failures, brake_is_on


@pytest.mark.parametrize(
    ("hosts", "allowed"), [(1, 2), (3, 2), (6, 2), (9, 2), (10, 3), (13, 3), (100, 30), (5000, 1500)]
)
def test_two_hosts_or_thirty_percent(hosts: int, allowed: int) -> None:
    """Two hosts may fail, or 30 % of the segment where that is more, rounded down."""
    assert allowed_failures(replace(AROUND, segment_hosts=hosts), POLICY) == allowed


@pytest.mark.parametrize(("failures", "is_on"), [(1, False), (2, False), (3, True), (6, True)])
def test_one_failure_more_is_too_many(failures: int, is_on: bool) -> None:
    """The brake is on from the first failure beyond the allowed ones."""
    assert brake_is_on(replace(AROUND, segment_failures=failures), POLICY) is is_on


def test_one_braked_recovery_brakes_the_segment() -> None:
    """While one recovery of the segment stands at the brake, no other goes past it, however few failed of late."""
    assert brake_is_on(replace(AROUND, segment_failures=1, segment_braked=True), POLICY)


def test_the_numbers_are_settings() -> None:
    """Both numbers can be set."""
    strict = replace(POLICY, brake_hosts=1, brake_percent=0)
    assert allowed_failures(replace(AROUND, segment_hosts=100), strict) == 1
