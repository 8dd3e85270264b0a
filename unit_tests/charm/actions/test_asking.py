"""How actions call the service: as whom, with what, and what comes of a service that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest
from ops import testing

from masakari_charm import results
from masakari_charm.workload.machine import Answer
from unit_tests.charm.actions.acting import Acting
from unit_tests.charm.rig import Rig
from unit_tests.cli.rig import Cloud

ASKING: tuple[tuple[str, dict[str, str]], ...] = (
    ("list-recoveries", {}),
    ("show-recovery", {"recovery": "x"}),
    ("fencing-check", {}),
    ("check-readiness", {}),
    ("confirm-host-down", {"host": "c1", "reason": "cable", "by": "ann"}),
    ("answer-recovery", {"word": "pause", "host": "c1", "reason": "cable", "by": "ann"}),
    ("return-host", {"host": "c1", "reason": "cable", "by": "ann"}),
)
EVERY = pytest.mark.parametrize(("name", "params"), ASKING, ids=[name for name, _ in ASKING])


@EVERY
def test_a_unit_that_is_not_set_up_says_so(name: str, params: dict[str, str], tmp_path: Path) -> None:
    """Before the relations have answered an action fails with where to look, and runs nothing."""
    unit = Acting(Rig(tmp_path))
    shown = unit.act(name, testing.State(), **params)
    assert shown.failure == "the service of this unit is not set up yet; juju status says what it waits for"
    assert unit.asked == []


def test_it_runs_as_the_service_does(unit: Acting, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the program of the current release, as the service's user, with its file, a deadline, and none of the model's proxies."""
    monkeypatch.setenv("JUJU_CHARM_HTTPS_PROXY", "http://proxy.example.com:3128")
    unit.act("list-recoveries")
    (command,) = unit.asked
    assert unit.rig.system.words(command) == (
        "masakari-manage --config-file /etc/masakari/masakari.conf recovery list --json"
    )
    assert command.argv[0].endswith("/opt/masakari/releases/0.1.0-aaaa/bin/masakari-manage")
    assert (command.user, command.environment, command.timeout_seconds) == ("masakari", {}, 60.0)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(code=None), "masakari-manage recovery list did not end in time; see /var/log/masakari"),
        (Answer(code=2, err="masakari-manage: [DEFAULT] host cannot be used\n"), "[DEFAULT] host cannot be used"),
        (Answer(code=1, err="masakari-manage: the database did not answer\n"), "the database did not answer"),
        (
            Answer(code=2, err="2026 WARNING log line\nmasakari-manage: two faults:\n  one\n  two\n"),
            "masakari-manage recovery list: two faults: one two; correct that",
        ),
        (Answer(code=0, out="what"), "what"),
        (Answer(code=127), "it ended with 127"),
    ],
)
def test_a_service_in_trouble_speaks_for_itself(answer: Answer, words: str, unit: Acting, rig: Rig) -> None:
    """What the program says is the action's failure; one that hangs is named."""
    rig.system.answers["masakari-manage"] = answer
    shown = unit.act("list-recoveries")
    assert shown.failure is not None
    assert words in shown.failure
    assert shown.results == {}


def test_long_texts_end_with_what_was_left_out() -> None:
    """A text that Juju could not carry is cut at a line, and the rest is counted; no text is the word none."""
    lines = [f"{number:05d} {'é' * 40}" for number in range(2000)]
    kept = results.text(lines)
    assert len(kept.encode()) < results.RESULT_BYTES + 100
    shown = kept.splitlines()
    assert shown[:-1] == lines[: len(shown) - 1]
    assert shown[-1] == f"… and {len(lines) - len(shown) + 1} lines more"
    assert results.text([]) == "none"


def test_long_json_is_not_cut() -> None:
    """Half a JSON is none: where the whole is too long, the command that prints it stands there instead."""
    assert results.for_program([1, "é"], otherwise="x") == {"json": '[1,"\\u00e9"]'}
    long = results.for_program(["x" * results.RESULT_BYTES], otherwise="masakari-manage recovery list --json")
    assert set(long) == {"json-left-out"}
    assert "sudo -u masakari masakari-manage recovery list --json" in long["json-left-out"]
