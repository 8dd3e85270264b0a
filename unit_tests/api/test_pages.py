"""Pages of lists: nothing is read twice, nothing is skipped."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, insert

from vmha.adapters.db import segments
from vmha.adapters.db.listing import Order, Page
from vmha.adapters.db.schema import failover_segments, upstream

TIMES = [None, datetime(2026, 1, 1), datetime(2026, 1, 2), datetime(2026, 1, 3)]  # noqa: DTZ001 (as upstream stores them)
KEYS = ("updated_at", "description", "service_type", "name", "enabled", "recovery_method")

rows = st.lists(
    st.fixed_dictionaries(
        {
            "updated_at": st.sampled_from(TIMES),
            "description": st.sampled_from([None, "a", "b"]),
            "service_type": st.sampled_from(["x", "y"]),
            "enabled": st.sampled_from([None, False, True]),
            "recovery_method": st.sampled_from(["rh_priority", "auto", "auto_priority"]),
        }
    ),
    max_size=12,
)
orders = st.lists(st.builds(Order, st.sampled_from(KEYS), st.booleans()), max_size=3)


@settings(max_examples=80, deadline=None)
@given(rows=rows, orders=orders, ascending=st.booleans(), limit=st.integers(1, 5))
def test_pages_join_to_the_whole_list(
    rows: list[dict[str, Any]], orders: list[Order], ascending: bool, limit: int
) -> None:
    """Read page by page behind the last row of each, a list is the same as read at once, whatever it is sorted by."""
    order = (*orders, Order("created_at", not ascending), Order("id", not ascending))
    engine = create_engine("sqlite://")
    upstream.create_all(engine)
    with engine.begin() as connection:
        for number, row in enumerate(rows):
            fixed = {"uuid": str(number), "name": f"s{number % 7}{number}", "deleted": 0}
            connection.execute(insert(failover_segments).values(**row, **fixed, created_at=TIMES[1 + number % 3]))
        whole = segments.listed(connection, (), Page(limit=1000, marker=None, order=order))
        found: list[segments.Segment] = []
        while page := segments.listed(
            connection, (), Page(limit=limit, marker=str(found[-1].id) if found else None, order=order)
        ):
            found += page
    assert found == whole
    assert len(whole) == len(rows)


def test_a_page_is_sorted_with_nulls_first(tmp_path: Path) -> None:
    """Ascending begins with what has no value, descending ends with it."""
    engine = create_engine(f"sqlite:///{tmp_path}/x")
    upstream.create_all(engine)
    with engine.begin() as connection:
        for number, moment in enumerate(TIMES):
            fixed = {"uuid": str(number), "name": str(number), "recovery_method": "auto", "deleted": 0}
            row = {"updated_at": moment, "service_type": "x", "created_at": TIMES[1]}
            connection.execute(insert(failover_segments).values(**row, **fixed))

        def names(descending: bool) -> list[str]:
            order = (Order("updated_at", descending), Order("id", descending))
            return [row.name for row in segments.listed(connection, (), Page(limit=9, marker=None, order=order))]

        assert names(False) == ["0", "1", "2", "3"]
        assert names(True) == ["3", "2", "1", "0"]
