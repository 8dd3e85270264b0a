"""What the database holds before each request: rows of every kind, so that many requests find what they ask for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from tests.differential import seed
from vmha.adapters.db import schema
from vmha.core.causes import Cause
from vmha.core.diagnosis import diagnosed
from vmha.core.explain import Code, because
from vmha.core.model import Move, MoveStatus, Outcome, Phase, Power, PowerReading
from vmha.core.plain import to_plain
from vmha.core.stops import HumanWord

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

HYPERVISORS = {"rack4-slot1.example.org": "c4", "rack4-slot11.example.org": "c2"}
HOSTS = ("c1", "c2", "c3", "c4", "c5", "c6", "c8", "c9", "spare1", "Compute-7.example.org")
"""The hosts that Nova knows."""

KNOWN: dict[str, list[str]] = {
    "segment": [seed.uuid(number) for number in range(11, 18)],
    "host": [seed.uuid(number) for number in range(21, 31)],
    "notification": [seed.uuid(number) for number in range(31, 38)],
    "vmove": [seed.uuid(number) for number in range(51, 58)],
    "recovery": [seed.uuid(number) for number in range(91, 95)],
    "alias": ["extensions", "notifications", "os-hosts", "recoveries", "segments", "versions", "vmoves", "bogus"],
}
"""Ids that lead to a row, and a few that lead to a deleted one, by the name that a path has for them."""

HOMES: dict[str, str] = {row[1]: row[5] for row in seed.ROWS["hosts"][1]} | {
    row[1]: row[2] for row in seed.ROWS["vmoves"][1]
}
"""The segment of each host, and the notification of each move."""

_WAITING, _BRAKED, _ENDED = KNOWN["recovery"][1:]
_MOVES = (
    Move(
        instance=seed.uuid(71),
        name="vm-51",
        vm_state="active",
        status=MoveStatus.MOVED,
        destination="c2",
        attempts=1,
        started_at=10.0,
        ended_at=12.5,
        reason=because(Code.MOVED, name="vm-51", instance=seed.uuid(71), destination="c2"),
    ),
    Move(
        instance=seed.uuid(72),
        name="vm-52",
        vm_state="stopped",
        status=MoveStatus.STALLED,
        target="c3",
        attempts=2,
        started_at=10.0,
        suspects=("c3",),
        diagnosis=diagnosed(Cause.TIMEOUT, "Nova took its evacuation to c3 and did not end it within 300 s"),
    ),
)


def fill(engine: Engine) -> None:
    """Store them in an empty database."""
    with engine.begin() as connection:
        for statement in seed.statements("ours").split(";\n"):
            connection.exec_driver_sql(statement)
        _add_recovery(connection, _WAITING, host=(24, "c4"), phase=Phase.UNPROVEN)
        _add_recovery(connection, _BRAKED, host=(26, "Compute-7.example.org"), phase=Phase.BRAKED)
        _add_recovery(connection, _ENDED, host=(21, "c1"), phase=Phase.ENDED, outcome=Outcome.RECOVERED)
        _add_details(connection, _ENDED)


def _add_recovery(
    connection: Connection, uuid: str, *, host: tuple[int, str], phase: Phase, outcome: Outcome | None = None
) -> None:
    number, name = host
    is_open = outcome is None
    row = {
        "uuid": uuid,
        "kind": "host",
        "open_key": f"host:{seed.uuid(number)}" if is_open else None,
        "host_uuid": seed.uuid(number),
        "host_name": name,
        "segment_uuid": seed.uuid(11),
        "method": "auto",
        "phase": phase.value,
        "outcome": None if outcome is None else outcome.value,
        "message": "",
        "state": "{}",
        "version": 1,
        "opened_at": 1.25,
        "ended_at": None if is_open else 99.5,
        "epoch": 0,
    }
    connection.execute(insert(schema.recoveries).values(**row))


def _add_details(connection: Connection, recovery: str) -> None:
    link = {"notification_uuid": seed.uuid(31), "recovery_uuid": recovery, "is_first": True}
    connection.execute(insert(schema.recovery_notifications).values(**link))
    for position, move in enumerate(_MOVES):
        row: dict[str, Any] = {
            "instance_uuid": move.instance,
            "position": position,
            "vmove_uuid": seed.uuid(51 + position),
            "status": move.status.value,
            "state": json.dumps(to_plain(move)),
        }
        connection.execute(insert(schema.moves).values(recovery_uuid=recovery, **row))
    readings = (PowerReading(Power.OFF, 4.0), PowerReading(Power.OFF, 6.0))
    for number, (rung, evidence) in enumerate(
        (("ipmi", (readings, None)), ("human", ((), HumanWord("ada", "unplugged", 3.0))))
    ):
        proof = {
            "uuid": seed.uuid(95 + number),
            "host_name": "c1",
            "rung": rung,
            "evidence": json.dumps({"readings": to_plain(evidence[0]), "word": to_plain(evidence[1])}),
            "established_at": 6.0,
            "read_at": 6.0,
            "valid_until": 36.0,
            "revoked_at": 50.0 if number else None,
            "revoked_because": "reads ON" if number else None,
        }
        connection.execute(insert(schema.fence_proofs).values(recovery_uuid=recovery, **proof))
    for at, code in ((2.0, Code.MOVED), (3.0, Code.MOVED)):
        line = {"at": at, "engine": "e1", "code": code.value, "facts": "{}", "sentence": "it ran"}
        connection.execute(insert(schema.timeline).values(recovery_uuid=recovery, **line))
