"""masakari-manage: the schema, and recoveries as an operator reads and answers them on a terminal."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vmha.threads import choose_threads

choose_threads()

from vmha.adapters.db import incidents, listing, migrate, recovery_views, schema  # noqa: E402 - oslo comes after the choice of threads
from vmha.adapters.db.connection import transaction  # noqa: E402
from vmha.cli import alerts, disarming, fencing, hosts, plan, purging, readiness  # noqa: E402
from vmha.cli.checking import check_configuration, print_sample  # noqa: E402
from vmha.cli.person import person, printable  # noqa: E402
from vmha.cli.serving import SYNC, require_tables, settings_or_exit  # noqa: E402
from vmha.core.model import Rung  # noqa: E402
from vmha.core.words import PAST, not_taken, word  # noqa: E402
from vmha.errors import ConfigurationError, StoreUnavailable, UnknownHost  # noqa: E402
from vmha.wiring import build_database, build_doorbell  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection, Engine

    from vmha.settings import Settings

PROGRAM = "masakari-manage"


class Refused(Exception):
    """The command cannot be done; the text says why and what to do."""

    exit_code = 1


class Behind(Refused):
    """The schema is older than this version needs. A code of its own, so that others than the one who syncs can wait for it."""

    exit_code = 3


def main() -> int:
    """Run one command.

    Exit 1 where it is refused, 2 where it is misspelt or the configuration has to be corrected, 3 where `db check` finds the
    schema behind.
    """
    options = _parser().parse_args()
    arguments = [part for path in options.config_file or () for part in ("--config-file", path)]
    arguments += [part for path in options.config_dir or () for part in ("--config-dir", path)]
    if options.prints_sample:
        return print_sample()
    if options.checks_configuration:
        return check_configuration(PROGRAM, arguments)
    settings = settings_or_exit(PROGRAM, arguments, on_terminal=True)
    command: Callable[[argparse.Namespace, Settings, Engine], int | None] = options.command
    try:
        database = build_database(settings)
        if options.needs_tables:
            require_tables(database)
        return command(options, settings, database) or 0
    except Refused as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return error.exit_code
    except (StoreUnavailable, UnknownHost, purging.Unpurgeable, disarming.Unknown) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 1
    except ConfigurationError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__)
    parser.set_defaults(checks_configuration=False, prints_sample=False)
    _config_options(parser, default=None)
    categories = parser.add_subparsers(required=True, metavar="CATEGORY")
    database = categories.add_parser("db", help="the schema").add_subparsers(required=True, metavar="ACTION")
    sync = database.add_parser(
        "sync", help="create or upgrade the tables; safe to run again, and on several machines at once"
    )
    sync.add_argument("revision", nargs="?", help="accepted for upstream's sake; only the newest is known")
    sync.set_defaults(command=_sync, needs_tables=False)
    version = database.add_parser("version", help="print upstream's revision of its tables")
    version.set_defaults(command=_version, needs_tables=False)
    check = database.add_parser(
        "check",
        help="compare the schema with what this version needs: exit 0 if it is there, 3 if db sync must run first",
    )
    check.set_defaults(command=_check, needs_tables=False)
    purging.add_command(database)
    configuration = categories.add_parser("config", help="the configuration").add_subparsers(
        required=True, metavar="ACTION"
    )
    checked = configuration.add_parser(
        "check", help="read configuration and fencing inventory as API and engine would; exit 2 with what is wrong"
    )
    # They stand here too, since here they are what the command is about.
    _config_options(checked, default=argparse.SUPPRESS)
    checked.set_defaults(checks_configuration=True)
    sample = configuration.add_parser(
        "sample", help="print a masakari.conf with every option, its help and its default"
    )
    sample.set_defaults(prints_sample=True)
    recovery = categories.add_parser("recovery", help="recoveries of failed hosts, instances and processes")
    _recovery_commands(recovery.add_subparsers(required=True, metavar="ACTION"))
    alerts.add_commands(categories)
    hosts.add_commands(categories)
    fencing.add_commands(categories)
    readiness.add_commands(categories)
    plan.add_commands(categories)
    disarming.add_commands(categories)
    return parser


def _config_options(parser: argparse.ArgumentParser, *, default: object) -> None:
    parser.add_argument(
        "--config-file", action="append", default=default, help="read this file (default /etc/masakari/masakari.conf)"
    )
    parser.add_argument(
        "--config-dir", action="append", default=default, help="read the *.conf files of this folder too"
    )


def _recovery_commands(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    listed = actions.add_parser("list", help="the recoveries, youngest first")
    listed.add_argument("--all", action="store_true", help="those that have ended too")
    listed.add_argument("--json", action="store_true", help="print JSON")
    listed.set_defaults(command=_list, needs_tables=True)
    show = actions.add_parser(
        "show", help="one recovery: where it stands, its instances, its proofs, what happened and why"
    )
    show.add_argument("uuid")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(command=_show, needs_tables=True)
    for name, words in _WORDS.items():
        action = actions.add_parser(name, help=words)
        action.add_argument("uuid", nargs="+")
        action.add_argument("--reason", type=printable, required=True, help="why; it is recorded with your name")
        action.add_argument("--by", type=printable, help="whose word it is, where that is not the user of this system")
        if name == "confirm":
            action.add_argument("--host-is-off", action="store_true", help=_HOST_IS_OFF)
        action.set_defaults(command=_answer, verb=name, needs_tables=True)


_HOST_IS_OFF = (
    "you made sure that the host is off; needed where it was asked for something else before, such as to power it off"
)

_WORDS = {
    "confirm": "say yes to what the recovery asks",
    "reject": "say no: nothing more is done, and the recovery ends now",
    "pause": "order nothing more until somebody resumes; what Nova works on is followed",
    "resume": "let a paused recovery go on",
    "cancel": "order nothing more at all; the recovery ends when what Nova works on has ended",
}


def _sync(_options: argparse.Namespace, _settings: Settings, database: Engine) -> None:
    migrate.sync(database)


def _version(_options: argparse.Namespace, _settings: Settings, database: Engine) -> None:
    print(migrate.upstream_version(database))


def _check(_options: argparse.Namespace, _settings: Settings, database: Engine) -> None:
    """Say where the schema stands; what a newer version added is no hindrance."""
    found = migrate.standing(database)
    if found.is_behind:
        where = "has no tables of this service" if found.at is None else f"stands at step {found.at}"
        raise Behind(f"the database {where} and this version needs step {found.needed}; run: {SYNC}")
    more = "; a newer version added to it, which this one does not mind" if found.is_newer else ""
    print(f"the database stands at step {found.at}, this version needs {found.needed}{more}")


def _list(options: argparse.Namespace, _settings: Settings, database: Engine) -> None:
    conditions = [] if options.all else [schema.recoveries.c.ended_at.is_(None)]
    with transaction(database) as connection:
        rows = recovery_views.listed(connection, conditions, YOUNGEST_FIRST)
    if options.json:
        print(json.dumps([_plain(row) for row in rows], indent=2))
        return
    for row in rows:
        print(f"{row.uuid}  {row.host_name:<20} {_standing(row):<16} {_time(row.opened_at)}  {row.message}")
    if not rows:
        print("no recovery is open" if not options.all else "there has been no recovery")


YOUNGEST_FIRST = listing.Page(limit=1000, marker=None, order=(listing.Order("id", descending=True),))
"""Most rows that one list prints: as many as the API's own limit."""


def _show(options: argparse.Namespace, _settings: Settings, database: Engine) -> None:
    with transaction(database) as connection:
        row = _existing(connection, options.uuid)
        moves = recovery_views.moves_of(connection, row.uuid)
        proofs = recovery_views.proofs_of(connection, row.uuid)
        lines = recovery_views.timeline_of(connection, row.uuid)
    if options.json:
        timeline = [{"at": _time(line.at), "code": line.code, "says": line.sentence} for line in lines]
        instances = [
            {
                "instance": m.instance,
                "name": m.name,
                "status": m.status.value,
                "destination": m.destination,
                "diagnosis": m.diagnosis.plain if m.diagnosis else None,
            }
            for m in moves
        ]
        shown = [{"rung": p.rung, "read_at": _time(p.read_at), "revoked_because": p.revoked_because} for p in proofs]
        print(json.dumps(_plain(row) | {"instances": instances, "proofs": shown, "timeline": timeline}, indent=2))
        return
    print(f"recovery {row.uuid} of {row.of}: {_standing(row)}\n{row.message}\n")
    for move in moves:
        why = f"  {move.reason.sentence}" if move.reason and move.status.value != "moved" else ""
        print(f"  {move.name:<24} {move.status.value:<10} {move.destination or '-':<20}{why}")
        if move.diagnosis is not None:
            print("\n".join(f"      {words}" for words in move.diagnosis.lines))
    for proof in proofs:
        ending = f"revoked: {proof.revoked_because}" if proof.revoked_at else f"read last {_time(proof.read_at)}"
        print(f"\n  {_ground(proof)}, established {_time(proof.established_at)}, {ending}")
    print()
    for line in lines:
        print(f"  {line.at - row.opened_at:8.1f} s  {line.sentence}")


def _ground(proof: recovery_views.ProofView) -> str:
    """Say what a proof stands on; a monitor's word that stood in its place is called no proof."""
    if proof.rung == Rung.DETECTOR.value:
        return "no proof: the monitor's word was taken (policy = detector)"
    return f"proof by {proof.rung}"


def _answer(options: argparse.Namespace, settings: Settings, database: Engine) -> None:
    """Record the word of the system's user; the engine weighs it, and says so in the timeline."""
    if not options.reason.strip():
        raise Refused("a reason is required: say what you saw, with --reason")
    is_off = options.verb == "confirm" and options.host_is_off
    event = word(options.verb, by=person(options.by), why=options.reason.strip(), is_off=is_off)
    with transaction(database) as connection:
        for uuid in options.uuid:
            row = _existing(connection, uuid)
            if row.has_ended:
                raise Refused(f"recovery {uuid} of {row.of} has ended: {_standing(row)}; nothing was recorded")
            why = not_taken(options.verb, row.phase)
            if why is not None:
                raise Refused(
                    f"recovery {uuid} of {row.of} cannot be {PAST[options.verb]}: {why}; nothing was recorded"
                )
            if not incidents.say(connection, row.uuid, event):
                raise Refused(f"recovery {uuid} of {row.of} has ended meanwhile; nothing was recorded")
    build_doorbell(settings).ring()
    for uuid in options.uuid:
        print(
            f"{options.verb} recorded for {uuid}; its engine weighs it, and says so in: {PROGRAM} recovery show {uuid}"
        )


def _existing(connection: Connection, uuid: str) -> recovery_views.RecoveryView:
    row = recovery_views.find(connection, uuid)
    if row is None:
        raise Refused(f"there is no recovery {uuid}; see: {PROGRAM} recovery list --all")
    return row


def _standing(row: recovery_views.RecoveryView) -> str:
    return row.outcome.value if row.has_ended and row.outcome else row.phase.value


def _plain(row: recovery_views.RecoveryView) -> dict[str, object]:
    return {
        "uuid": row.uuid,
        "kind": row.kind,
        "subject": row.subject,
        "host": row.host_name,
        "phase": row.phase.value,
        "outcome": row.outcome.value if row.outcome else None,
        "waits_for_human": row.phase.is_wait,
        "message": row.message,
        "opened_at": _time(row.opened_at),
        "ended_at": _time(row.ended_at) if row.ended_at else None,
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


if __name__ == "__main__":
    sys.exit(main())
