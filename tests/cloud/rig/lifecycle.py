"""Bring the whole cloud up, take it down, throw it away, and say how it is."""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.cloud.rig import bootstrap, brokers, controlplane, databases, environments, keystone, packages, plan, web
from tests.cloud.rig.bmc import Bmc
from tests.cloud.rig.cloud import Cloud
from tests.cloud.rig.errors import RigError
from tests.cloud.rig.process import Daemon
from tests.cloud.rig.settings import ADDRESS, PORTS, Settings
from tests.cloud.rig.waiting import tcp_port_answers

Report = Callable[[str], None]


def install(report: Report) -> None:
    """Install what is missing: Debian packages, then one environment per OpenStack project."""
    if names := packages.missing():
        report(f"installing packages: {' '.join(names)}")
        packages.install(names)
    if projects := environments.missing():
        report(f"installing from PyPI, some minutes: {' '.join(projects)}")
        environments.make(projects)


def up(settings: Settings, report: Report) -> None:
    """Start whatever does not run; on the first run create everything. Every host is on and well afterwards."""
    install(report)
    with _alone(settings):
        settings.save()
        for folder in ("run", "log"):
            (settings.data / folder).mkdir(exist_ok=True)
        _refuse_foreign_ports(settings)
        controlplane.configure(settings)
        began = time.monotonic()

        def done(name: str, seconds: float) -> None:
            if seconds >= 0.1:
                report(f"{time.monotonic() - began:6.1f} s  {name} ({seconds:.1f} s)")

        plan.run(_steps(settings), done)
        report(f"{time.monotonic() - began:6.1f} s  the cloud is up; its data is in {settings.data}")


def down(settings: Settings, report: Report) -> None:
    """End everything that `up` started: first who depends on others, the databases last."""
    if not settings.data.exists():
        return
    with _alone(settings):
        began = time.monotonic()
        machines = [controlplane.machine_of(settings, host) for host in settings.hosts]
        last = {"cloud-database", "ha-database", "cloud-broker", "ha-broker"}
        daemons = _daemons(settings)
        first = [daemon for daemon in daemons if daemon.name not in last | {"epmd"}]
        with ThreadPoolExecutor(32) as pool:
            stopping = [pool.submit(machine.stop) for machine in machines]
            stopping += [pool.submit(daemon.stop) for daemon in first]
            for future in stopping:
                future.result()
            list(pool.map(Daemon.stop, (daemon for daemon in daemons if daemon.name in last)))
        brokers.port_mapper(settings).stop()
        report(f"{time.monotonic() - began:6.1f} s  the cloud is down")


def wipe(settings: Settings, report: Report) -> None:
    """Take the cloud down and delete its data; the environments in the cache stay."""
    down(settings, report)
    if settings.data.exists():
        if not (settings.data / "settings.json").exists():
            raise RigError(f"{settings.data} does not look like the data of a cloud; delete it yourself")
        shutil.rmtree(settings.data)
        report(f"deleted {settings.data}")


def status(settings: Settings, report: Report) -> bool:
    """Print a line per process and per host, and say whether everything runs."""
    daemons = _daemons(settings)
    report(f"{'process':<24}{'pid':>8}{'MiB':>6}  listens on")
    for daemon in daemons:
        pid = daemon.pid()
        report(f"{daemon.name:<24}{pid or '-':>8}{_megabytes(pid):>6}  {_listens(settings, daemon.name)}")
    report(f"\n{'host':<12}{'power':<8}{'compute':<9}{'nova says':<18}")
    services = _services(settings)
    for host in settings.hosts:
        machine = controlplane.machine_of(settings, host)
        alive = machine.folder.exists() and machine.compute_alive()
        power = "on" if machine.powered() else "off"
        report(f"{host:<12}{power:<8}{'runs' if alive else 'dead':<9}{services.get(host, '?'):<18}")
    report(f"\ndata: {settings.data}   credentials: . {settings.data / 'openrc'}")
    return all(daemon.alive() for daemon in daemons)


def _steps(settings: Settings) -> list[plan.Step]:
    return [*_foundation(settings), *_schemas(settings), *_openstack(settings), *_hosts(settings)]


def _foundation(settings: Settings) -> list[plan.Step]:
    step = plan.Step
    return [
        step("cloud-database", databases.cloud_database(settings).start),
        step("ha-database", databases.ha_database(settings).start),
        step("epmd", lambda: brokers.start_port_mapper(settings)),
        step("cloud-broker", brokers.cloud_broker(settings).start, ("epmd",)),
        step("ha-broker", brokers.ha_broker(settings).start, ("epmd",)),
        step("memcached", lambda: controlplane.start_memcached(settings)),
        step("neutron", lambda: web.start_neutron(settings)),
        *(step(f"bmc-{host}", Bmc(settings, host).start) for host in settings.hosts),
    ]


def _schemas(settings: Settings) -> list[plan.Step]:
    creators = {
        "nova-schema": controlplane.create_nova,
        "keystone-schema": keystone.create_in_cloud,
        "glance-schema": controlplane.create_glance,
        "placement-schema": controlplane.create_placement,
    }
    return [
        plan.Step(name, controlplane.once(settings, name, partial(create, settings)), ("cloud-database",))
        for name, create in creators.items()
    ]


def _openstack(settings: Settings) -> list[plan.Step]:
    step, once = plan.Step, partial(controlplane.once, settings)
    catalogue = once("catalogue", lambda: bootstrap.create_catalogue(settings))
    resources = once("resources", lambda: bootstrap.create_resources(settings))
    conductor, scheduler = controlplane.conductor(settings), controlplane.scheduler(settings)
    # The catalogue comes first: Nova's services look for Placement in it as soon as they start.
    nova = ("nova-schema", "cloud-broker", "catalogue")
    return [
        step("keystone", keystone.server(settings).start, ("keystone-schema", "memcached")),
        step("catalogue", catalogue, ("keystone",)),
        step("placement", web.placement(settings).start, ("placement-schema", "memcached")),
        step("glance", web.glance(settings).start, ("glance-schema", "memcached")),
        step("nova-conductor", partial(controlplane.start_workers, conductor), (*nova, "placement")),
        step("nova-scheduler", partial(controlplane.start_workers, scheduler), (*nova, "placement")),
        step("nova-api", web.nova_api(settings).start, nova),
        step("image-and-flavors", resources, ("glance", "nova-api")),
    ]


def _hosts(settings: Settings) -> list[plan.Step]:
    step = plan.Step
    return [
        step("nova-computes", lambda: _start_hosts(settings), ("nova-conductor", "neutron")),
        step("hosts-in-cell", lambda: _join_cell(settings), ("nova-computes", "nova-api")),
        step("hosts-well", lambda: Cloud(settings).reset_hosts(), ("hosts-in-cell", "nova-scheduler")),
    ]


def _start_hosts(settings: Settings) -> None:
    for host in settings.hosts:
        machine = controlplane.machine_of(settings, host)
        machine.power_on()
        machine.start_compute()


def _join_cell(settings: Settings) -> None:
    """Wait until every host has reported to Nova once, and map those that are new."""
    cloud = Cloud(settings)
    cloud.wait_for_services()
    controlplane.once(settings, f"hosts-{settings.computes}", lambda: controlplane.discover_hosts(settings))()


def _daemons(settings: Settings) -> list[Daemon]:
    return [
        databases.cloud_database(settings).daemon(),
        databases.ha_database(settings).daemon(),
        brokers.port_mapper(settings),
        brokers.cloud_broker(settings).daemon(),
        brokers.ha_broker(settings).daemon(),
        controlplane.memcached(settings),
        web.neutron(settings),
        keystone.server(settings).daemon(),
        web.placement(settings).daemon(),
        web.glance(settings).daemon(),
        web.nova_api(settings).daemon(),
        controlplane.conductor(settings),
        controlplane.scheduler(settings),
        *(controlplane.compute(settings, host) for host in settings.hosts),
        *(Bmc(settings, host).daemon() for host in settings.hosts),
    ]


def _refuse_foreign_ports(settings: Settings) -> None:
    """Find out now, with a clear word, that somebody else sits on one of our ports."""
    ours = {daemon.name for daemon in _daemons(settings) if daemon.alive()}
    # The HA service has its port to itself; a broker's second port comes and goes with its first.
    for name in PORTS.keys() - ours - {"ha-api", "cloud-broker-cluster", "ha-broker-cluster"}:
        port = settings.port(name)
        if tcp_port_answers(ADDRESS, port):
            raise RigError(
                f"port {port} of {name} is taken by a process that is not ours (another checkout's cloud?); "
                "end it, or set VMHA_CLOUD_PORT to another block of 200 ports"
            )


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Let two commands on the same cloud wait for each other: the data folder itself is the lock."""
    settings.data.mkdir(parents=True, exist_ok=True)
    folder = os.open(settings.data, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _megabytes(pid: int | None) -> str:
    """Return the resident memory of a process and its children."""
    if pid is None:
        return "-"
    total = 0
    for statm in Path("/proc").glob("[0-9]*/statm"):
        with contextlib.suppress(OSError):
            stat = (statm.parent / "stat").read_text().rpartition(")")[2].split()
            # Field 5 of stat is the process group: every daemon leads one.
            if int(stat[2]) == pid:
                total += int(statm.read_text().split()[1]) * 4096
    return str(total >> 20)


def _listens(settings: Settings, name: str) -> str:
    if name.startswith("bmc-"):
        return f"{ADDRESS}:{settings.bmc_port(name.removeprefix('bmc-'))}/udp"
    with contextlib.suppress(KeyError):
        return f"{ADDRESS}:{settings.port(name)}"
    return ""


def _services(settings: Settings) -> dict[str, str]:
    try:
        services = Cloud(settings).services()
    except RigError:
        return {}
    return {
        host: f"{service['state']}, {service['status']}{', forced down' if service['forced_down'] else ''}"
        for host, service in services.items()
    }
