"""What the demo prints, without a demo."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import pytest

from vmha.sim.demo_view import View

SGR = re.compile(r"\x1b\[[0-9;]*m")
LONG = "cannot prove c1 off: " + "its BMC does not answer " * 8


class Terminal(io.TextIOWrapper):
    """A terminal that keeps what is written to it."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)

    def isatty(self) -> bool:
        """Say yes."""
        return True

    @property
    def text(self) -> str:
        """Return all that was written."""
        return self.buffer.getvalue().decode(self.encoding)  # type: ignore[attr-defined]

    def screen(self) -> list[str]:
        """Return what the screen shows in the end: the cursor goes up and clears what is below it."""
        rows = [""]
        for part in re.findall(r"\x1b\[\d*[A-Za-z]|\x1b\[[0-9;]*m|\n|[^\x1b\n]+", SGR.sub("", self.text)):
            if part == "\n":
                rows.append("")
            elif part.endswith("F") and part.startswith("\x1b"):
                del rows[len(rows) - int(part[2:-1]) :]
                rows[-1:] = [""] if rows[-1:] == [""] else [*rows[-1:], ""]
            elif not part.startswith("\x1b"):
                rows[-1] += part
        return rows


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every terminal of this file have 80 columns and colours."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def on(terminal: Terminal, show: Callable[[View], object]) -> Terminal:
    """Let a view show something on a terminal."""
    with redirect_stdout(terminal):
        show(View())
    return terminal


def recovery(phase: str = "moving", moved: int = 3, total: int = 12, **more: Any) -> dict[str, Any]:
    """Show a recovery as the API does, as far as the view looks."""
    moves = [{"status": "moved" if number < moved else "ordered"} for number in range(total)]
    return {
        "uuid": "a-uuid",
        "host": "c1",
        "phase": phase,
        "outcome": None,
        "waits_for_human": phase in ("unproven", "disputed", "braked"),
        "moves": moves,
        "proofs": [],
        **more,
    }


def line(sentence: str, code: str = "FENCED", at: str = "2026-03-01T03:00:00.000000") -> dict[str, str]:
    """Show a line of a timeline as the API does."""
    return {"at": at, "code": code, "sentence": sentence}


def test_the_bar_stands_below_what_is_printed() -> None:
    """Whatever is printed goes above the live lines, which are there once."""

    def show(view: View) -> None:
        for moved in (0, 6, 12):
            view.look([recovery(moved=moved)], [[]])
        view.say("something happens")

    screen = on(Terminal(), show).screen()
    assert sum("step 4 of 4" in row for row in screen) == 1
    assert screen[0].endswith("something happens")
    assert "━" * 10 in screen[3]
    assert screen[3].endswith("12/12")


def test_long_sentences_wrap_under_themselves() -> None:
    """A long sentence is broken at the terminal's width, and goes on under its beginning."""
    screen = on(Terminal(), lambda view: view.look([recovery("unproven")], [[line(LONG)]])).screen()
    rows = [row for row in screen if "BMC" in row]
    assert len(rows) > 2
    assert all(len(row) < 80 for row in rows)
    assert rows[0].index("cannot") == 13
    assert all(row[:13].strip() == "" and row[13] != " " for row in rows[1:])


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 200])
def test_live_lines_fit(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No live line is as wide as the terminal: it would wrap, and could not be taken back."""
    monkeypatch.setenv("COLUMNS", str(columns))
    phases = ("witnessing", "disputed", "braked", "fencing", "unproven", "forcing_down", "moving", "held", "ended")
    recoveries = [recovery(phase) for phase in phases]
    assert max(map(len, on(Terminal(), lambda view: view.look(recoveries, [[] for _ in phases])).screen())) < columns


def test_a_wait_says_so() -> None:
    """A recovery that waits for a human says that instead of a bar."""
    screen = on(Terminal(), lambda view: view.look([recovery("unproven")], [[]])).screen()
    assert "step 2 of 4, fence: unproven, it waits for a human" in screen[1]
    assert "waits for a human" in screen[2]


def test_no_color_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colours are there on a terminal, and not where NO_COLOR is set; the live lines are."""
    assert SGR.search(on(Terminal(), show_one).text)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = on(Terminal(), show_one).text
    assert not SGR.search(plain)
    assert "━" in plain


def show_one(view: View) -> None:
    """Show a recovery and a line of its timeline."""
    view.look([recovery()], [[line("told")]])


def test_a_terminal_without_such_signs_gets_others() -> None:
    """Where the encoding has no bars and ticks, plain signs stand for them."""
    plain = on(Terminal(encoding="ascii"), show_one).text
    assert "x fence" in SGR.sub("", plain)
    assert "###" in plain


def test_a_pipe_is_told_each_change_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal a step is told when it begins and moves when their number changes, in lines that are not broken."""
    view = View()
    for moved in (0, 0, 5, 5):
        view.look([recovery(moved=moved)], [[line(LONG)]])
    told = capsys.readouterr().out
    assert told.count("step 4 of 4") == 1
    assert told.count("5 of 12 instances moved") == 1
    assert told.count(LONG.strip()) == 1
    assert "\x1b" not in told


def test_lines_of_one_kind_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """Of many lines of one kind in a row the first is printed, and how many there were beside it."""
    lines = [line(f"vm{number} is ordered again", "EVACUATION_NOT_TAKEN") for number in range(11)]
    View().look([recovery()], [lines])
    told = capsys.readouterr().out
    assert "vm0 is ordered again" in told
    assert "and 10 more of the kind" in told
    assert "vm5" not in told


def test_steps_are_drawn_to_scale(capsys: pytest.CaptureFixture[str]) -> None:
    """The timeline shows how long each step took; the last one that has no end is still going on."""
    lines = [
        line("", "OPENED", "2026-03-01T03:00:00.000000"),
        line("", "WITNESS_SILENT", "2026-03-01T03:00:08.000000"),
        line("", "FENCED", "2026-03-01T03:00:10.000000"),
        line("", "FORCED_DOWN", "2026-03-01T03:00:10.000000"),
        line("", "RECOVERED", "2026-03-01T03:00:16.000000"),
    ]
    View().timeline(recovery("ended", outcome="recovered"), lines)
    told = capsys.readouterr().out.splitlines()
    lengths = {row.split()[0]: row.count("━") for row in told if "━" in row}
    assert lengths["witness"] == pytest.approx(4 * lengths["fence"], abs=3)
    assert lengths["force-down"] == 1
    assert [row.split()[-2:] for row in told if "━" in row] == [["8.0", "s"], ["2.0", "s"], ["0.0", "s"], ["6.0", "s"]]


def test_many_broken_promises_are_summed_up(capsys: pytest.CaptureFixture[str]) -> None:
    """The first few are told in full, the others as a number; nothing then says that the promises held."""
    View().verdict([recovery()], [f"problem {number}" for number in range(12)])
    told = capsys.readouterr().out
    assert told.count("PROMISE BROKEN") == 4
    assert "and 9 more" in told
    assert "every promise held" not in told
