"""Reasons as sentences: each code has one of its own, and every place that gives a reason gives it all the facts it needs."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

import vmha
from vmha.core.draft import SELF_MENDING
from vmha.core.explain import Code, because

SOURCE = Path(vmha.__file__).parent
# Reasons for which a recovery stands still until a fact or a human ends that.
WAITS = (
    Code.NO_WITNESS_ALL_STALE,
    Code.NO_WITNESS_NOVA_AWAY,
    Code.DISPUTED,
    Code.BRAKED,
    Code.POWER_OFFS_AT_ONCE,
    Code.POWER_OFFS_PER_HOUR,
    Code.SEGMENT_POWER_OFFS_PER_HOUR,
    Code.QUARANTINED,
    Code.CONFIRM_WANTED,
    Code.INSTANCE_CONFIRM_WANTED,
    Code.PROCESS_CONFIRM_WANTED,
    Code.NO_DEVICE,
    Code.BMC_SILENT,
    Code.BMC_BAD_CREDENTIALS,
    Code.BMC_WRONG_IDENTITY,
    Code.BMC_ERROR,
    Code.STAYS_ON,
    Code.FENCE_TIMEOUT,
    Code.OFF_UNWITNESSED,
    Code.CONTRADICTED,
    Code.HOST_RETURNED,
    Code.STALLED,
    Code.LOCAL_DISK,
    Code.NO_PROVIDER,
    Code.PROMISE_BROKEN,
)
# What stands behind each ** in the core: facts that several reasons share.
SHARED = frozenset(
    {"name", "instance", "process", "by", "why", "host", "scope", "until", "moved", "total", "others", "proof"}
)


def facts_of(code: Code) -> set[str]:
    """Return the names in braces."""
    return {name for _, name, _, _ in string.Formatter().parse(code.value) if name}


def given() -> Iterator[tuple[Code, set[str], bool, str]]:
    """Yield every place in the source that builds a reason: its code, the facts it names, whether it adds shared ones, and where."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            codes = [argument for argument in node.args if is_code(argument)]
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if len(codes) != 1 or name not in ("because", "say", "_put"):
                continue
            named = {word.arg for word in node.keywords if word.arg is not None}
            shares = any(word.arg is None for word in node.keywords)
            yield Code[codes[0].attr], named, shares, f"{path.name}:{node.lineno}"  # type: ignore[attr-defined]


def is_code(node: ast.expr) -> bool:
    """Tell whether an argument is a member of `Code`."""
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Code"


def test_every_place_gives_the_facts_of_its_sentence() -> None:
    """Nowhere is a fact missing that a sentence names, and none is given that no sentence names."""
    places = list(given())
    assert len(places) > 60
    for code, named, shares, where in places:
        needed = facts_of(code)
        assert named <= needed, f"{where} gives {code.name} {sorted(named - needed)}, which it does not say"
        assert needed - named <= (SHARED if shares else set()), f"{where} gives {code.name} no {sorted(needed - named)}"


def test_every_code_is_used() -> None:
    """No sentence is kept that nobody says."""
    text = "\n".join(path.read_text() for path in SOURCE.rglob("*.py") if path.name not in ("codes.py", "refusals.py"))
    unused = [code.name for code in Code if not re.search(rf"\bCode\.{code.name}\b", text)]
    assert not unused


def test_no_two_codes_say_the_same() -> None:
    """Each code has a sentence of its own: enum members with equal values would be one member under two names."""
    assert len({code.value for code in Code}) == len(Code.__members__)


@pytest.mark.parametrize("code", Code, ids=lambda code: code.name)
def test_every_sentence_can_be_said(code: Code) -> None:
    """Each sentence renders with its facts, has no brace left and no full stop at its end, and begins with no fact but a name."""
    sentence = because(code, **dict.fromkeys(facts_of(code), "x")).sentence
    assert not set("{}") & set(sentence)
    assert sentence == sentence.strip()
    assert not sentence.endswith(".")


@pytest.mark.parametrize("code", WAITS, ids=lambda code: code.name)
def test_a_wait_says_what_to_do(code: Code) -> None:
    """Whoever reads the reason of a wait learns what to look at, or which word ends it."""
    assert re.search(r"check|confirm|reject|look|set |correct|cut its power|by hand", code.value)


def test_only_waits_mend_themselves() -> None:
    """What is told late is a wait that a machine most often ends within seconds, and is known here."""
    late = {
        Code.NO_WITNESS_NOVA_AWAY,
        Code.SIGN_OF_LIFE,
        Code.PROOF_EXPIRED,
        Code.CLOCK_SET_BACK,
        Code.POWER_OFFS_AT_ONCE,
    }
    assert set(SELF_MENDING) == late


@pytest.mark.parametrize(
    ("value", "text"),
    [(2.0, "2"), (2.04, "2"), (2.06, "2.1"), (30.25, "30.2"), (7, "7"), ("7.00", "7.00"), (None, "None")],
)
def test_numbers_are_rounded_for_the_night(value: object, text: str) -> None:
    """Numbers with a point are said to a tenth, without a nought; everything else as it is."""
    assert because(Code.NOVA_BACK, host=value).facts == (("host", text),)
