"""masakari-status: whether this cloud can be taken over from upstream, or upgraded. Its form and exit codes are oslo.upgradecheck's.

It changes nothing and may be run at any time, best before the swap and again after `masakari-manage db sync`.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from vmha.threads import choose_threads

choose_threads()

from oslo_policy import policy as oslo_policy  # noqa: E402 - oslo comes after the choice of threads

from vmha.adapters import upstream_engine  # noqa: E402
from vmha.adapters.db import migrate  # noqa: E402
from vmha.adapters.db.connection import transaction  # noqa: E402
from vmha.adapters.db.fleet import segments_with_hosts  # noqa: E402
from vmha.adapters.db.leftovers import unfinished  # noqa: E402
from vmha.adapters.fencing.inventory import load_inventory  # noqa: E402
from vmha.adapters.recovery_file import load_workflows  # noqa: E402
from vmha.api.policy import Policy, list_rules  # noqa: E402
from vmha.cli.serving import SYNC, settings_or_exit  # noqa: E402
from vmha.errors import ConfigurationError, StoreUnavailable  # noqa: E402
from vmha.wiring import build_database, open_task_flows  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmha.settings import Settings

PROGRAM = "masakari-status"
UPSTREAM = "masakari"
WIDTH = 60


class Code(IntEnum):
    """What a check came to, worst last; the worst of all is the exit code."""

    SUCCESS = 0
    WARNING = 1
    FAILURE = 2


@dataclass(frozen=True, slots=True)
class Result:
    """One check's result with what to do about it."""

    code: Code
    details: str | None = None


def main() -> int:
    """Run the checks: exit 0 where all is well, 1 where something should be looked at, 2 where something must be done first."""
    options = _parser().parse_args()
    arguments = [part for path in options.config_file or () for part in ("--config-file", path)]
    arguments += [part for path in options.config_dir or () for part in ("--config-dir", path)]
    settings = settings_or_exit(PROGRAM, arguments, on_terminal=True)
    results = [(name, check(settings)) for name, check in CHECKS]
    if options.json:
        checks = [{"check": name, "result": result.code, "details": result.details} for name, result in results]
        print(json.dumps({"name": TITLE, "checks": checks}))
    else:
        print(_table(results))
    return max(result.code for _, result in results)


TITLE = "Upgrade Check Results"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__)
    parser.add_argument("--config-file", action="append", help="read this file (default /etc/masakari/masakari.conf)")
    parser.add_argument("--config-dir", action="append", help="read the *.conf files of this folder too")
    actions = parser.add_subparsers(required=True, metavar="CATEGORY").add_parser("upgrade", help="before an upgrade")
    check = actions.add_subparsers(required=True, metavar="ACTION").add_parser("check", help="run the checks")
    check.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _check_database(settings: Settings) -> Result:
    """Look where the tables stand, upstream's and ours."""
    try:
        database = build_database(settings)
        found, theirs = migrate.standing(database), migrate.upstream_version(database)
    except (ConfigurationError, StoreUnavailable) as error:
        return Result(Code.FAILURE, _words(error))
    if not found.is_behind:
        return Result(Code.SUCCESS, f"Our tables stand at step {found.at}, upstream's at revision {theirs}.")
    return Result(
        Code.FAILURE,
        f"Our tables stand at step {found.at}, this version needs {found.needed}; upstream's stand at revision {theirs}. "
        f"Back the database up and run: {SYNC}",
    )


def _check_policy(settings: Settings) -> Result:
    """Read the policy as the API would."""
    enforcer = oslo_policy.Enforcer(settings.config)
    path = Path(str(settings.config.oslo_policy.policy_file))
    if path.suffix == ".json":
        return Result(
            Code.FAILURE,
            f"[oslo_policy] policy_file is {path.name}: JSON policies are no longer read. Convert it with oslopolicy-convert-json-to-yaml "
            "and name the YAML file.",
        )
    try:
        Policy(settings.config)
    except ConfigurationError as error:
        return Result(Code.FAILURE, _words(error))
    enforcer.register_defaults(list_rules())
    enforcer.load_rules()
    if not enforcer.check_rules():  # the API would start, and refuse whoever needs that rule
        return Result(
            Code.FAILURE, "A rule of the policy file refers to one that is not there, or to itself. Correct the file."
        )
    unreadable = sorted(name for name, rule in enforcer.file_rules.items() if _is_unreadable(rule))
    if unreadable:
        return Result(
            Code.FAILURE,
            f"The policy file has rules that cannot be read, and so refuse everybody: {', '.join(unreadable)}. Correct the file.",
        )
    if _is_named_in_vain(settings, path):
        return Result(Code.WARNING, f"[oslo_policy] policy_file is {path}, which is not there: the default rules hold.")
    unknown = sorted(set(enforcer.file_rules) - {rule.name for rule in list_rules()})
    if unknown:
        return Result(
            Code.WARNING,
            f"The policy file has rules that nothing asks for, unless others refer to them: {', '.join(unknown)}.",
        )
    return Result(Code.SUCCESS)


def _words(error: Exception) -> str:
    """Say what went wrong without the statement that SQLAlchemy adds below; every fault of a file."""
    if isinstance(error, ConfigurationError):
        return " ".join(line.strip() for line in str(error).splitlines())
    return str(error).partition("\n")[0]


def _is_named_in_vain(settings: Settings, path: Path) -> bool:
    """Tell whether an operator named a policy file that is not there: then the defaults hold, and nobody says so."""
    location = settings.config.get_location("policy_file", "oslo_policy")
    is_named = location is not None and location.location.is_user_controlled
    return is_named and settings.config.find_file(str(path)) is None


def _is_unreadable(rule: oslo_policy.RuleDefault) -> bool:
    """Tell whether oslo.policy made "nobody" of a rule that does not say so."""
    return str(rule.check) == "!" and str(rule.check_str).strip() != "!"


def _check_upstream_engine(settings: Settings) -> Result:
    """Ask whether an engine of upstream's still listens."""
    if settings.transport_url is None:
        return Result(Code.SUCCESS, "No broker is configured, so no engine of upstream's can be on it.")
    try:
        lives = upstream_engine.answers(settings.config)
    except ConfigurationError as error:
        return Result(Code.FAILURE, _words(error))
    except upstream_engine.BrokerSilent as error:
        return Result(
            Code.WARNING,
            f"Cannot tell whether an engine of upstream's runs: the broker did not take the question ({error}).",
        )
    if lives:
        return Result(
            Code.FAILURE,
            "An engine of upstream's answers on the broker: it would evacuate what ours evacuates, without a fence. "
            "Stop masakari-engine of upstream on every machine.",
        )
    return Result(Code.SUCCESS)


def _check_distribution(_settings: Settings) -> Result:
    """Look for upstream's package beside ours."""
    try:
        found = version(UPSTREAM)
    except PackageNotFoundError:
        return Result(Code.SUCCESS)
    return Result(
        Code.FAILURE,
        f"Upstream's masakari {found} is installed in the same environment ({sys.prefix}): programs and modules of the same names "
        "overwrite each other. Install this service into an environment of its own.",
    )


def _check_fence_methods(settings: Settings) -> Result:
    """Name the hosts that cannot be fenced."""
    try:
        inventory = load_inventory(settings.fencing.inventory)
        with transaction(build_database(settings)) as connection:
            groups = segments_with_hosts(connection)
    except (ConfigurationError, StoreUnavailable) as error:
        return Result(Code.FAILURE, _words(error))
    bare = [
        (group.name, f"{member.name} ({group.name})")
        for group in groups
        for member in group.members
        if member.name not in inventory.devices
    ]
    waits = [host for segment, host in bare if segment not in inventory.detector_segments]
    believed = [host for segment, host in bare if segment in inventory.detector_segments]
    unknown = sorted(inventory.detector_segments - {group.name for group in groups})
    said = []
    if waits:
        said.append(
            f"Hosts without a fence method: {', '.join(waits)}. When one of them fails, its recovery waits for a human; add their BMCs to "
            f"{settings.fencing.inventory}."
        )
    if believed:
        said.append(
            f"Hosts without a fence method that are taken for off on their monitor's word, without a proof (policy = detector): "
            f"{', '.join(believed)}."
        )
    if unknown:
        said.append(f"{settings.fencing.inventory} has a policy for segments that are not there: {', '.join(unknown)}.")
    return Result(Code.WARNING, " ".join(said)) if said else Result(Code.SUCCESS)


def _check_workflows(settings: Settings) -> Result:
    """Name segments that the recovery policy is written for and that are not there."""
    try:
        workflows = load_workflows(settings.policy_file)
        with transaction(build_database(settings)) as connection:
            unknown = workflows.strangers(group.name for group in segments_with_hosts(connection))
    except (ConfigurationError, StoreUnavailable) as error:
        return Result(Code.FAILURE, _words(error))
    if not unknown:
        return Result(Code.SUCCESS)
    return Result(
        Code.WARNING,
        f"{settings.policy_file} has workflows for segments that are not there: {', '.join(unknown)}. What fails in a segment that was "
        "meant is recovered by the default: call it by its name in openstack segment list.",
    )


def _check_leftovers(settings: Settings) -> Result:
    """Name what upstream's engine left unfinished, with what an engine of ours will do about it when it starts."""
    try:
        with transaction(build_database(settings)) as connection:
            left = unfinished(connection, limit=MOST_LEFTOVERS)
    except (ConfigurationError, StoreUnavailable) as error:
        return Result(Code.FAILURE, _words(error))
    if not left:
        return Result(Code.SUCCESS)
    recovered = sorted({leftover.host for leftover in left if leftover.verdict.opens == "host"})
    instances = sum(leftover.verdict.opens == "instance" for leftover in left)
    ended = Counter(leftover.verdict.status for leftover in left if leftover.verdict.opens is None)
    hosts = f" Recovered, if a second witness agrees: {', '.join(recovered)}." if recovered else ""
    guests = f" Failed instances, started if they are still stopped: {instances}." if instances else ""
    others = f" Ended: {', '.join(f'{count} as {status}' for status, count in sorted(ended.items()))}." if ended else ""
    more = f"{len(left)} or more" if len(left) == MOST_LEFTOVERS else len(left)
    return Result(
        Code.WARNING,
        f"{more} notifications of upstream's are unfinished; an engine of this service settles what is left of them when it starts."
        f"{hosts}{guests}{others} Look at each: openstack notification list.",
    )


MOST_LEFTOVERS = 1000


def _check_task_flows(settings: Settings) -> Result:
    """Look whether the progress of upstream's old recoveries can be shown, where it is in a database of its own."""
    try:
        database = build_database(settings)
        flows = open_task_flows(settings, database)
        if settings.taskflow.connection is None or flows.is_of(database) or flows.are_there():
            return Result(Code.SUCCESS)
    except (ConfigurationError, StoreUnavailable) as error:
        return Result(Code.WARNING, f"The progress of upstream's old recoveries will not be shown: {error}")
    return Result(
        Code.WARNING,
        "The progress of upstream's old recoveries will not be shown: the database that [taskflow] connection names has no "
        "task flows.",
    )


CHECKS: tuple[tuple[str, Callable[[Settings], Result]], ...] = (
    ("Database Revision", _check_database),
    ("Policy File JSON to YAML Migration", _check_policy),
    ("Upstream Engine Stopped", _check_upstream_engine),
    ("Upstream Distribution Absent", _check_distribution),
    ("Hosts Have a Fence Method", _check_fence_methods),
    ("Recovery Policy Names Segments That Exist", _check_workflows),
    ("No Notification Left Unfinished", _check_leftovers),
    ("Progress of Old Recoveries Readable", _check_task_flows),
)
"""The second is upstream's own, by its name."""


def _table(results: list[tuple[str, Result]]) -> str:
    """Draw the table that oslo.upgradecheck draws."""
    cells = [[TITLE]]
    for name, result in results:
        details = textwrap.wrap(result.details, WIDTH, subsequent_indent="  ") if result.details else ["None"]
        cells.append([f"Check: {name}", f"Result: {result.code.name.title()}", f"Details: {details[0]}", *details[1:]])
    width = max(len(line) for cell in cells for line in cell)
    rule = f"+{'-' * (width + 2)}+"
    rows = ["\n".join(f"| {line:<{width}} |" for line in cell) for cell in cells]
    return "\n".join([rule, *(part for row in rows for part in (row, rule))])


if __name__ == "__main__":
    sys.exit(main())
