"""States, events and effects survive the way through the database: to plain values, JSON, and back."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vmha.core.explain import Code, because
from vmha.core.model import Move, MoveStatus, Phase, RecoveryMethod
from vmha.core.model import Recovery as State
from vmha.core.plain import EFFECTS, EVENTS, event_from_plain, event_to_plain, from_plain, to_plain

EVENT_KINDS = sorted(EVENTS.values(), key=lambda kind: kind.__name__)
EFFECT_KINDS = sorted(EFFECTS.values(), key=lambda kind: kind.__name__)
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=8),
    int: st.integers(min_value=-(2**53), max_value=2**53),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    type(None): st.none(),
}


@cache
def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for anything that an annotation of the model allows."""
    if kind in LEAVES:
        return LEAVES[kind]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([values_of(argument) for argument in arguments])
    if origin is frozenset:
        return st.frozensets(values_of(arguments[0]), max_size=3)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return st.lists(values_of(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values_of, arguments))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return st.dictionaries(values_of(arguments[0]), values_of(arguments[1]), max_size=3)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    assert is_dataclass(kind), f"no strategy for {kind}"
    hints = typing.get_type_hints(kind)
    return st.builds(
        typing.cast("Callable[..., Any]", kind), **{field.name: values_of(hints[field.name]) for field in fields(kind)}
    )


def through_json(value: Any) -> Any:
    """Send a value through JSON."""
    return json.loads(json.dumps(value))


@FEW
@given(state=values_of(State))
def test_a_state_comes_back_as_it_was(state: State) -> None:
    """Any state of a recovery is the same after the way through JSON."""
    assert from_plain(State, through_json(to_plain(state))) == state


@FEW
@given(move=values_of(Move))
def test_a_move_comes_back_as_it_was(move: Move) -> None:
    """Any move is the same after the way through JSON."""
    assert from_plain(Move, through_json(to_plain(move))) == move


@pytest.mark.parametrize("kind", EVENT_KINDS, ids=lambda kind: kind.__name__)
@FEW
@given(data=st.data())
def test_an_event_comes_back_as_it_was(kind: Any, data: st.DataObject) -> None:
    """Any event of any kind is the same after the way through JSON, and of the same kind."""
    event = data.draw(values_of(kind))
    back = event_from_plain(through_json(event_to_plain(event)))
    assert type(back) is kind
    assert back == event


@pytest.mark.parametrize("kind", EFFECT_KINDS, ids=lambda kind: kind.__name__)
@FEW
@given(data=st.data())
def test_an_effect_comes_back_as_it_was(kind: Any, data: st.DataObject) -> None:
    """Any effect of any kind is the same after the way through JSON, and has the same key."""
    effect = data.draw(values_of(kind))
    back = from_plain(kind, through_json(to_plain(effect)))
    assert back == effect
    assert back.key == effect.key


def opened() -> State:
    """Build a state with nothing in it but what has no default."""
    return State(
        uuid="r",
        host="c1",
        host_uuid="h",
        segment="s",
        method=RecoveryMethod.AUTO,
        phase=Phase.WITNESSING,
        opened_at=1.0,
        phase_since=1.0,
        reason=because(Code.OPENED, host="c1"),
    )


def test_fields_that_an_older_version_did_not_write_have_their_defaults() -> None:
    """A state that was stored before a field existed is read with the field's default."""
    state = replace(opened(), verified=True)
    plain = through_json(to_plain(state))
    del plain["moves"], plain["witness"], plain["fence"]["orders"]
    assert from_plain(State, plain) == state


def test_fields_that_a_newer_version_wrote_are_ignored() -> None:
    """After a downgrade what a newer version added is passed over."""
    plain = through_json(to_plain(opened()))
    plain["added_later"] = {"what": "ever"}
    assert from_plain(State, plain) == opened()


def test_sets_are_written_in_order() -> None:
    """The same state is always written by the same bytes, so that two versions of it can be compared."""
    state = replace(opened(), outstanding=frozenset({"survey", "power", "heartbeats"}))
    assert to_plain(state)["outstanding"] == ["heartbeats", "power", "survey"]


def test_members_go_by_name() -> None:
    """An enum member is written by its name, so that its value, a word for people, may change."""
    assert to_plain(Move(instance="i", name="vm", vm_state="active", status=MoveStatus.MOVED))["status"] == "MOVED"


def test_an_unknown_kind_of_event_is_an_error() -> None:
    """A letter of a kind that this version does not know is not taken for another."""
    with pytest.raises(KeyError):
        event_from_plain({"event": "Invented"})
