"""In which order the instances of a host are moved.

Rules:
1. A higher priority goes first. It is asked of the instance's metadata, where the operator trusts tenants, then of its flavor's extra
   specs, then of its image's properties, all by one key. The first of them that says anything counts.
2. What is no whole number from 0 to 1000 counts as the default: one bad text keeps nothing else from being moved.
3. Of equal priority those go first whose owners asked for recovery, as upstream has it, and then the large ones: they find room last.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from vmha.core.explain import NAMED, Code
from vmha.core.metadata import is_unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vmha.core.draft import Draft
    from vmha.core.model import Instance, Move
    from vmha.core.policy import Policy

HIGHEST = 1000

LONGEST_TEXT = 20
"""Characters of a tenant's text that a sentence shows."""


class Origin(Enum):
    """Where a priority was said."""

    METADATA = "metadata"
    FLAVOR = "flavor"
    IMAGE = "image"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Priority:
    """A number from 0 to 1000 and who said it. `unreadable` is a text that is no such number, where there is one."""

    number: int
    origin: Origin
    unreadable: str | None = None


def priority_of(instance: Instance, policy: Policy) -> Priority:
    """Find the first that says a priority of the instance, and read it."""
    said = {
        Origin.METADATA: instance.metadata if policy.trust_tenant_metadata else (),
        Origin.FLAVOR: instance.extra_specs,
        Origin.IMAGE: instance.image_properties,
    }
    for origin, pairs in said.items():
        text = dict(pairs).get(policy.priority_key)
        if text is not None:
            return _read(text, origin, policy)
    return Priority(number=policy.default_priority, origin=Origin.DEFAULT)


def _read(text: str, origin: Origin, policy: Policy) -> Priority:
    digits = text.strip()
    # Not str.isdecimal(): digits of any script would do for that, and int() takes them too.
    if re.fullmatch(r"[0-9]{1,4}", digits) and int(digits) <= HIGHEST:
        return Priority(number=int(digits), origin=origin)
    return Priority(number=policy.default_priority, origin=origin, unreadable=text)


def in_order(moves: Iterable[Move], instances: Mapping[str, Instance]) -> tuple[Move, ...]:
    """Sort moves; those that nothing tells apart keep their order."""

    def rank(move: Move) -> tuple[int, bool, int, int]:
        instance = instances[move.instance]
        return -move.priority, not move.is_tagged, -instance.memory_mb, -instance.vcpus

    return tuple(sorted(moves, key=rank))


def say_unreadable(draft: Draft, instances: Iterable[Instance]) -> None:
    """Name what tenants and operators wrote and nobody can read: one sentence for each kind, however many there are."""
    policy, known = draft.policy, tuple(instances)
    priorities = [
        f"{instance.name}: {_shown(read.unreadable)} ({read.origin.value})"
        for instance in known
        if (read := priority_of(instance, policy)).unreadable is not None
    ]
    if priorities:
        draft.say(
            Code.PRIORITY_UNREADABLE,
            key=policy.priority_key,
            count=len(priorities),
            some=_some(priorities),
            highest=HIGHEST,
            default=policy.default_priority,
        )
    tag = policy.ha_enabled_instance_metadata_key
    marks = [
        f"{instance.name}: {_shown(dict(instance.metadata)[tag])}" for instance in known if is_unreadable(instance, tag)
    ]
    if marks:
        draft.say(Code.TAG_UNREADABLE, key=tag, count=len(marks), some=_some(marks))


def _shown(text: str) -> str:
    return repr(text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…")


def _some(found: list[str]) -> str:
    return ", ".join(found[:NAMED]) + (", …" if len(found) > NAMED else "")
