"""`masakari-manage fencing check`: does every BMC of the inventory answer? It reads power, and orders nothing."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vmha.adapters.clock import SystemClock
from vmha.adapters.db.connection import transaction
from vmha.adapters.db.fleet import segments_with_hosts
from vmha.adapters.fencing.inventory import load_inventory
from vmha.adapters.fencing.ipmi import IpmiPowerDevices
from vmha.errors import StoreUnavailable
from vmha.ports import Deadline, PowerError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping

    from sqlalchemy.engine import Engine

    from vmha.adapters.fencing.inventory import Inventory
    from vmha.ports import PowerDevices
    from vmha.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of asking the BMC of a host: its power, or what is wrong and what to do. `segment` is None for a host of none.

    `is_believed`: it has no BMC, and its segment has policy = detector.
    """

    host: str
    segment: str | None
    is_protected: bool
    is_believed: bool = False
    power: str | None = None
    address: str = ""
    trouble: str = ""


def add_commands(categories: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `fencing check`."""
    actions = categories.add_parser("fencing", help="the BMCs").add_subparsers(required=True, metavar="ACTION")
    check = actions.add_parser(
        "check", help="ask every BMC of the inventory for its power, and change nothing; exit 1 if one does not answer"
    )
    check.add_argument("host", nargs="*", help="ask only the BMCs of these hosts")
    check.add_argument("--json", action="store_true", help="print JSON")
    check.set_defaults(command=_check, needs_tables=False)


def _check(options: argparse.Namespace, settings: Settings, database: Engine) -> int:
    """Ask, print, and return the exit code."""
    segments, unread = _segments(database)
    inventory = load_inventory(settings.fencing.inventory)
    power = IpmiPowerDevices(inventory, calls=settings.fencing.power_calls)
    try:
        answers = [_believed(each, inventory) for each in _answers(settings, power, options.host, segments)]
    finally:
        power.close()
    failed = [answer for answer in answers if answer.power is None and (answer.is_protected or options.host)]
    if options.json:
        print(json.dumps({"hosts": [_plain(answer) for answer in answers], "segments_unread": unread}, indent=2))
    else:
        for line in _lines(answers, unread):
            print(line)
    return 1 if failed else 0


def ask(settings: Settings, power: PowerDevices, hosts: Iterable[str]) -> dict[str, tuple[str, str] | PowerError]:
    """Read the power of hosts side by side, each within its own deadline; return power and address, or what went wrong."""
    clock = SystemClock()

    def read(host: str) -> tuple[str, str] | PowerError:
        deadline = Deadline(at=clock.monotonic() + settings.fencing.power_call_seconds)
        try:
            state, address = power.read(host, deadline=deadline)
        except PowerError as error:
            return error
        return state.value, address

    wanted = list(dict.fromkeys(hosts))
    with ThreadPoolExecutor(settings.fencing.power_calls) as pool:
        return dict(zip(wanted, pool.map(read, wanted), strict=True))


def _segments(database: Engine) -> tuple[Mapping[str, str], str | None]:
    """Return the segment of each host; a database that is away hinders nobody from looking at BMCs, and is named."""
    try:
        with transaction(database) as connection:
            groups = segments_with_hosts(connection)
    except StoreUnavailable as error:
        return {}, str(error).partition("\n")[0]
    return {member.name: group.name for group in groups for member in group.members}, None


def _answers(
    settings: Settings, power: IpmiPowerDevices, named: list[str], segments: Mapping[str, str]
) -> list[Answer]:
    hosts = sorted(set(named) or {*power.hosts, *segments})
    read = ask(settings, power, hosts)
    return [_answer(host, read[host], segments.get(host), is_protected=power.protects(host)) for host in hosts]


def _answer(host: str, read: tuple[str, str] | PowerError, segment: str | None, *, is_protected: bool) -> Answer:
    if isinstance(read, PowerError):
        return Answer(host=host, segment=segment, is_protected=is_protected, address=read.address, trouble=read.detail)
    power, address = read
    return Answer(host=host, segment=segment, is_protected=is_protected, power=power, address=address)


def _believed(answer: Answer, inventory: Inventory) -> Answer:
    """Say of a host without a BMC that its monitor is believed, where its segment has that policy."""
    if answer.is_protected or answer.segment not in inventory.detector_segments:
        return answer
    return replace(answer, is_believed=True, trouble=f"{answer.trouble}; until then {BELIEVED}")


BELIEVED = "it is taken for off on its monitor's word, without a proof (policy = detector)"


def _plain(answer: Answer) -> dict[str, object]:
    return {
        "host": answer.host,
        "segment": answer.segment,
        "state": _state(answer).lower().replace(" ", "-"),
        "power": answer.power,
        "address": answer.address or None,
        "trouble": answer.trouble or None,
    }


def _state(answer: Answer) -> str:
    if not answer.is_protected:
        return "NO PROOF" if answer.is_believed else "UNPROTECTED"
    return "NOT OK" if answer.power is None else "OK"


def _lines(answers: list[Answer], unread: str | None) -> Iterable[str]:
    """Yield a line for each host, and a sum."""
    for answer in answers:
        says = answer.trouble or f"{answer.address} reads {str(answer.power).upper()}"
        where = "" if answer.segment or unread else " (in no segment)"
        yield f"{_state(answer):<12} {answer.host:<20} {says}{where}"
    asked = [answer for answer in answers if answer.is_protected]
    answered = sum(answer.power is not None for answer in asked)
    bare = sum(not answer.is_protected and not answer.is_believed for answer in answers)
    believed = sum(answer.is_believed for answer in answers)
    yield f"{answered} of {len(asked)} BMCs answer" + "".join(
        f", {number} host{'' if number == 1 else 's'} {what}"
        for number, what in ((bare, "unprotected"), (believed, "believed without a proof"))
        if number
    )
    if unread:
        yield f"the segments could not be read, so hosts without a BMC are not named: {unread}"
