"""Placement, Glance and Nova: their configuration, their schemas and their processes; Keystone has a file of its own."""

import re
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.cloud.rig import environments, keystone, layout, process, schemas
from tests.cloud.rig.machine import Machine
from tests.cloud.rig.process import Daemon
from tests.cloud.rig.settings import ADDRESS, Settings
from tests.cloud.rig.waiting import tcp_port_answers, until

# As many as cores of the smallest machine that runs this cloud; nova.conf says the same.
NOVA_WORKERS = 2
FAKE_COMPUTE = Path(__file__).parent / "fake_compute.py"


def configure(settings: Settings) -> None:
    """Write every configuration file of the control plane."""
    keystone.configure(settings)
    _render(settings, "placement/placement.conf", "placement.conf", user="placement")
    paste = environments.folder("glance") / "env/etc/glance/glance-api-paste.ini"
    _render(settings, "glance/glance-api.conf", "glance-api.conf", user="glance", glance_paste=paste)
    nova: dict[str, object] = {"session": layout.session(settings, "nova"), "workers": NOVA_WORKERS}
    databases = layout.fill(settings, "nova-databases.conf")
    _render(settings, "nova/nova.conf", "nova.conf", user="nova", databases=databases, **nova)
    # A compute host never knows the way to the databases.
    _render(settings, "nova/compute.conf", "nova.conf", user="nova", databases="", **nova)
    paste = environments.folder("nova") / "env/etc/nova/api-paste.ini"
    layout.write(layout.config_file(settings, "nova/api-paste.ini"), paste.read_text())
    layout.write(settings.data / "openrc", layout.fill(settings, "openrc"))
    for host in settings.hosts:
        _configure_host(settings, host)


def _render(settings: Settings, name: str, template: str, user: str = "", **values: object) -> None:
    """Write one configuration file; `user` is whose password checks the tokens that the service is shown."""
    authtoken = layout.authtoken(settings, user)
    text = layout.fill(settings, template, authtoken=authtoken, **values)
    layout.write(layout.config_file(settings, name), text)


def _configure_host(settings: Settings, host: str) -> None:
    state = settings.data / "nova" / host
    state.mkdir(parents=True, exist_ok=True)
    # Nova refuses to start for the second time without the identity it would have written at the first.
    (state / "compute_id").write_text(str(uuid.uuid5(uuid.NAMESPACE_DNS, host)))
    config = layout.fill(settings, "nova-compute.conf", host=host, driver="rig.StableDriver")
    layout.write(layout.config_file(settings, f"nova-{host}.conf"), config)
    machine_of(settings, host).install(compute(settings, host))


def once(settings: Settings, name: str, action: Callable[[], None]) -> Callable[[], None]:
    """Wrap a step of the first start so that it is not repeated once it has succeeded."""

    def perform() -> None:
        done = settings.data / "done" / name
        if not done.exists():
            action()
            done.parent.mkdir(parents=True, exist_ok=True)
            done.touch()

    return perform


def create_placement(settings: Settings) -> None:
    """Create Placement's schema."""
    program = environments.program("placement", "placement-manage")
    config = _config(settings, "placement/placement.conf")
    command = [program, "--config-file", config, "db", "sync"]
    schemas.create(settings, "placement", lambda: _manage(settings, "placement-manage", command))


def create_glance(settings: Settings) -> None:
    """Create Glance's schema."""
    program = environments.program("glance", "glance-manage")
    config = _config(settings, "glance/glance-api.conf")
    command = [program, "--config-file", config, "db_sync"]
    schemas.create(settings, "glance", lambda: _manage(settings, "glance-manage", command))


def create_nova(settings: Settings) -> None:
    """Create Nova's schemas: the API's, that of cell 0 and that of the one cell."""

    def step(*arguments: str) -> None:
        # A cell must not be made twice when the first start was interrupted.
        once(settings, "-".join(("nova", *arguments)), partial(_nova_manage, settings, *arguments))()

    def make() -> None:
        step("api_db", "sync")
        make_cells()
        step("db", "sync")

    def make_cells() -> None:
        step("cell_v2", "map_cell0")
        step("cell_v2", "create_cell", "--name", "cell1")

    once(settings, "nova-tables", lambda: schemas.create(settings, "nova", make))()
    make_cells()


def discover_hosts(settings: Settings) -> None:
    """Put the compute hosts that have reported into their cell."""
    _nova_manage(settings, "cell_v2", "discover_hosts")


def conductor(settings: Settings) -> Daemon:
    """Describe nova-conductor."""
    return _nova_daemon(settings, "nova-conductor")


def scheduler(settings: Settings) -> Daemon:
    """Describe nova-scheduler."""
    return _nova_daemon(settings, "nova-scheduler")


def start_workers(daemon: Daemon) -> None:
    """Start nova-conductor or nova-scheduler and return when its workers listen.

    A nova-compute that calls the conductor before that waits ten seconds and tries again.
    """
    if daemon.alive():
        return
    seen = daemon.log.stat().st_size if daemon.log.exists() else 0
    daemon.start()

    def listening() -> bool:
        daemon.expect_alive()
        with daemon.log.open("rb") as log:
            log.seek(seen)
            return len(re.findall(rb"Starting (conductor|scheduler) node", log.read())) >= NOVA_WORKERS

    until(listening, daemon.name, timeout_seconds=240, hint=str(daemon.log))


def compute(settings: Settings, host: str) -> Daemon:
    """Describe the nova-compute of a host."""
    command = (
        environments.program("nova", "python"),
        str(FAKE_COMPUTE),
        "--config-file",
        _config(settings, "nova/compute.conf"),
        "--config-file",
        _config(settings, f"nova-{host}.conf"),
    )
    folder = str(settings.data / "hosts" / host)
    return layout.daemon(settings, f"nova-compute-{host}", command, {"RIG_HOST_FOLDER": folder})


def machine_of(settings: Settings, host: str) -> Machine:
    """Return the simulated machine `host`."""
    return Machine(settings.data / "hosts" / host)


def memcached(settings: Settings) -> Daemon:
    """Describe memcached, where Keystone and the token checks of all services keep what they know."""
    port = str(settings.port("memcached"))
    command = ("/usr/bin/memcached", "-u", "root", "-l", ADDRESS, "-p", port, "-U", "0", "-m", "256")
    return layout.daemon(settings, "memcached", command)


def start_memcached(settings: Settings) -> None:
    """Start memcached and return when it answers."""
    daemon = memcached(settings)
    daemon.start()
    port = settings.port("memcached")
    until(lambda: tcp_port_answers(ADDRESS, port), "memcached", timeout_seconds=20, hint=str(daemon.log))


def _nova_daemon(settings: Settings, name: str) -> Daemon:
    command = (environments.program("nova", name), "--config-file", _config(settings, "nova/nova.conf"))
    return layout.daemon(settings, name, command)


def _nova_manage(settings: Settings, *arguments: str) -> None:
    program = environments.program("nova", "nova-manage")
    config = _config(settings, "nova/nova.conf")
    _manage(settings, "nova-manage", [program, "--config-file", config, *arguments])


def _config(settings: Settings, name: str) -> str:
    return str(layout.config_file(settings, name))


def _manage(settings: Settings, name: str, command: list[str]) -> None:
    """Run one of the projects' administrative commands; its output goes to a log of its own."""
    process.run(command, layout.log_file(settings, name), cwd=settings.data)
