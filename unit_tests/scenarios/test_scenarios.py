"""Every scenario file plays as it was recorded, and none of them was recorded with a promise broken.

A difference is read by a human, and then either the code is mended or the file recorded anew:
`python -m vmha.sim.scenario --rewrite FILE`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from vmha.sim.scenario import ScenarioError, parse, play_file

FOLDER = Path(__file__).parent
BROKEN = "going on would break a promise"
FILES = sorted(FOLDER.glob("*.scenario"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    """The file says why it exists, keeps every promise, and comes out as it was recorded."""
    scenario = parse(path.read_text())
    broken = [
        line for line in scenario.expected.splitlines() if line.startswith(("VIOLATION", "STOPPED")) or BROKEN in line
    ]
    assert not broken, "recorded with a promise broken"
    assert scenario.expected.strip(), f"nothing was recorded; run python -m vmha.sim.scenario --rewrite {path.name}"
    difference = play_file(path)
    assert not difference, f"{scenario.why}\n{difference}"


def test_a_script_without_a_reason_is_refused() -> None:
    """A file that does not say why it exists cannot be played."""
    with pytest.raises(ScenarioError, match="why"):
        parse("cloud: hosts=3\n100 end\n---\n")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("100", "no command"),
        ("soon report c1", "neither a time"),
        ("@never-said report c1", "no reason is named never-said"),
    ],
)
def test_a_line_that_says_nothing_is_refused(line: str, words: str) -> None:
    """A command without a time or a known reason before it, or without words behind it, is named with its line."""
    with pytest.raises(ScenarioError, match=f"line 2: .*{words}"):
        parse(f"why: to refuse\n{line}\n---\n")


def test_a_command_that_cannot_be_done_is_named(tmp_path: Path) -> None:
    """With its line, and without a traceback of ours: here nothing has failed that could be confirmed."""
    script = tmp_path / "early.scenario"
    script.write_text("why: to refuse\ncloud: hosts=3\n\n10  confirm c1 ann it is off\n20  end\n\n---\n")
    with pytest.raises(ScenarioError, match=r"line 4: .*confirm.* cannot be done"):
        play_file(script)


def test_every_reason_to_exist_is_one_of_its_own() -> None:
    """No two files give the same reason."""
    reasons = [parse(path.read_text()).why for path in FILES]
    assert len(set(reasons)) == len(reasons)
