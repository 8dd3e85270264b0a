"""What a demo shows on the terminal: what happens as it happens, where each recovery stands, then timeline, table, proof and verdict.

On a terminal the last lines are live: the step, and a bar for the moves of each recovery; whatever is printed goes above them. Elsewhere
they are plain lines, one for each change. Colours are for terminals only, and never where NO_COLOR is set.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import threading
import time
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vmha.sim.record import Fact

    Body = dict[str, Any]

COUNTED = ("EVACUATION_ORDERED", "EVACUATION_ACCEPTED", "LANDED", "MOVING", "MOVED")
"""Lines that come once per instance; the bar counts them."""

INDENT = 13
"""Where sentences begin: after the seconds."""

SHOWN_PROBLEMS = 3
"""Of many broken promises of one kind, so many are told; the rest is a number."""

DONE = ("landed", "moved", "gone", "skipped")
"""Moves that the bar counts: those whose guest runs elsewhere, and those that need none."""

ALIKE = 3
"""Lines of one kind in a row: from so many on only the first is printed, with the number of the others."""


class Step(NamedTuple):
    """A step of every recovery: its name, what it is, the phases in it, and the lines of the timeline that end it."""

    name: str
    words: str
    phases: tuple[str, ...]
    ends: tuple[str, ...]


STEPS = (
    Step(
        "witness",
        "a second witness must agree that it is dead",
        ("witnessing", "unwitnessed", "disputed"),
        ("WITNESS_SILENT", "WITNESS_DOWN", "FOUND_OFF"),
    ),
    Step(
        "fence",
        "its power is cut, and read OFF twice",
        ("braked", "capped", "asking", "fencing", "unproven"),
        ("FENCED", "FOUND_OFF", "HUMAN_PROOF"),
    ),
    Step("force-down", "Nova is told that the host is down", ("forcing_down",), ("FORCED_DOWN",)),
    Step(
        "moves",
        "its instances are evacuated and followed",
        ("planning", "moving", "held"),
        ("RECOVERED", "ENDED_FAILED"),
    ),
)


class View:
    """Prints; one thread at a time."""

    def __init__(self) -> None:
        self._began = time.time()
        self._shown: dict[str, int] = {}
        self._lock = threading.Lock()
        self._is_live = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._has_colours = self._is_live and not os.environ.get("NO_COLOR")
        self._live: list[str] = []
        self._steps: dict[str, str] = {}
        self._settled: dict[str, int] = {}

    # As it happens

    def title(self, words: str) -> None:
        """Say what is about to be shown."""
        with self._lock:
            self._print("", self._paint("1", self._wrap(words)), "", self._paint("1", "set-up"))

    def begin(self) -> None:
        """Count seconds from here on."""
        self._began = time.time()
        with self._lock:
            self._print("", self._paint("1", "what happens"))

    def say(self, sentence: str) -> None:
        """Print what the demo itself does."""
        with self._lock:
            self._line(time.time(), " ", sentence)

    def look(self, recoveries: Sequence[Body], timelines: Sequence[Sequence[Body]]) -> None:
        """Print the lines that are new, and show how far each recovery has come. The recoveries are whole, with their moves."""
        with self._lock:
            for recovery, lines in zip(recoveries, timelines, strict=True):
                seen = self._shown.get(recovery["uuid"], 0)
                self._shown[recovery["uuid"]] = len(lines)
                self._news([line for line in lines[seen:] if line["code"] not in COUNTED])
            if self._is_live:
                self._draw(recoveries)
            else:
                self._tell(recoveries)

    def close(self) -> None:
        """Take the live lines away."""
        with self._lock:
            self._erase()
            self._live = []

    def _news(self, lines: Sequence[Body]) -> None:
        for _, group in groupby(lines, key=lambda line: line["code"]):
            first, *others = group
            many = len(others) + 1 >= ALIKE
            for line in [first] if many else [first, *others]:
                self._line(seconds_of(line["at"]), ">", line["sentence"])
            if many:
                self._line(seconds_of(others[-1]["at"]), ">", f"and {len(others)} more of the kind")

    def _line(self, at: float, sign: str, sentence: str) -> None:
        elapsed = f"{max(at - self._began, 0.0):8.1f} s"
        text = self._wrap(sentence, first=INDENT, rest=INDENT)
        self._print(f"{self._paint('2', elapsed)} {self._paint('36', sign)} {text}")

    def _draw(self, recoveries: Sequence[Body]) -> None:
        """Draw the live lines anew, each cut to the width: a line that wrapped could not be taken back."""
        width = _columns()
        self._erase()
        self._live = []
        if recoveries:
            step = f"{time.time() - self._began:8.1f} s   {_step_words(recoveries[0])}"
            self._live = ["", self._paint("2", step[: width - 1])]
            self._live += [self._state(recovery, width) for recovery in recoveries]
            print("\n".join(self._live), flush=True)

    def _state(self, recovery: Body, width: int) -> str:
        """Show one recovery as a line: its host, the steps behind and before it, the moves."""
        now = _step_of(recovery)
        parts = []
        for number, step in enumerate(STEPS):
            sign, colour = ("✓", "32") if number < now else ("▸", "1") if number == now else ("·", "2")
            parts.append(self._paint(colour, f"{_sign(sign)} {step.name}"))
        plain = sum(len(step.name) + 2 for step in STEPS) + 2 * len(STEPS)
        room = width - 1 - INDENT - 2 - plain
        if room < 0:
            return f"{recovery['host']:>{INDENT}}  {self._progress(recovery, width - INDENT - 3)}"
        return f"{recovery['host']:>{INDENT}}  {'  '.join(parts)}  {self._progress(recovery, room)}"

    def _progress(self, recovery: Body, room: int) -> str:
        if recovery["waits_for_human"]:
            return self._paint("33", "waits for a human"[:room])
        done, total = _settled(recovery)
        if not total:
            return ""
        count = f" {done}/{total}"
        length = min(room - len(count), 30)
        full = length * done // total
        bar = self._paint("32", _sign("━") * full) + self._paint("2", _sign("─") * (length - full))
        return f"{bar if length > 3 else ''}{count}"[: None if length > 3 else room]

    def _tell(self, recoveries: Sequence[Body]) -> None:
        """Print what changed of what a terminal would show live."""
        for recovery in recoveries:
            host, words = recovery["host"], _step_words(recovery)
            done, total = _settled(recovery)
            if total and done != self._settled.get(host, 0):
                self._settled[host] = done
                self._line(time.time(), " ", f"{host}: {done} of {total} instances moved")
            if words != self._steps.get(host):
                self._steps[host] = words
                self._line(time.time(), " ", f"{host}: {words}")

    def _erase(self) -> None:
        if self._live:
            print(f"\033[{len(self._live)}F\033[J", end="")

    def _print(self, *lines: str) -> None:
        """Print above the live lines."""
        self._erase()
        print("\n".join((*lines, *self._live)), flush=True)

    def _wrap(self, text: str, *, first: int = 0, rest: int = 0) -> str:
        """Break a text at the terminal's width: `first` columns are taken on its first line, the others begin at `rest`."""
        if not self._is_live:
            return text
        wrapper = textwrap.TextWrapper(
            width=_columns() - 1,
            initial_indent=" " * first,
            subsequent_indent=" " * rest,
            break_long_words=False,
            break_on_hyphens=False,
        )
        return wrapper.fill(text)[first:]

    def _paint(self, colour: str, text: str) -> str:
        return f"\033[{colour}m{text}\033[0m" if self._has_colours and text else text

    # In the end

    def timeline(self, recovery: Body, lines: Sequence[Body]) -> None:
        """Draw how long each step took."""
        spans, width = _spans(lines, time.time()), max(min(_columns(), 100) - 40, 20)
        if not spans:
            return
        first, last = spans[0][1], max(spans[-1][2], spans[0][1] + 0.1)
        rows = []
        for name, begin, end, is_over in spans:
            before = round(width * (begin - first) / (last - first))
            length = max(round(width * (end - first) / (last - first)) - before, 1)
            waits = " and waiting" if recovery["waits_for_human"] and not is_over else ""
            bar = self._paint("32" if is_over else "33", _sign("━") * length)
            rows.append(f"  {name:<12}{' ' * before}{bar}{' ' * (width - before - length)}{end - begin:>7.1f} s{waits}")
        with self._lock:
            self._print("", self._paint("1", f"how long each step took for {recovery['host']}"), "", *rows)

    def table(self, recoveries: Sequence[Body], facts: Sequence[Fact], source: str) -> None:
        """Print instance, from, to and seconds by the cloud's own record, then the proof."""
        rows = [f"  {'instance':<12}{'from':<8}{'to':<12}{'seconds':>8}"]
        rows += [
            f"  {name:<12}{source:<8}{to:<12}{seconds:>8}" for name, (to, seconds) in _journeys(facts, source).items()
        ]
        off = [fact["at"] for fact in facts if fact["what"] == "power" and fact["host"] == source and not fact["on"]]
        switched = f"was switched off at {_clock(off[0])}" if off else "was never switched off"
        with self._lock:
            self._print(
                "",
                self._paint("1", "where the guests run, by the cloud's own record; seconds since the failure"),
                "",
                *rows,
            )
            self._print("", self._paint("1", f"the proof that {source} is off"), "")
            self._print(f"  by the simulated cloud's own record {source} {switched}")
            for line in _proofs(recoveries, source):
                self._print(f"  {self._wrap(line, first=2, rest=4)}")

    def verdict(self, recoveries: Sequence[Body], problems: Sequence[str]) -> None:
        """Print who would have to act, and whether the promises held."""
        with self._lock:
            waiting = [recovery for recovery in recoveries if recovery["waits_for_human"]]
            if waiting:
                self._print("", f"{_names(waiting)}: waiting for a human, who would type")
            for recovery in waiting:
                self._print(f"  masakari-manage recovery confirm {recovery['uuid']} --reason '...'")
            for problem in _some(problems):
                self._print("", self._paint("1;31", self._wrap(f"PROMISE BROKEN: {problem}", rest=2)))
            if not problems:
                standing = ", ".join(sorted({recovery["outcome"] or recovery["phase"] for recovery in recoveries}))
                self._print("", self._paint("1;32", f"every promise held; {_names(recoveries)}: {standing}"))
            self._print("")

    def since(self, at: float) -> str:
        """Say a time of the record as seconds of this run."""
        return f"{at - self._began:.1f} s"


def seconds_of(text: str) -> float:
    """Read a time of the API: ISO 8601 in UTC, without saying so."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def _columns() -> int:
    return max(shutil.get_terminal_size().columns, 40)


def _sign(sign: str) -> str:
    """Return the sign, or what stands for it where the terminal's encoding has none."""
    try:
        sign.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return {"✓": "x", "▸": ">", "·": ".", "━": "#", "─": "-"}[sign]
    return sign


def _step_of(recovery: Body) -> int:
    """Return the number of the step that the recovery is in; of all steps when it has ended, -1 when it was stopped."""
    phases = (number for number, step in enumerate(STEPS) if recovery["phase"] in step.phases)
    return next(phases, len(STEPS) if recovery["outcome"] else -1)


def _step_words(recovery: Body) -> str:
    number = _step_of(recovery)
    if number in (-1, len(STEPS)):
        return f"{recovery['phase']}: {recovery['outcome'] or 'it waits for a human'}"
    step = STEPS[number]
    words = f"{recovery['phase']}, it waits for a human" if recovery["waits_for_human"] else step.words
    return f"step {number + 1} of {len(STEPS)}, {step.name}: {words}"


def _settled(recovery: Body) -> tuple[int, int]:
    moves = recovery["moves"]
    return sum(move["status"] in DONE for move in moves), len(moves)


def _spans(lines: Sequence[Body], now: float) -> list[tuple[str, float, float, bool]]:
    """Return each step that began with its begin and end, and whether it is over; the last one that is not ends now."""
    if not lines:
        return []
    began, spans = seconds_of(lines[0]["at"]), list[tuple[str, float, float, bool]]()
    for step in STEPS:
        ends = [seconds_of(line["at"]) for line in lines if line["code"] in step.ends]
        spans.append((step.name, began, max(ends[0], began) if ends else now, bool(ends)))
        if not ends:
            break
        began = spans[-1][2]
    return spans


def _journeys(facts: Iterable[Fact], source: str) -> dict[str, tuple[str, str]]:
    """Return for each instance of the source where it runs now, and the seconds from the first fault to there."""
    began: float | None = None
    names: dict[str, str] = {}
    running: dict[str, dict[str, float]] = {}
    for fact in facts:
        if fact["what"] == "fault" and began is None:
            began = fact["at"]
        if fact["what"] == "server" and fact["why"] == "created" and fact["host"] == source:
            names[fact["instance"]] = f"vm{len(names) + 1}"
        if fact["what"] == "guest":
            places = running.setdefault(fact["instance"], {})
            if fact["runs"]:
                places[fact["host"]] = fact["at"]
            else:
                places.pop(fact["host"], None)
    journeys = {}
    for instance, name in names.items():
        places = running.get(instance, {})
        moved = [at for host, at in places.items() if host != source]
        where = "stays" if set(places) == {source} else " and ".join(places) or "waits"
        journeys[name] = (where, f"{moved[-1] - (began or 0.0):.1f}" if moved else "-")
    return journeys


def _proofs(recoveries: Iterable[Body], source: str) -> list[str]:
    """Tell each proof of the source, or that there is none."""
    told = []
    for proof in [proof for recovery in recoveries if recovery["host"] == source for proof in recovery["proofs"]]:
        readings = ", ".join(f"{each['power'].upper()} at {each['at'][11:23]}" for each in proof["readings"])
        ending = f"; revoked: {proof['revoked_because']}" if proof["revoked_at"] else ""
        told.append(f"proof by {proof['rung']}: {readings or 'a human word'}{ending}")
    return told or ["no proof: nothing of it may run elsewhere"]


def _names(recoveries: Iterable[Body]) -> str:
    return "the recovery of " + ", ".join(recovery["host"] for recovery in recoveries)


def _some(problems: Sequence[str]) -> list[str]:
    """Return the first few problems, and how many more there are."""
    more = len(problems) - SHOWN_PROBLEMS
    return [*problems[:SHOWN_PROBLEMS], *([f"and {more} more"] if more > 0 else [])]


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S.%f")[:12]
