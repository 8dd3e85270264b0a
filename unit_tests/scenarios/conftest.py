"""The alerts of every scenario are what the schema says, and tell the story of each recovery."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from unit_tests.alert_schema import check_incident
from vmha.core.model import Recovery
from vmha.sim.store import MemoryStore


@pytest.fixture(autouse=True)
def alerts_tell_the_story(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Look at the outbox of each store that a test made."""
    stores: list[MemoryStore] = []
    made = MemoryStore.__post_init__

    def keep(store: MemoryStore) -> None:
        made(store)
        stores.append(store)

    monkeypatch.setattr(MemoryStore, "__post_init__", keep)
    yield
    for store in stores:
        for row in store.rows.values():
            outcome = row.state.outcome.value if row.state.outcome else None
            check_incident(
                store.outbox.of(row.state.uuid), outcome=outcome, waits=False, is_host=isinstance(row.state, Recovery)
            )
