"""return-host, against the real masakari-manage and a simulated cloud over HTTP and IPMI."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from masakari_charm.workload.machine import Answer
from unit_tests.charm.actions.acting import Acting
from unit_tests.charm.rig import Rig
from unit_tests.cli.rig import Installed
from unit_tests.cli.served_rig import Failed, failing

BACK = "c1 is back: no longer forced down, enabled, no longer on maintenance"
WISH = {"host": "c1", "reason": "new memory", "by": "ann"}


@pytest.fixture
def failed(installed: Installed) -> Iterator[Failed]:
    """Three hosts, one of which failed and was recovered."""
    with failing(installed) as made:
        yield made


def test_a_repaired_host_is_let_back(unit: Acting, failed: Failed) -> None:
    """Tried first, then done; the outcome says what, the timeline who."""
    failed.cloud.repair("c1")
    shown = unit.act("return-host", **WISH, **{"dry-run": True})
    assert (shown.failure, shown.outcome) == (None, f"would be: {BACK}")
    assert failed.cloud.flags("c1")[:2] == (True, True)
    shown = unit.act("return-host", **WISH)
    assert (shown.failure, shown.outcome) == (None, BACK)
    assert shown.results["done"] == f"ann (juju action on masakari/0) lets c1 back: new memory\n{BACK}"
    assert shown.results["notes"].startswith("no census reports")
    assert shown.results["against"] == "none"
    assert (shown.json["is_done"], shown.json["host"]) == (True, "c1")
    assert failed.cloud.flags("c1") == (False, False, None)


def test_what_is_against_it_is_shown(unit: Acting, failed: Failed) -> None:
    """The action fails with the first reason, the result has them all, and nothing was done."""
    shown = unit.act("return-host", **WISH)
    assert shown.failure is not None
    assert shown.failure.startswith("c1 is not let back: BMC ")
    assert shown.outcome == "not let back: 2 reasons against it"
    assert len(shown.results["against"].splitlines()) == len(shown.json["against"]) == 2
    assert failed.database.flags("c1") == (False, True)


def test_the_options_are_passed_on(unit: Acting, rig: Rig) -> None:
    """What an operator writes is never taken for an option, and each flag is one; it may take longer than a look."""
    rig.system.answers["masakari-manage"] = Answer(code=1, out='{"against": ["x"]}')
    options = {"as-reserved": True, "inspected": True, "dry-run": True}
    unit.act("return-host", host="c1", reason="--clean; $(reboot)", by="-v bob", **options)
    (command,) = unit.asked
    assert list(command.argv[3:]) == [
        *("host", "return", "c1", "--reason=--clean; $(reboot)", "--by=-v bob (juju action on masakari/0)"),
        *("--as-reserved", "--inspected", "--dry-run", "--json"),
    ]
    assert command.timeout_seconds == 240.0


@pytest.mark.parametrize("params", [{"host": " "}, {"host": "--json"}, {"reason": "   "}, {"by": " "}])
def test_what_says_nothing_is_refused(params: dict[str, Any], unit: Acting) -> None:
    """Without a host, a reason or a name nothing is asked."""
    shown = unit.act("return-host", **(WISH | params))
    assert shown.failure is not None
    assert "nothing was done" in shown.failure
    assert unit.asked == []
