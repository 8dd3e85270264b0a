"""What is stored of upstream to compare with is what upstream says today: its options, its rules of policy, its payloads."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.adoption import environments
from tests.adoption.clouds import run

# The first test of a machine installs three releases of upstream before it begins.
pytestmark = pytest.mark.timeout(600)
UNIT_TESTS = Path(__file__).parents[2] / "unit_tests"
CONFIG, ADAPTERS = UNIT_TESTS / "config", UNIT_TESTS / "adapters"
NEWEST = environments.RELEASES[-1]


def said(release: str, *command: str) -> str:
    """Run a program of ours by the Python of a release."""
    return run(str(environments.make(release) / "bin" / "python"), *command)


@pytest.mark.parametrize("release", environments.RELEASES)
def test_options(release: str) -> None:
    """The list that each option of upstream's has its fate by is complete for each release."""
    assert (
        said(release, str(CONFIG / "upstream_lists.py"), "options") == (CONFIG / f"upstream-{release}.txt").read_text()
    )


def test_rules_of_policy() -> None:
    """So are the rules with their defaults, which have not changed in these releases."""
    stored = (CONFIG / "upstream-policy.txt").read_text()
    for release in environments.RELEASES:
        theirs = set(said(release, str(CONFIG / "upstream_lists.py"), "policy").splitlines())
        assert theirs <= set(stored.splitlines()), release
    assert said(NEWEST, str(CONFIG / "upstream_lists.py"), "policy") == stored


def test_payloads() -> None:
    """The payloads that ours are compared with are those that upstream's own classes make."""
    assert said(NEWEST, str(ADAPTERS / "upstream_payloads.py")) == (ADAPTERS / "upstream_payloads.json").read_text()
