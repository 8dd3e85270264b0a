"""recovery.yaml: what is read of it, and what each fault is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmha.adapters import recovery_file
from vmha.adapters.recovery_file import load_workflows
from vmha.core.workflows import Choice, Failure, Workflow, Workflows
from vmha.errors import ConfigurationError

GOOD = """\
default:
  host: confirm
segments:
  rack-1: {host: power_off, instance: report}
  "rack 2":
    process: recover
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is."""
    return tmp_path / "recovery.yaml"


def test_choices_are_read(path: Path) -> None:
    """Those for all segments and those of some, by the segment's name."""
    path.write_text(GOOD)
    assert load_workflows(path).choices == (
        Choice(None, Failure.HOST, Workflow.CONFIRM),
        Choice("rack-1", Failure.HOST, Workflow.POWER_OFF),
        Choice("rack-1", Failure.INSTANCE, Workflow.REPORT),
        Choice("rack 2", Failure.PROCESS, Workflow.RECOVER),
    )


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "segments:\n", "---\n", "default:\nsegments:\n  rack-1:\n"])
def test_an_empty_file_chooses_nothing(path: Path, text: str) -> None:
    """Everything is recovered then."""
    path.write_text(text)
    assert load_workflows(path) == Workflows()


def test_no_file_in_the_usual_place_chooses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is named and not there is a fault: who named it relies on it."""
    with pytest.raises(
        ConfigurationError, match=r"which .recovery. policy_file names; write it, or leave the option out"
    ):
        load_workflows(path)
    monkeypatch.setattr(recovery_file, "USUAL_PLACE", path)
    assert load_workflows(path) == Workflows()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "default:\n  host: evacuate\n",
            '2: default: host "evacuate" is no workflow; write recover, power_off, report or confirm',
        ),
        (
            "default:\n  instance: power_off\n",
            '2: default: instance "power_off" is no workflow; write recover, report or confirm',
        ),
        ("default:\n  vm: report\n", '2: default: unknown key "vm"; known keys are host, instance, process'),
        ("hosts: {}\n", '1: the file: unknown key "hosts"; known keys are default, segments'),
        ("segments:\n  r1:\n    host: report\n  r1: {}\n", '4: segments: "r1" stands here twice; remove one'),
        ("segments:\n  r1: report\n", "2: segment r1: must be a mapping of keys to values"),
        ("default:\n  host:\n", "2: default: host is empty; write it, in quotes where it begins with a special sign"),
        ("default: [\n", "this is not YAML; check indentation and colons"),
    ],
)
def test_a_fault_is_named_with_its_line(path: Path, text: str, says: str) -> None:
    """File, line, place, and what to write."""
    path.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        load_workflows(path)
    assert str(refused.value).startswith(f"cannot use the recovery policy {path}, 1 fault:\n  {path}:")
    assert says in str(refused.value)


def test_all_faults_are_named(path: Path) -> None:
    """Whoever corrects the file corrects it once."""
    path.write_text("default:\n  host: x\n  process: y\n")
    with pytest.raises(ConfigurationError) as refused:
        load_workflows(path)
    assert str(refused.value).count("is no workflow") == 2


def test_a_file_that_cannot_be_read(path: Path) -> None:
    """A folder in its place, and bytes that are no text, are said in words."""
    path.mkdir()
    with pytest.raises(ConfigurationError, match=r"cannot read .*: Is a directory; make it readable"):
        load_workflows(path)
    path.rmdir()
    path.write_bytes(b"default: \xff\n")
    with pytest.raises(ConfigurationError, match="it is not UTF-8"):
        load_workflows(path)
