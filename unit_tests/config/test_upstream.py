"""Every option of upstream's has a fate, what is honoured means the same, and upstream's rules of policy are ours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from vmha.api.policy import list_rules
from vmha.options import OPTIONS
from vmha.settings import load
from vmha.upstream import UPSTREAM, Fate, fate_of

FOLDER = Path(__file__).parent
LIBRARIES = {"keystonemiddleware", "oslo.db", "oslo.messaging", "oslo.middleware", "oslo.policy"}
OURS = {(option.group, option.name): option for option in OPTIONS}
# Defaults of ours that are not upstream's, with the reason.
OTHER_DEFAULTS = {
    (
        "DEFAULT",
        "masakari_api_workers",
    ): "0 says what None says upstream, and a machine of 128 cores needs no 128 workers",
    ("DEFAULT", "graceful_shutdown_timeout"): "a request takes no minute; the address is needed again",
    ("DEFAULT", "state_path"): "upstream's is the folder of its modules",
    ("DEFAULT", "host"): "without it the name of the machine, as upstream",
}
# What upstream takes without a bound and ours does not: no value beyond ours does anything sensible upstream.
BOUNDED_HERE = {
    "osapi_max_limit",
    "masakari_api_workers",
    "graceful_shutdown_timeout",
    "tcp_keepidle",
    "max_header_line",
    "verify_interval",
    "wait_period_after_power_off",
    "wait_period_after_power_on",
}


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of one of upstream's lists."""

    group: str
    name: str
    was: tuple[str, ...]
    low: float | None
    default: str | None


def listed(release: str) -> list[Listed]:
    """Read the list of a release."""
    found = []
    for line in (FOLDER / f"upstream-{release}.txt").read_text().splitlines():
        head, _, default = line.partition(" = ")
        group, name, *more = head.removesuffix(" =").split()
        was = tuple(word.removeprefix("was=") for word in more if word.startswith("was="))
        low = next((float(word.removeprefix("low=")) for word in more if word.startswith("low=")), None)
        found.append(Listed(group, name, was, low, default or None))
    return found


RELEASES = ("14.0.2", "19.0.0", "22.0.0")
LISTED = listed(RELEASES[-1])


def test_every_option_of_upstream_has_one_fate() -> None:
    """The table has each name that one of three releases knows, old ones too, once, and none that none of them knows."""
    lists = [listed(release) for release in RELEASES]
    upstream = {(option.group, name) for each in lists for option in each for name in (option.name, *option.was)}
    table = [(row.group, row.name) for row in UPSTREAM]
    assert min(map(len, lists)) > 100
    assert len(table) == len(set(table))
    assert set(table) == upstream


def test_every_fate_is_true() -> None:
    """What is honoured is an option of ours or of a named library, what is mapped names an option of ours, the rest has a reason."""
    for row in UPSTREAM:
        is_ours = (row.group, row.name) in OURS
        match row.fate:
            case Fate.HONOURED:
                assert is_ours is not (row.note in LIBRARIES), row
            case Fate.MAPPED:
                assert (row.group, row.note) in OURS, row
                assert not is_ours, row
            case Fate.IGNORED:
                assert len(row.note.split()) > 3, row
                assert not is_ours, row


@pytest.mark.parametrize(
    "option", [option for option in LISTED if (option.group, option.name) in OURS], ids=lambda option: option.name
)
def test_what_is_honoured_has_upstreams_default(option: Listed) -> None:
    """A default of upstream's is ours, unless a reason says why it is not."""
    ours = OURS[option.group, option.name]
    if (option.group, option.name) in OTHER_DEFAULTS:
        return
    theirs = {"None": None, "True": True, "False": False}.get(option.default or "", option.default)
    assert str(ours.default) == str(theirs) or float(str(ours.default)) == float(str(theirs))


def test_no_reason_outlives_its_difference() -> None:
    """Each default that differs does differ."""
    theirs = {(option.group, option.name): option.default for option in LISTED}
    for key in OTHER_DEFAULTS:
        assert str(OURS[key].default) != theirs[key], key


def test_what_upstream_takes_is_taken() -> None:
    """No bound of ours is tighter than upstream's, but for those that are named."""
    for option in LISTED:
        ours = OURS.get((option.group, option.name))
        if ours is None or ours.low is None or option.name in BOUNDED_HERE:
            continue
        assert option.low is not None, option
        assert ours.low <= option.low, option
        assert ours.high is not None
        assert ours.high >= 365 * 86400, option


def test_a_mapped_option_counts(tmp_path: Path) -> None:
    """Each old name sets the option that the table names, and the new name wins over it."""
    path = tmp_path / "masakari.conf"
    path.write_text("[DEFAULT]\nlogfile = old.log\nlogdir = /old\nlog_dir = /new\n")
    log = load(["--config-file", str(path)], "masakari-api").log
    assert (log.log_file, log.log_dir) == ("old.log", "/new")
    assert {row.name for row in UPSTREAM if row.fate is Fate.MAPPED} == {"logfile", "logdir"}


def test_groups_are_compared_as_oslo_config_does() -> None:
    """The case of a group's name does not count, that of an option's does."""
    assert fate_of("default", "notification_delay_max") is fate_of("DEFAULT", "notification_delay_max") is not None
    assert fate_of("DEFAULT", "Notification_Delay_Max") is None


def test_the_rules_of_upstream_are_ours() -> None:
    """Each rule of upstream's is here with upstream's default, and ours beside them are those of recoveries."""
    theirs = dict(re.findall(r"^(.+?): (.+)$", (FOLDER / "upstream-policy.txt").read_text(), flags=re.MULTILINE))
    ours = {rule.name: rule.check_str for rule in list_rules()}
    assert len(theirs) == 27
    assert {name: check for name, check in ours.items() if name in theirs} == theirs
    assert {name.split(":")[1] for name in ours if name not in theirs} == {"host-actions", "recoveries"}
