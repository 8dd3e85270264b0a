"""Makes the plan of a machine from the state of its unit. Pure: the same state gives the same plan, byte for byte.

As long as something is missing or wrong the plan holds no file: what runs goes on with what it was last given. Packages and the release
are brought all the same, so that nothing is left to wait for when the last relation answers.
"""

from __future__ import annotations

from masakari_charm import haproxy
from masakari_charm.masakari_conf import (
    BROKER_CA,
    DATABASE_CA,
    DATABASE_CERTIFICATE,
    DATABASE_KEY,
    masakari_conf,
)
from masakari_charm.plan import CONFIG_FILE, FENCING_FILE, SYSTEM_USER, File, Plan, Service
from masakari_charm.relations.amqp import Amqp
from masakari_charm.relations.identity_service import Identity
from masakari_charm.relations.shared_db import SharedDb
from masakari_charm.render import render
from masakari_charm.state import State

PROGRAMS = ("masakari-api", "masakari-engine")
PACKAGES = ("ca-certificates", "python3-venv")
"""What the release is made with, and what its connections trust."""

HAPROXY = "haproxy"
LOGROTATE = "/etc/logrotate.d/masakari"
_CONNECTION_FILES = (DATABASE_CA, DATABASE_CERTIFICATE, DATABASE_KEY, BROKER_CA)


def plan(state: State) -> Plan:
    """Return the machine as it should be."""
    files = _files(state)
    written = {file.path for file in files}
    may_vanish = (FENCING_FILE, *_CONNECTION_FILES, *haproxy.EVERY_FILE[1:])
    return Plan(
        wheels=state.wheels,
        may_switch=not state.config.is_action_managed,
        archive=state.config.archive,
        packages=(*PACKAGES, HAPROXY) if state.needs_haproxy else PACKAGES,
        files=files,
        removed=tuple(path for path in may_vanish if path not in written) if files else (),
        services=_services(state),
        is_complete=bool(files),
        is_paused=state.is_paused,
        may_migrate=state.is_leader,
        trusted=_trusted(state),
    )


def _files(state: State) -> tuple[File, ...]:
    """Return every file, or none as long as one of them could not be written."""
    database, identity = state.shared_db, state.identity
    if state.problems or state.config.unset or state.missing or state.networks.unknown:
        return ()
    if not isinstance(database, SharedDb) or not isinstance(identity, Identity):
        return ()
    main = File(
        path=CONFIG_FILE,
        content=masakari_conf(state, database=database, identity=identity),
        mode=0o640,
        group=SYSTEM_USER,
        is_secret=True,
    )
    return (
        main,
        *_connection_files(state, database),
        *_inventory(state),
        *(_unit_file(program) for program in PROGRAMS),
        File(path=LOGROTATE, content=render("logrotate.j2", user=SYSTEM_USER)),
        *haproxy.files(state),
    )


def _connection_files(state: State, database: SharedDb) -> tuple[File, ...]:
    found = []
    if database.ca is not None:
        found.append(File(path=DATABASE_CA, content=database.ca))
        if database.certificate is not None and database.key is not None:
            found.append(File(path=DATABASE_CERTIFICATE, content=database.certificate))
            key = File(path=DATABASE_KEY, content=database.key, mode=0o640, group=SYSTEM_USER, is_secret=True)
            found.append(key)
    if isinstance(state.amqp, Amqp) and state.amqp.is_tls and state.amqp.ca:
        found.append(File(path=BROKER_CA, content=state.amqp.ca))
    return tuple(found)


def _inventory(state: State) -> tuple[File, ...]:
    """Return the BMCs; the engine refuses a file that others can read."""
    if state.inventory is None:
        return ()
    owner = {"owner": SYSTEM_USER, "group": SYSTEM_USER}
    return (File(path=FENCING_FILE, content=state.inventory, mode=0o600, is_secret=True, **owner),)


def unit_path(program: str) -> str:
    """Return where systemd finds a program's unit: a folder that goes before the distribution's, and where it can be masked."""
    return f"/usr/local/lib/systemd/system/{program}.service"


def _unit_file(program: str) -> File:
    content = render(f"{program}.service.j2", user=SYSTEM_USER, config_file=CONFIG_FILE)
    return File(path=unit_path(program), content=content)


def _services(state: State) -> tuple[Service, ...]:
    """Return what runs here, what stands before the others first. Under hacluster it is Pacemaker that starts and stops haproxy."""
    api, engine = PROGRAMS
    shared = (CONFIG_FILE, *_CONNECTION_FILES)
    services = (
        Service(name=api, reads=shared, runs_release=True),
        Service(name=engine, reads=(*shared, FENCING_FILE), runs_release=True),
    )
    if not state.needs_haproxy:
        return services
    front = Service(
        name=HAPROXY,
        reads=haproxy.EVERY_FILE,
        is_ours=not state.ha.is_related,
        can_reload=True,
        stands_before=api,
    )
    return (front, *services)


def _trusted(state: State) -> tuple[tuple[str, str], ...]:
    """Return the CAs that the unit shall trust, under the names that today's charm gave them."""
    found = []
    if state.tls is not None and state.tls.ca is not None:
        found.append((f"{state.app}.crt", state.tls.ca))
        if state.tls.chain is not None:
            found.append((f"{state.app}-chain.crt", state.tls.chain))
    elif state.config.ca is not None:
        found.append((f"{state.app}.crt", state.config.ca))
    if isinstance(state.identity, Identity) and state.identity.ca is not None:
        found.append((f"{state.app}-keystone.crt", state.identity.ca))
    return tuple(found)
