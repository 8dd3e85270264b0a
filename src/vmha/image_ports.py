"""The port of the cloud's images: what their properties wish for instances that boot from them. Rules as in `vmha.ports`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vmha.ports import Deadline

Properties = tuple[tuple[str, str], ...]
"""Names and texts, sorted by name."""


class Images(Protocol):
    """The cloud's image service, as its administrator."""

    def properties(self, images: Iterable[str], *, deadline: Deadline) -> Mapping[str, Properties]:
        """Return the properties of each image that exists. Raises `NovaUnavailable` where not all could be asked for, `NovaRefused`."""
