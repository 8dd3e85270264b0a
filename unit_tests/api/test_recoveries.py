"""What a recovery shows of its moves and proofs, as the engine stores them."""

from __future__ import annotations

import json
from pathlib import Path

from sqlalchemy import insert

from unit_tests.api.world import World
from vmha.adapters.db import schema
from vmha.core.causes import Cause
from vmha.core.diagnosis import NEXT, diagnosed
from vmha.core.explain import Code, because
from vmha.core.model import Move, MoveStatus, Power, PowerReading
from vmha.core.plain import to_plain
from vmha.core.stops import HumanWord

MOVED = Move(
    instance="b1e0a7a4-2c39-4c1a-8f57-0a1b2c3d4e5f",
    name="web",
    vm_state="active",
    status=MoveStatus.MOVED,
    destination="c2",
    attempts=1,
    started_at=10.0,
    ended_at=12.5,
    reason=because(Code.MOVED, name="web", instance="b1e0", destination="c2"),
)
STALLED = Move(
    instance="8f5a3d1e-8b0f-4f6c-9e1e-3c1a4f5b6c7d",
    name="db",
    vm_state="active",
    status=MoveStatus.STALLED,
    target="c3",
    attempts=2,
    started_at=10.0,
    suspects=("c3",),
    diagnosis=diagnosed(Cause.TIMEOUT, "Nova took it"),
)


def test_a_recovery_shows_its_moves_and_proofs(tmp_path: Path) -> None:
    """Moves come in their order with their reasons, proofs with what was read or who said so, dead ones too."""
    world = World(tmp_path)
    row = {"uuid": "r", "kind": "host", "host_uuid": "h", "host_name": "c1", "segment_uuid": "s", "method": "auto"}
    state = {"phase": "moving", "message": "m", "state": "{}", "version": 1, "opened_at": 1.25, "epoch": 0}
    with world.engine.begin() as connection:
        connection.execute(insert(schema.recoveries).values(**row, **state))
        for position, move in ((1, STALLED), (0, MOVED)):
            connection.execute(insert(schema.moves).values(**stored(move, position)))
        connection.execute(
            insert(schema.fence_proofs).values(**proof("p1", "human", word=HumanWord("ada", "unplugged", 3.0)))
        )
        connection.execute(
            insert(schema.fence_proofs).values(
                **proof("p2", "ipmi", readings=(PowerReading(Power.OFF, 4.0), PowerReading(Power.OFF, 6.0))),
                revoked_at=9.0,
                revoked_because="reads ON",
            )
        )
    shown = world.call("GET", "/v1/recoveries/r").json["recovery"]
    assert shown["opened_at"] == "1970-01-01T00:00:01.250000"
    assert [each["instance_name"] for each in shown["moves"]] == ["web", "db"]
    assert shown["moves"][0] == {
        "instance_uuid": MOVED.instance,
        "instance_name": "web",
        "status": "moved",
        "target": None,
        "destination": "c2",
        "attempts": 1,
        "suspects": [],
        "started_at": "1970-01-01T00:00:10.000000",
        "ended_at": "1970-01-01T00:00:12.500000",
        "reason": "web (b1e0) runs on c2",
        "diagnosis": None,
    }
    assert (shown["moves"][1]["status"], shown["moves"][1]["suspects"]) == ("stalled", ["c3"])
    next_step = NEXT[Cause.TIMEOUT]
    assert shown["moves"][1]["diagnosis"] == {"cause": "timeout", "evidence": ["Nova took it"], "next_step": next_step}
    assert [each["word"] for each in shown["proofs"]] == [
        {"by": "ada", "why": "unplugged", "at": "1970-01-01T00:00:03.000000"},
        None,
    ]
    assert [each["power"] for each in shown["proofs"][1]["readings"]] == ["off", "off"]
    assert shown["proofs"][1]["revoked_because"] == "reads ON"


def stored(move: Move, position: int) -> dict[str, object]:
    """Return a move's row as the engine writes it."""
    return {
        "recovery_uuid": "r",
        "instance_uuid": move.instance,
        "position": position,
        "vmove_uuid": f"v{position}",
        "status": move.status.value,
        "state": json.dumps(to_plain(move)),
    }


def proof(
    uuid: str, rung: str, *, readings: tuple[PowerReading, ...] = (), word: HumanWord | None = None
) -> dict[str, object]:
    """Return a proof's row as the engine writes it."""
    return {
        "uuid": uuid,
        "recovery_uuid": "r",
        "host_name": "c1",
        "rung": rung,
        "evidence": json.dumps({"readings": to_plain(readings), "word": to_plain(word)}),
        "established_at": 3.0,
        "read_at": 3.0,
        "valid_until": 33.0,
    }
