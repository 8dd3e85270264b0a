"""What the metadata of an instance says of its wish to be recovered, as upstream reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmha.core.model import Instance

YES = frozenset({"1", "t", "true", "on", "y", "yes"})
"""What upstream takes for true, in either case; anything else is not."""


NO = frozenset({"0", "f", "false", "off", "n", "no", ""})
"""What is meant for false; anything else that is not true counts as false too, and is said to be unreadable."""


def is_unreadable(instance: Instance, key: str) -> bool:
    """Tell whether the metadata under `key` is neither a yes nor a no."""
    return dict(instance.metadata).get(key, "").strip().lower() not in YES | NO


def is_tagged(instance: Instance, key: str) -> bool:
    """Tell whether the instance is to be recovered by its metadata under `key`."""
    return dict(instance.metadata).get(key, "").strip().lower() in YES
