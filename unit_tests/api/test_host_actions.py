"""Who wanted a host back, and why, reaches what lets it back; the timeline afterwards shows upstream's clients no more steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from unit_tests.api.world import World
from vmha.adapters.db.recovery_views import RecoveryView, TimelineLine
from vmha.api.progress import workflow_details
from vmha.core.explain import Code
from vmha.core.model import Outcome, Phase
from vmha.core.returning import Wish
from vmha.errors import StoreUnavailable, UnknownHost

ACTION = "/v1/segments/{segment}/hosts/{host}/action"


def registered(world: World) -> str:
    """Register c1 and return the path of its actions."""
    segment = {"segment": {"name": "s1", "recovery_method": "auto", "service_type": "compute"}}
    s1 = world.call("POST", "/v1/segments", send=segment).json["segment"]["uuid"]
    host = {"host": {"name": "c1", "type": "X", "control_attributes": "Y"}}
    c1 = world.call("POST", f"/v1/segments/{s1}/hosts", send=host).json["host"]["uuid"]
    return ACTION.format(segment=s1, host=c1)


def test_the_wish_is_passed_on(tmp_path: Path) -> None:
    """The name is the token's, the reason is what was said without the blanks around it, and the options are what was sent."""
    world = World(tmp_path)
    path = registered(world)
    sent: dict[str, Any] = {"reason": " new memory ", "inspected": True, "as_reserved": True, "dry_run": True}
    world.call("POST", path, send={"return": sent}, headers={"X-User-Id": "ada"})
    world.call("POST", path, send={"return": {"reason": "x"}})
    assert world.returns == [
        ("c1", Wish(by="ada", why="new memory", as_reserved=True, inspected=True), True),
        ("c1", Wish(by="an unnamed administrator", why="x"), False),
    ]


@pytest.mark.parametrize(("error", "status"), [(UnknownHost("c1"), 404), (StoreUnavailable("away"), 503)])
def test_what_cannot_be_done_is_said(
    error: Exception, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that was deleted meanwhile is not found; a database that is away may be asked again."""
    world = World(tmp_path)
    path = registered(world)

    def raises(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(World, "let_back", raises)
    world.__post_init__()
    assert world.call("POST", path, send={"return": {"reason": "x"}}).status_int == status


def test_a_return_is_no_step_of_the_recovery() -> None:
    """Upstream's clients see the steps of the recovery, and none that begins after its end."""
    view = RecoveryView(
        uuid="r",
        kind="host",
        subject=None,
        host_name="c1",
        host_uuid="h",
        segment_uuid="s",
        method="auto",
        phase=Phase.ENDED,
        outcome=Outcome.NOTHING_TO_MOVE,
        message="m",
        opened_at=0.0,
        ended_at=9.0,
    )
    codes = (Code.OPENED, Code.FORCED_DOWN, Code.NOTHING_TO_MOVE)
    lines = [TimelineLine(at=1.0, engine="e", code=code.name, facts={}, sentence=code.name) for code in codes]
    before = workflow_details(view, lines)
    after = [
        TimelineLine(at=2.0, engine="api", code=code.name, facts={}, sentence=code.name)
        for code in (Code.RETURN_BEGUN, Code.RETURNED, Code.SPARE_KEPT)
    ]
    assert workflow_details(view, lines + after) == before
