"""Frozen dataclasses to plain JSON values and back, by their annotations. Enum members go by name, a union of events by class name."""

from __future__ import annotations

import types
import typing
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar

from vmha.core import effects, events

T = TypeVar("T")

EVENTS: dict[str, type] = {kind.__name__: kind for kind in typing.get_args(events.Event)}
EFFECTS: dict[str, type] = {kind.__name__: kind for kind in typing.get_args(effects.Effect)}


def to_plain(value: object) -> Any:
    """Turn dataclasses, enums, tuples and sets into what JSON can hold; sets become sorted lists."""
    if isinstance(value, Enum):
        return value.name
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, frozenset):
        return sorted(to_plain(item) for item in value)
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    return value


def from_plain(kind: type[T], data: Any) -> T:
    """Build `kind` from what `to_plain` made of it; unknown keys are ignored, absent ones take the field's default."""
    built: T = _build(kind, data)
    return built


def event_to_plain(event: events.Event) -> dict[str, Any]:
    """Turn an event into {"event": class name, ...its fields}."""
    return {"event": type(event).__name__, **to_plain(event)}


def event_from_plain(data: dict[str, Any]) -> events.Event:
    """Build the event that `event_to_plain` took apart."""
    event: events.Event = _build(EVENTS[data["event"]], data)
    return event


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _build(kind: Any, data: Any) -> Any:
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return None if data is None else _build(_other_than_none(kind), data)
    if origin in (tuple, frozenset):
        return _build_many(origin, typing.get_args(kind), data)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind[data]
    if is_dataclass(kind):
        hints = _hints(typing.cast("type", kind))
        return kind(**{name: _build(hint, data[name]) for name, hint in hints.items() if name in data})  # type: ignore[operator]
    return data


def _other_than_none(kind: Any) -> Any:
    return next(option for option in typing.get_args(kind) if option is not type(None))


def _build_many(origin: Any, args: tuple[Any, ...], data: Any) -> Any:
    if origin is tuple and not (len(args) == 2 and args[1] is Ellipsis):
        return tuple(_build(arg, item) for arg, item in zip(args, data, strict=True))
    return origin(_build(args[0], item) for item in data)
