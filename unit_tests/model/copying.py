"""Copies of what can change; what is frozen is shared."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any


def copied(value: Any) -> Any:
    """Copy what is mutable; what is frozen is shared."""
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    if isinstance(value, list):
        return [copied(each) for each in value]
    if isinstance(value, tuple):
        return tuple(copied(each) for each in value) if any(_is_mutable(each) for each in value) else value
    if isinstance(value, set):
        return set(value)
    if is_dataclass(value) and not isinstance(value, type) and not value.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        copy = object.__new__(type(value))
        for entry in fields(value):
            setattr(copy, entry.name, copied(getattr(value, entry.name)))
        return copy
    return value


def _is_mutable(value: Any) -> bool:
    return isinstance(value, dict | list | set | tuple) or (
        is_dataclass(value) and not value.__dataclass_params__.frozen  # type: ignore[union-attr]
    )
