"""Pages of a table, as upstream's API cuts them: sort keys, a marker row, a limit.

A page begins behind its marker in the order asked for. The marker's own values are compared, column by column, so that
no page is read twice or skipped when rows come and go meanwhile. A column that may be NULL sorts its NULLs first when
ascending and last when descending, on every database.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from operator import eq
from typing import TYPE_CHECKING, Any

from sqlalchemy import BinaryExpression, Column, Enum, Integer, and_, bindparam, case, false, literal, or_, select
from sqlalchemy.sql.elements import BooleanClauseList

from vmha.errors import VmhaError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement, Dialect, Table
    from sqlalchemy.engine import Connection, Row
    from sqlalchemy.sql import Select

# The largest id that a column of type INTEGER can hold; PostgreSQL refuses a larger number where others find nothing.
_LARGEST_ID = 2**31 - 1
# A uuid has 32 characters, the largest id 10; between them is room for signs and blanks.
_LONGEST_ID = 20
_LIMIT = "page_limit"
# Written in every transaction that writes a row and never NULL in practice, though upstream's schema would allow it.
_NEVER_NULL = frozenset({"created_at", "deleted"})


class UnusablePage(VmhaError):
    """A sort key that is no column, or a marker that is no row. The text is upstream's."""


@dataclass(frozen=True, slots=True)
class Order:
    """One sort key, a column's name."""

    key: str
    descending: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which part of a list: at most `limit` rows behind the one whose id or uuid `marker` is."""

    limit: int
    marker: str | None
    order: tuple[Order, ...]


def read_page(
    connection: Connection,
    table: Table,
    query: Select[Any],
    conditions: Sequence[ColumnElement[bool]],
    page: Page,
    *,
    uuid: str,
) -> Sequence[Row[Any]]:
    """Return the rows of `query` that meet all `conditions` and are on `page`. Raises `UnusablePage`.

    `uuid` names the column with the table's uuids. A `query` should be the same object each time: it is recognised by that.
    """
    for order in page.order:
        if order.key not in table.c:
            # Upstream's API shows the representation of its own exception here, and clients may compare.
            raise UnusablePage(f"InvalidSortKey('Sort key supplied is invalid: {order.key}')")
    orders = _needed(page.order)
    query = _ordered(table, query, orders)
    if conditions:
        query = query.where(*conditions)
    if page.marker is not None:
        marker = _marker(connection, table, page.marker, uuid)
        query = _entered_by_index(query.where(_behind(table, marker, orders, connection.dialect)), table, orders)
    return connection.execute(query, {_LIMIT: page.limit}).fetchall()


@lru_cache(maxsize=64)
def _ordered(table: Table, query: Select[Any], orders: tuple[Order, ...]) -> Select[Any]:
    """Put a query in order and cut it. To build that, and to recognise what was built, would take half as long as to execute it."""
    terms = (term for order in orders for term in _terms(table.c[order.key], order))
    return query.order_by(*terms).limit(bindparam(_LIMIT, type_=Integer))


def equals(column: Column[Any], value: str) -> ColumnElement[bool]:
    """Compare with what a client sent; what the column's type cannot hold equals nothing on every database."""
    if is_impossible(value) or (isinstance(column.type, Enum) and value not in column.type.enums):
        return false()
    return column == value


def is_impossible(text: str) -> bool:
    """Tell whether no column holds this text; PostgreSQL would not even take it."""
    return "\0" in text


def row_id(text: str) -> int | None:
    """Read what a client sent as the id of a row; None where it can be none."""
    is_id = text.isascii() and text.isdigit() and len(text) < 11 and int(text) <= _LARGEST_ID
    return int(text) if is_id else None


def _marker(connection: Connection, table: Table, marker: str, uuid: str) -> Row[Any]:
    """Read the marker's row. It need not be in the list itself, only alive."""
    number = _as_id(marker)
    found = equals(table.c[uuid], marker) if number is None else table.c.id == number
    if "deleted" in table.c:
        found = and_(found, table.c.deleted == 0)
    row = connection.execute(select(table).where(found)).one_or_none()
    if row is None:
        raise UnusablePage(f"Marker {marker} could not be found.")
    return row


def _as_id(marker: str) -> int | None:
    """Read an id as Python reads numbers, since upstream does; what is none is a uuid, which has more characters than any id."""
    try:
        number = int(marker) if len(marker) < _LONGEST_ID else None
    except ValueError:
        return None
    return number if number is not None and abs(number) <= _LARGEST_ID else None


def _needed(orders: tuple[Order, ...]) -> tuple[Order, ...]:
    """Leave out what comes after the id: no two rows share one, and a database that does not know that would sort them all."""
    keys = [order.key for order in orders]
    return orders[: keys.index("id") + 1] if "id" in keys else orders


def _entered_by_index(query: Select[Any], table: Table, orders: tuple[Order, ...]) -> Select[Any]:
    """Name to MariaDB and MySQL the index that has the filter first and then the order.

    By themselves they enter it at the filter's newest row, and read all rows from there to the marker.
    """
    filtered = {column.name for column in _equated(query)}
    last = [order.key for order in orders]
    fitting = [
        str(index.name)
        for index in table.indexes
        if (names := [column.name for column in index.columns])[-len(last) :] == last
        and set(names[: -len(last)]) <= filtered
        and len(names) > len(last)
    ]
    if len(fitting) != 1:  # several filters at once: which one leaves fewer rows is for the database to say
        return query
    hint = f"FORCE INDEX ({fitting[0]})"
    return query.with_hint(table, hint, "mysql").with_hint(table, hint, "mariadb")


def _equated(query: Select[Any]) -> Iterator[Column[Any]]:
    """Yield the columns that the query compares with one value."""
    where = query.whereclause
    for clause in where.get_children() if isinstance(where, BooleanClauseList) else (where,):
        if isinstance(clause, BinaryExpression) and clause.operator is eq and isinstance(clause.left, Column):
            yield clause.left


def _terms(column: Column[Any], order: Order) -> list[ColumnElement[Any]]:
    terms = [_presence(column), column] if _may_be_null(column) else [column]
    return [term.desc() if order.descending else term.asc() for term in terms]


def _presence(column: Column[Any]) -> ColumnElement[int]:
    return case((column.is_(None), 0), else_=1)


def _may_be_null(column: Column[Any]) -> bool:
    return bool(column.nullable) and column.name not in _NEVER_NULL


def _behind(table: Table, marker: Row[Any], orders: tuple[Order, ...], dialect: Dialect) -> ColumnElement[bool]:
    """Build the condition from the last key to the first: past it, or equal in it and behind in the rest."""
    condition: ColumnElement[bool] = false()
    for order in reversed(orders):
        column, value = table.c[order.key], marker._mapping[order.key]
        condition = or_(_past(column, value, order, dialect), and_(_same(column, value), condition))
    first, value = table.c[orders[0].key], marker._mapping[orders[0].key]
    if value is None or _may_be_null(first) or isinstance(first.type, Enum):
        return condition
    # Implied by the condition, but only written out does it let the database enter an index at the marker.
    return and_(first <= value if orders[0].descending else first >= value, condition)


def _same(column: Column[Any], value: object) -> ColumnElement[bool]:
    return column.is_(None) if value is None else column == value


def _past(column: Column[Any], value: object, order: Order, dialect: Dialect) -> ColumnElement[bool]:
    if value is None:
        return false() if order.descending else column.is_not(None)
    past = _beyond(column, value, order, dialect)
    return or_(past, column.is_(None)) if order.descending and _may_be_null(column) else past


def _beyond(column: Column[Any], value: object, order: Order, dialect: Dialect) -> ColumnElement[bool]:
    """Compare as the database sorts: the words of an enumeration by their place in it, where they are more than texts to it.

    MariaDB and MySQL sort them by their place too, and compare them as texts.
    """
    if isinstance(column.type, Enum):
        words = sorted(column.type.enums) if dialect.name == "sqlite" else column.type.enums
        place = words.index(str(value))
        return column.in_(words[:place] if order.descending else words[place + 1 :])
    limit = literal(value, column.type)  # SQLAlchemy lets nothing be less than a plain True
    return column < limit if order.descending else column > limit
