"""Which host a name means: hosts are called by their short name, by their full name, and in either case.

Two full names of different domains are two hosts. A name that fits several hosts means none of them.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

_SHOWN: Final = 3
# As alike as compute-12 and compute-21; by the default of 0.6 too many hosts of one cloud are alike.
_ALIKE: Final = 0.75


def resolve(name: str, known: Collection[str]) -> str | None:
    """Return the one of the `known` names that `name` means."""
    if name in known:
        return name
    meant = _aliases(name, known)
    return meant[0] if len(meant) == 1 else None


def similar(name: str, known: Collection[str]) -> str:
    """Return a sentence that names what `name` may have been meant for, with a blank before it, or nothing."""
    shorts = {_short(each) for each in known}
    alike = get_close_matches(_short(name), sorted(shorts), n=_SHOWN, cutoff=_ALIKE)
    found = [*_aliases(name, known), *(each for short in alike for each in sorted(known) if _short(each) == short)]
    names = list(dict.fromkeys(found))[:_SHOWN]
    return f" Similar names that are known: {', '.join(names)}." if names else ""


def _short(name: str) -> str:
    return name.casefold().partition(".")[0]


def _aliases(name: str, known: Collection[str]) -> list[str]:
    return sorted(each for each in known if _is_alias(name.casefold(), each.casefold()))


def _is_alias(one: str, other: str) -> bool:
    short_one, _, domain_one = one.partition(".")
    short_other, _, domain_other = other.partition(".")
    return one == other or (short_one == short_other and not (domain_one and domain_other))
