"""`masakari-manage host`: a host that failed comes back, or never does."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from vmha.adapters.db import hosts
from vmha.adapters.db.connection import transaction
from vmha.api import naming
from vmha.cli.person import person, printable
from vmha.core.returning import ReturnRefused, Wish
from vmha.engine.looking import finish
from vmha.engine.retiring import retire
from vmha.errors import UnknownHost
from vmha.wiring import build_return, open_hands

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from sqlalchemy.engine import Engine

    from vmha.core.explain import Reason
    from vmha.core.returning import Returned
    from vmha.engine.retiring import Retired
    from vmha.settings import Settings

PROGRAM = "masakari-manage"
REASON = "a reason is required: say what was done to the host, with --reason"


def add_commands(categories: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `host return` and `host retire`."""
    actions = categories.add_parser("host", help="hosts that failed").add_subparsers(required=True, metavar="ACTION")
    back = actions.add_parser(
        "return",
        help="let a repaired host back, and its spare into the reserve; exit 1 with every reason against it. Safe to run again",
    )
    back.add_argument("host")
    back.add_argument("--reason", type=printable, default="", help="what was done to it; it is recorded with your name")
    back.add_argument("--dry-run", action="store_true", help="say what would be done, and change nothing")
    back.add_argument("--as-reserved", action="store_true", help="make it a reserved host, in the place of its spare")
    back.set_defaults(command=_return, needs_tables=True)
    gone = actions.add_parser("retire", help="list what is left of a host that never comes back")
    gone.add_argument("host")
    gone.add_argument("--clean", action="store_true", help="clear away what is safe to, or say every reason against it")
    gone.add_argument("--reason", type=printable, default="", help="why it is retired; it is recorded with your name")
    gone.set_defaults(command=_retire, needs_tables=True)
    for command, what in ((back, "no guest of before is left on it"), (gone, "the machine is gone, or off for good")):
        command.add_argument("--inspected", action="store_true", help=f"you have looked yourself: {what}")
        command.add_argument("--by", type=printable, help="whose word it is, where that is not the user of this system")
        command.add_argument("--json", action="store_true", help="print JSON")


def _return(options: argparse.Namespace, settings: Settings, database: Engine) -> int:
    if not options.dry_run and not options.reason.strip():
        return _misspelt(REASON)
    host, wish = _named(database, options.host), _wish(options)
    try:
        returned = build_return(settings, database, via=PROGRAM)(host, wish, is_dry=options.dry_run)
    except ReturnRefused as refused:
        return _refused(host, refused, options)
    if options.json:
        print(json.dumps(_plain(returned), indent=2))
        return 0
    for reason in returned.done:
        print(f"would be: {reason.sentence}" if returned.is_dry else reason.sentence)
    for reason in returned.notes:
        print(f"note: {reason.sentence}")
    return 0


def _retire(options: argparse.Namespace, settings: Settings, database: Engine) -> int:
    if options.clean and not options.reason.strip():
        return _misspelt(REASON)
    host, wish = _named(database, options.host), _wish(options)
    try:
        with open_hands(settings, database, via=PROGRAM) as hands:
            retired = finish(retire(host, wish, hands, cleans=options.clean), hands.clock)
    except ReturnRefused as refused:
        return _refused(host, refused, options)
    if options.json:
        print(json.dumps(_plain_retired(retired), indent=2))
        return 0
    for line in _lines(retired):
        print(line)
    return 0


def _misspelt(words: str) -> int:
    print(f"{PROGRAM}: {words}", file=sys.stderr)
    return 2


def _wish(options: argparse.Namespace) -> Wish:
    return Wish(
        by=person(options.by),
        why=options.reason.strip(),
        as_reserved=getattr(options, "as_reserved", False),
        inspected=options.inspected,
    )


def _named(database: Engine, name: str) -> str:
    """Return the name that the host is registered by. Raises `UnknownHost` where none is meant, or several are."""
    with transaction(database) as connection:
        known = hosts.names(connection)
    meant = naming.resolve(name, known)
    if meant is None:
        similar = naming.similar(name, known)
        raise UnknownHost(name, f".{similar}" if similar else "")
    return meant


def _refused(host: str, refused: ReturnRefused, options: argparse.Namespace) -> int:
    """Say every reason."""
    if options.json:
        print(json.dumps({"host": host, "is_done": False, "against": _sentences(refused.reasons)}, indent=2))
        return 1
    for sentence in _sentences(refused.reasons):
        print(f"{PROGRAM}: {sentence}", file=sys.stderr)
    return 1


def _plain(returned: Returned) -> dict[str, Any]:
    return {
        "host": returned.host,
        "is_done": not returned.is_dry,
        "done": _sentences(returned.done),
        "notes": _sentences(returned.notes),
        "against": [],
    }


def _plain_retired(retired: Retired) -> dict[str, Any]:
    found = retired.found
    return {
        "host": retired.host,
        "is_done": retired.done is not None,
        "done": [retired.done.sentence] if retired.done else [],
        "allocations": list(found.holders),
        "compute_service": found.has_service,
        "resource_provider": found.has_provider,
        "by_hand": _sentences(retired.by_hand),
        "against": _sentences(found.against),
    }


def _lines(retired: Retired) -> Iterable[str]:
    """Yield what was found or done, what only a human can do, and what is against the rest."""
    found = retired.found
    if retired.done is not None:
        yield retired.done.sentence
    else:
        service, provider = "yes" if found.has_service else "no", "yes" if found.has_provider else "no"
        yield f"compute service in Nova        {service}"
        yield f"resource provider in Placement {provider}"
        yield f"allocations held for nothing   {', '.join(found.holders) or 'none'}"
        yield "place in a segment             yes"
    yield from (f"by hand: {sentence}" for sentence in _sentences(retired.by_hand))
    yield from (f"against: {sentence}" for sentence in _sentences(found.against) if retired.done is None)


def _sentences(reasons: Iterable[Reason]) -> list[str]:
    return [reason.sentence for reason in reasons]
