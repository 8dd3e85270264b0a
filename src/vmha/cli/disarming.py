"""`masakari-manage disarm` and `arm`: nothing is ordered for all, a segment or a host, until a time; reports are kept meanwhile."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from vmha.adapters.db import disarming, schema
from vmha.adapters.db.connection import transaction
from vmha.cli.person import person, printable

if TYPE_CHECKING:
    import argparse

    from sqlalchemy.engine import Connection, Engine

    from vmha.adapters.db.disarming import Scope
    from vmha.settings import Settings

LONGEST_SECONDS = 7 * 24 * 3600.0
"""A disarming that nobody remembers is how instances stay down: after a week somebody has to say again that it is meant."""

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Unknown(Exception):
    """What is to be disarmed or armed is not there, or the command does not say it; the text says what to do."""


def add_commands(categories: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `disarm`, `arm` and `disarmed`."""
    disarm = categories.add_parser("disarm", help="order nothing for all, a segment or a host, until a time")
    _scope_options(disarm)
    disarm.add_argument("--reason", type=printable, required=True, help="why; it is recorded with your name")
    disarm.add_argument(
        "--for", dest="seconds", required=True, metavar="TIME", help="such as 90m, 4h or 2d; at most 7d"
    )
    disarm.add_argument("--by", type=printable, help="whose word it is, where that is not the user of this system")
    disarm.set_defaults(command=_disarm, needs_tables=True)
    arm = categories.add_parser("arm", help="take a disarm back before its time is over")
    _scope_options(arm)
    arm.add_argument("--reason", type=printable, default="", help="why; it is recorded with your name")
    arm.add_argument("--by", type=printable, help="whose word it is, where that is not the user of this system")
    arm.set_defaults(command=_arm, needs_tables=True)
    disarmed = categories.add_parser("disarmed", help="list what is disarmed now; exit 1 if anything is")
    disarmed.add_argument("--json", action="store_true", help="print JSON")
    disarmed.set_defaults(command=_disarmed, needs_tables=True)


def _scope_options(parser: argparse.ArgumentParser) -> None:
    scope = parser.add_mutually_exclusive_group(required=True)
    scope.add_argument("--all", action="store_true", help="every host")
    scope.add_argument("--segment", metavar="NAME", help="the hosts of this segment, by name or uuid")
    scope.add_argument("--host", metavar="NAME", help="this host, by name or uuid")


def _disarm(options: argparse.Namespace, _settings: Settings, database: Engine) -> None:
    """Record the order; engines see it before their next order leaves."""
    if not options.reason.strip():
        raise Unknown("a reason is required: say why nothing may be ordered, with --reason")
    seconds = _seconds(options.seconds)
    with transaction(database) as connection:
        scope = _scope(connection, options)
        order = disarming.disarm(connection, scope, by=person(options.by), why=options.reason.strip(), seconds=seconds)
    print(
        f"{order.scope}: disarmed until {order.until_text}; reports are kept, nothing is ordered; it arms itself then"
    )


def _arm(options: argparse.Namespace, _settings: Settings, database: Engine) -> None:
    with transaction(database) as connection:
        scope = _scope(connection, options)
        why = f"{person(options.by)} armed it{f': {options.reason}' if options.reason else ''}"
        if not disarming.arm(connection, scope, because=why):
            others = ", ".join(order.scope for order in disarming.standing(connection)) or "nothing"
            raise Unknown(f"there is no disarming of {scope.words}; what is disarmed now: {others}")
        left = disarming.standing(connection)
    print(f"{scope.words}: armed")
    for order in left:
        print(f"still disarmed until {order.until_text}: {order.scope}, by {order.by}: {order.why}")


def _disarmed(options: argparse.Namespace, _settings: Settings, database: Engine) -> int:
    with transaction(database) as connection:
        orders = disarming.standing(connection)
    if options.json:
        plain = [
            {"scope": o.scope, "by": o.by, "why": o.why, "until": datetime.fromtimestamp(o.until, UTC).isoformat()}
            for o in orders
        ]
        print(json.dumps(plain, indent=2))
    else:
        for order in orders:
            print(f"{order.scope}: until {order.until_text}, by {order.by}: {order.why}")
        if not orders:
            print("nothing is disarmed")
    return 1 if orders else 0


def _seconds(text: str) -> float:
    """Read a time such as 90m. Raises `Unknown`."""
    found = re.fullmatch(r"([0-9]+)([smhd])", text.strip())
    seconds = int(found.group(1)) * _UNITS[found.group(2)] if found else 0.0
    if seconds > LONGEST_SECONDS:
        raise Unknown(f"--for {text} is too long: at most 7d, so that nothing stays disarmed that nobody remembers")
    if seconds <= 0:
        raise Unknown(f"--for {text} is no time: write a number and s, m, h or d, such as 90m or 4h; at most 7d")
    return seconds


def _scope(connection: Connection, options: argparse.Namespace) -> Scope:
    """Find what the command names, by name or uuid. Raises `Unknown`."""
    if options.all:
        return disarming.ALL
    kind = "segment" if options.segment is not None else "host"
    table = schema.failover_segments if kind == "segment" else schema.hosts
    named = options.segment if kind == "segment" else options.host
    row = connection.execute(
        select(table.c.uuid, table.c.name)
        .where(or_(table.c.name == named, table.c.uuid == named), table.c.deleted == 0)
        .with_for_update()  # who deletes it meanwhile sees the order, or we see that it is gone
    ).first()
    if row is None:
        names = ", ".join(
            connection.scalars(select(table.c.name).where(table.c.deleted == 0).order_by(table.c.name).limit(20))
        )
        raise Unknown(f"there is no {kind} {named}; known are: {names or 'none'}")
    return disarming.segment(row.uuid, row.name) if kind == "segment" else disarming.host(row.uuid, row.name)
