"""What clients write behind the question mark: filters, sort keys, limits, markers."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from oslo_utils import strutils

from vmha.adapters.db.listing import Order, Page, equals
from vmha.api.faults import bad_request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Column, ColumnElement, Table

_ALWAYS_SORTED_BY = ("created_at", "id")


class Query:
    """The parameters of one request. A parameter may be repeated; where one value is wanted the last one counts."""

    def __init__(self, text: str) -> None:
        self.pairs = parse_qsl(text, keep_blank_values=True)
        self._values: dict[str, list[str]] = {}
        for name, value in self.pairs:
            self._values.setdefault(name, []).append(value)

    def get(self, name: str) -> str | None:
        """Return the value of a parameter."""
        values = self._values.get(name)
        return values[-1] if values else None

    def all(self, name: str) -> list[str]:
        """Return every value of a parameter, in the order sent."""
        return self._values.get(name, [])


def page(query: Query, *, max_limit: int) -> Page:
    """Read limit, marker and sort order of one of upstream's lists. Raises `Fault`."""
    wanted = limit(query, max_limit=max_limit)
    _count(query, "page_size")  # upstream reads it and does nothing with it
    return Page(limit=wanted, marker=query.get("marker"), order=_order(query))


def limit(query: Query, *, max_limit: int) -> int:
    """Read how many rows are wanted; more than `max_limit` are never sent. Raises `Fault`."""
    wanted = _count(query, "limit")
    return max_limit if wanted is None else min(wanted, max_limit)


def _count(query: Query, name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        count = int(text)
    except ValueError:
        raise bad_request(f"Invalid input received: {name} must be an integer") from None
    if count < 0:
        raise bad_request(f"Invalid input received: {name} must be >= 0")
    return count


def equal_filters(query: Query, table: Table, names: Iterable[str]) -> list[ColumnElement[bool]]:
    """Build a condition for each parameter of `names` that was sent; each is called like its column."""
    return [equals(table.c[name], value) for name in names if (value := query.get(name)) is not None]


def flag_filter(query: Query, column: Column[bool]) -> list[ColumnElement[bool]]:
    """Build the condition for a strictly read boolean whose column is off where it is NULL. Raises `Fault`."""
    text = query.get(column.name)
    if text is None:
        return []
    try:
        wanted = strutils.bool_from_string(text, strict=True)
    except ValueError as error:
        raise bad_request(f"Invalid value for {column.name}: {error}") from None
    return [column.is_(True) if wanted else column.is_not(True)]


def _order(query: Query) -> tuple[Order, ...]:
    """Complete the sort keys as upstream does: missing directions are the first one, and the order is always total."""
    keys = [key.strip() for key in query.all("sort_key")] or [_ALWAYS_SORTED_BY[0]]
    directions = [direction.strip() for direction in query.all("sort_dir")] or ["desc"]
    if any(direction not in ("asc", "desc") for direction in directions):
        raise bad_request("Invalid input received: Unknown sort direction, must be 'asc' or 'desc'")
    if len(directions) > len(keys):
        raise bad_request("Invalid input received: Sort direction size exceeds sort key size")
    keys += [key for key in _ALWAYS_SORTED_BY if key not in keys]
    directions += [directions[0]] * (len(keys) - len(directions))
    return tuple(Order(key, descending=direction == "desc") for key, direction in zip(keys, directions, strict=True))
