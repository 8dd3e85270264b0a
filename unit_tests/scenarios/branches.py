"""Which branches of the decisions a scenario takes, and to which effects.

A branch is one outcome of an `if`, `while`, `for` or `case` of the modules below `decide()`, told by the line that follows its test, or
one kind of fact in a table `HEARD`. Conditions within a line count as one. Plain line tracing, so that it is the same on every Python
that we support.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import vmha
from vmha.core import instance_recovery, kinds, process_recovery, recovery
from vmha.core.effects import Alert, Effect
from vmha.core.kinds import kind_of
from vmha.sim.scenario import Player, parse

SOURCE = Path(vmha.__file__).parent
DECIDING = tuple(
    f"core/{name}"
    for name in (
        *("recovery", "fencing", "moving", "following", "halting", "stepback", "evidence", "targets", "guards"),
        *("budgets", "capping", "confirming", "leaving", "doubts", "workflows", "spares", "retrying", "shortage"),
        "priority",
        *("detector", "metadata", "draft", "instance_recovery", "guests", "process_recovery"),
    )
)
"""The modules in which `decide()` of each kind goes its ways."""

BESIDE = (
    "core/diagnosing",
    "core/diagnosis",
    "core/returning",
    "core/reserve",
    "engine/loop",
    "engine/carrying",
    "engine/clockwatch",
)
"""What else a scenario may be there for."""

HEARD = {"host": recovery.HEARD, "instance": instance_recovery.HEARD, "process": process_recovery.HEARD}


@dataclass(frozen=True, slots=True, order=True)
class Branch:
    """A test as it is written in a module, and the way that it went: into its body, past it, or the kind of incident that heard it."""

    module: str
    test: str
    way: str
    line: int = 0
    """Tells tests apart that are written alike; 0 for a fact."""

    def __str__(self) -> str:
        """Say which it is."""
        return f"{self.module}: {self.test}: {self.way}"


@dataclass(frozen=True, slots=True)
class Fork:
    """One branching statement: its words, the lines of its test, and those on which its body may begin."""

    words: str
    first: int
    last: int
    body: int
    body_last: int

    def leads_into(self, line: int) -> bool:
        """Tell whether the line begins the body. What a statement over several lines computes first need not be on its first."""
        return self.body <= line <= self.body_last


@dataclass(frozen=True, slots=True)
class Played:
    """What a scenario came through; `effects` are orders and alerts, in order."""

    branches: frozenset[Branch]
    effects: tuple[str, ...]

    @property
    def decided(self) -> frozenset[Branch]:
        """Return the branches of the decisions alone."""
        return frozenset(branch for branch in self.branches if branch.module not in BESIDE)


@cache
def forks_in(module: str) -> tuple[Fork, ...]:
    """List the branching statements of a module."""
    return tuple(_forks(ast.parse((SOURCE / f"{module}.py").read_text())))


def _forks(tree: ast.AST) -> Iterator[Fork]:
    for node in ast.walk(tree):
        match node:
            case ast.If() | ast.While():
                words = ast.unparse(node.test)
                if words != "TYPE_CHECKING":
                    yield Fork(words, node.lineno, node.test.end_lineno or node.lineno, *_begins(node.body[0]))
            case ast.For():
                words = f"for {ast.unparse(node.target)} in {ast.unparse(node.iter)}"
                yield Fork(words, node.lineno, node.iter.end_lineno or node.lineno, *_begins(node.body[0]))
            case ast.match_case(pattern=ast.MatchAs(pattern=None)):
                continue
            case ast.match_case():
                last = (node.guard or node.pattern).end_lineno or node.pattern.lineno
                yield Fork(f"case {ast.unparse(node.pattern)}", node.pattern.lineno, last, *_begins(node.body[0]))


def _begins(body: ast.stmt) -> tuple[int, int]:
    """Return the lines of a body's first statement; of one that holds others only the first."""
    return body.lineno, body.lineno if hasattr(body, "body") else body.end_lineno or body.lineno


def all_branches() -> frozenset[Branch]:
    """Return both ways of every branching statement of the decisions, and every fact that each kind may hear."""
    written = {
        Branch(module, fork.words, way, fork.first)
        for module in DECIDING
        for fork in forks_in(module)
        for way in ("taken", "passed")
    }
    return frozenset(written | {_heard(kind, event) for kind, heard in HEARD.items() for event in heard})


def _heard(kind: str, event: type) -> Branch:
    return Branch("HEARD", event.__name__, kind)


def play(path: Path) -> Played:
    """Play a scenario file and return what it came through."""
    arcs: set[tuple[str, int, int]] = set()
    heard: set[Branch] = set()
    effects: list[str] = []
    decide = kinds.decide

    def noting(state: Any, event: Any, *given: Any, **named: Any) -> Any:
        decision = decide(state, event, *given, **named)
        heard.add(_heard(kind_of(state).name, type(event)))
        effects.extend(map(_named, (each for each in decision.effects if each.is_order or isinstance(each, Alert))))
        return decision

    player = Player(parse(path.read_text()))
    kinds.decide = noting
    sys.settrace(_tracer({str(SOURCE / f"{module}.py"): module for module in (*DECIDING, *BESIDE)}, arcs))
    try:
        player.play()
    finally:
        sys.settrace(None)
        kinds.decide = decide
    return Played(frozenset(_taken(arcs)) | heard, tuple(effects))


def _named(effect: Effect) -> str:
    if isinstance(effect, Alert):
        return f"{effect.kind.value} {effect.reason.code.name}"
    return f"{type(effect).__name__} {getattr(effect, 'host', '')}"


def _tracer(files: dict[str, str], arcs: set[tuple[str, int, int]]) -> Any:
    """Build a trace function that notes from which line to which the code of some files goes."""
    known: dict[CodeType, str | None] = {}

    def enter(frame: FrameType, _event: str, _argument: object) -> Any:
        code = frame.f_code
        if code not in known:
            known[code] = files.get(code.co_filename)
        module = known[code]
        if module is None:
            return None
        before = 0

        def line(at: FrameType, event: str, _argument: object) -> Any:
            nonlocal before
            if event == "line":
                arcs.add((module, before, at.f_lineno))
                before = at.f_lineno
            elif event == "return":
                arcs.add((module, before, 0))
            return line

        return line

    return enter


def _taken(arcs: set[tuple[str, int, int]]) -> Iterator[Branch]:
    for module, before, after in arcs:
        for fork in forks_in(module):
            is_out = not fork.first <= after <= fork.last or after == fork.body == fork.first
            if fork.first <= before <= fork.last and is_out:
                yield Branch(module, fork.words, "taken" if fork.leads_into(after) else "passed", fork.first)
