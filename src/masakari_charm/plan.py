"""What a unit's machine should look like: plain data, between what Juju says and what is done to the machine.

`build.py` makes a plan from what was read of Juju, without touching anything. `workload/` makes the machine match it, and knows nothing
of Juju. Both sides are tested against this module alone.
"""

from __future__ import annotations

from dataclasses import dataclass

SYSTEM_USER = "masakari"

RELEASES = "/opt/masakari/releases"
"""One virtual environment per release; `/opt/masakari/current` points to the one that runs, `previous` to the one before."""

CONFIG_FILE = "/etc/masakari/masakari.conf"
FENCING_FILE = "/etc/masakari/fencing.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that the charm writes as a whole. `is_secret` keeps its content out of logs and messages."""

    path: str
    content: str
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    is_secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A systemd unit and the files that it reads at its start: it is restarted when one of them, or its release, has changed.

    `is_ours` is False where Pacemaker starts and stops it: then it is disabled in systemd, never started or stopped, only reloaded.
    `can_reload` says that a reload is enough. `stands_before` names the service that clients reach through this one, and that holds
    this one's port itself where it stands alone.
    """

    name: str
    reads: tuple[str, ...]
    runs_release: bool = False
    is_ours: bool = True
    can_reload: bool = False
    stands_before: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A machine as it should be.

    `wheels` is the folder or tar file with the release, None where Juju could not say which: then the one that runs goes on. `may_switch`
    is False where another release than the one that runs waits for the operator's action. `archive` is `openstack-origin`. `removed` are
    paths that must not exist. `is_complete` is False while a relation that the configuration needs is missing: nothing is started then,
    what runs goes on with its old configuration.
    `may_migrate` is True on the leader: it brings the database to the release's schema, others wait for it.
    `trusted` are PEM certificates that the system should trust, by file name.
    """

    wheels: str | None
    may_switch: bool = True
    archive: str = "distro"
    packages: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    removed: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()
    is_complete: bool = False
    is_paused: bool = False
    may_migrate: bool = False
    trusted: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that keeps the machine from matching its plan; `fix` says what to do. Both are shown in Juju's status."""

    what: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of making the machine match: no problem, one to be mended, or the schema that the leader has not brought up yet.

    `release` is the one that runs, `waiting_release` another one that waits for the action; `stopped` are services that should run,
    `running` services of a paused unit that should not. `schema` is the release whose schema the database has, None as long as nobody
    could look.
    """

    problems: tuple[Problem, ...] = ()
    release: str | None = None
    waiting_release: str | None = None
    waits_for_schema: bool = False
    stopped: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    schema: str | None = None
