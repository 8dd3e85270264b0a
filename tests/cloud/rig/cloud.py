"""The cloud as a test sees it: hosts to break and mend, instances to boot, and what Nova says about them."""

import contextlib
import time
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.cloud.rig import bootstrap, controlplane, databases, rest
from tests.cloud.rig.access import AccessLog
from tests.cloud.rig.bmc import Bmc, BmcCall
from tests.cloud.rig.errors import RigError
from tests.cloud.rig.settings import Settings, load
from tests.cloud.rig.waiting import until

# The highest version at which an evacuated guest runs again; from 2.95 on Nova leaves it stopped.
EVACUATE_VERSION = "2.94"
# Records from which a returning nova-compute still has to draw conclusions.
OPEN_EVACUATIONS = frozenset({"accepted", "pre-migrating", "done"})
# Nova counts in one request as long as the request takes; more than this is not faster.
BOOT_AT_ONCE = 50


class Cloud:
    """A running cloud. Several of these may look at the same one."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or load()
        self.hosts = self.settings.hosts
        self.identity = rest.Identity(self.settings)
        self.nova = rest.nova_api(self.settings, self.identity)
        self.placement = rest.placement_api(self.settings, self.identity)
        self.nova_log = AccessLog(self.settings, "nova-api")
        self._image = ""

    # --- breaking and mending hosts -----------------------------------------------------------------------

    def kill_compute(self, host: str) -> None:
        """Kill nova-compute alone; the power of the host stays on and its controller says so."""
        controlplane.machine_of(self.settings, host).kill_compute()

    def start_compute(self, host: str) -> None:
        """Start nova-compute of a host that has power."""
        controlplane.machine_of(self.settings, host).start_compute()

    def compute_alive(self, host: str) -> bool:
        """Say whether nova-compute of the host runs."""
        return controlplane.machine_of(self.settings, host).compute_alive()

    def cut_power(self, host: str) -> None:
        """Take the host's power away from outside: its controller reads off, and nobody ordered it to."""
        controlplane.machine_of(self.settings, host).power_off()

    def restore_power(self, host: str) -> None:
        """Give the host its power back: it boots and its nova-compute starts."""
        controlplane.machine_of(self.settings, host).power_on()

    def power(self, host: str) -> bool:
        """Say whether the host has power: the truth, whatever its controller may say."""
        return controlplane.machine_of(self.settings, host).powered()

    def bmc(self, host: str) -> Bmc:
        """Return the management controller of the host, for its faults and its port."""
        return Bmc(self.settings, host)

    def bmc_calls(self, host: str, since: float = 0.0) -> list[BmcCall]:
        """List what the host's controller was asked and told since an epoch time."""
        return self.bmc(host).calls(since)

    def silence_bmc(self, host: str) -> None:
        """Let the host's controller answer nobody."""
        self.bmc(host).silence()

    def restore_bmc(self, host: str) -> None:
        """Let the host's controller answer again, without any fault."""
        self.bmc(host).restore()

    def fail_spawns(self, host: str, how: str | None = "fails", *instances: str) -> None:
        """Let guests that are to start on the host (these, or all) fail, or hang (`hangs`), or ask for their image first (`fetches`).

        None lets all of them start again.
        """
        folder = self.bmc(host).folder
        if how is None:
            for name in ("fails", "hangs", "fetches"):
                (folder / f"spawn-{name}").unlink(missing_ok=True)
            return
        # Put there whole: nova-compute may read it at any time.
        draft = folder / f"spawn-{how}.new"
        draft.write_text("\n".join(instances))
        draft.rename(folder / f"spawn-{how}")

    def reset(self) -> None:
        """Return to the beginning: hosts well, controllers honest, no instance anywhere, and nothing that a test made."""
        for host in self.hosts:
            self.fail_spawns(host, None)
        # Before the hosts, because a move that hangs ends with its instance, and again for what a dead host kept.
        self._post_deletes()
        with ThreadPoolExecutor(len(self.hosts)) as pool:
            controllers = [pool.submit(self.restore_bmc, host) for host in self.hosts]
            self.reset_hosts()
            for controller in controllers:
                controller.result()
        self.delete_all_servers()
        self._undo_additions()

    def reset_hosts(self) -> None:
        """Mend every host."""
        with ThreadPoolExecutor(len(self.hosts)) as pool:
            list(pool.map(self.reset_host, self.hosts))

    def reset_host(self, host: str) -> None:
        """Mend a host: power on, nova-compute up, service enabled and not forced down, its evacuations closed.

        Does nothing to a host that is well. Instances stay where they are.
        """
        machine = controlplane.machine_of(self.settings, host)
        self._wait_for_moves(host)
        if machine.compute_alive() and self._open_evacuations(host):
            # Only a starting nova-compute closes the records of what was evacuated from it.
            machine.kill_compute()
        if self.service(host)["status"] == "disabled":
            # Before the start: a service that starts disabled stays barred in Placement for a minute.
            self._update_service(host, {"status": "enabled"})
        machine.power_on()
        machine.start_compute()
        if self.service(host)["forced_down"]:
            self._force_up(host)
        log = str(controlplane.compute(self.settings, host).log)
        until(lambda: self._well(host), f"{host} is well", timeout_seconds=240, poll_seconds=0.5, hint=log)

    # --- what Nova says -----------------------------------------------------------------------------------

    def services(self) -> dict[str, dict[str, Any]]:
        """Return Nova's record of each compute service by host."""
        answer = self.nova.call("GET", "/os-services?binary=nova-compute")
        return {service["host"]: service for service in answer["services"]}

    def service(self, host: str) -> dict[str, Any]:
        """Return Nova's record of the compute service of one host."""
        return self.services()[host]

    def wait_for_services(self) -> None:
        """Return when every compute service has reported to Nova at least once."""
        until(
            lambda: set(self.hosts) <= set(self.services()),
            "every nova-compute reports to Nova",
            timeout_seconds=240,
            poll_seconds=0.5,
            hint=str(self.settings.data / "log"),
        )

    def last_heartbeat(self, host: str) -> float:
        """Return when Nova last heard of the host's nova-compute, in whole seconds since 1970; 0 for never.

        From the database, because the API does not show it: its `updated_at` also moves with every PUT.
        """
        seconds = databases.cloud_database(self.settings).sql(
            "SELECT TIMESTAMPDIFF(SECOND, '1970-01-01', last_seen_up) FROM nova.services "
            f"WHERE host = '{host}' AND `binary` = 'nova-compute' AND last_seen_up IS NOT NULL AND deleted = 0"
        )
        return float(seconds.strip() or 0)

    def disable(self, host: str, reason: str) -> None:
        """Take the host out of the scheduler's choice, as an operator would."""
        self._update_service(host, {"status": "disabled", "disabled_reason": reason})

    def overcommit(self, host: str, ratio: float) -> None:
        """Let the host give away its memory `ratio` times over; its nova-compute leaves that as it is."""
        path = f"/resource_providers/{_node(host)}/inventories/MEMORY_MB"
        inventory = self.placement.call("GET", path)
        if inventory["allocation_ratio"] != ratio:
            self.placement.call("PUT", path, inventory | {"allocation_ratio": ratio})

    def force_down(self, host: str, reason: str = "by hand") -> None:
        """Tell Nova that the host is dead and must get no new instance."""
        body = {"forced_down": True, "status": "disabled", "disabled_reason": reason}
        self._update_service(host, body)

    def migrations(self, source: str, **filters: str) -> list[dict[str, Any]]:
        """List the evacuations from a host, newest first."""
        query = "".join(f"&{name}={value}" for name, value in filters.items())
        path = f"/os-migrations?source_compute={source}&migration_type=evacuation{query}"
        found: list[dict[str, Any]] = []
        while True:
            marker = f"&marker={found[-1]['uuid']}" if found else ""
            page = self.nova.call("GET", path + marker)
            found += page["migrations"]
            if not any(link["rel"] == "next" for link in page.get("migrations_links", [])):
                return found

    # --- instances ----------------------------------------------------------------------------------------

    def boot_instances(self, host: str, count: int, flavor: str = "rig.nano") -> list[str]:
        """Boot instances on a host, without networks, and return their ids when all are ACTIVE."""
        ids: list[str] = []
        while len(ids) < count:
            ids += self._boot(host, min(BOOT_AT_ONCE, count - len(ids)), flavor)
        return ids

    def servers(self, **filters: str) -> list[dict[str, Any]]:
        """List instances of all projects with every detail."""
        query = "".join(f"&{name}={value}" for name, value in filters.items())
        found: list[dict[str, Any]] = []
        while True:
            marker = f"&marker={found[-1]['id']}" if found else ""
            page = self.nova.call("GET", f"/servers/detail?all_tenants=1{query}{marker}")
            found += page["servers"]
            if not any(link["rel"] == "next" for link in page.get("servers_links", [])):
                return found

    def server(self, server: str) -> dict[str, Any]:
        """Return one instance with every detail."""
        found: dict[str, Any] = self.nova.call("GET", f"/servers/{server}")["server"]
        return found

    def servers_on(self, host: str) -> list[dict[str, Any]]:
        """List the instances that Nova has on a host."""
        return self.servers(host=host)

    def act(self, server: str, action: dict[str, Any], version: str = "") -> rest.Answer:
        """Post an action such as {"os-stop": None} and return whatever Nova answers."""
        return self.nova.send("POST", f"/servers/{server}/action", action, version=version)

    def tag(self, server: str, key: str, value: str) -> None:
        """Set one item of an instance's metadata, as its owner would."""
        self.nova.call("POST", f"/servers/{server}/metadata", {"metadata": {key: value}})

    def actions(self, server: str) -> list[str]:
        """List what Nova did with an instance, oldest first."""
        return [action["action"] for action in self._actions(server)]

    def began(self, server: str, action: str) -> list[str]:
        """List when Nova began an action with an instance, oldest first, by its own clock and in its own words."""
        return [each["start_time"] for each in self._actions(server) if each["action"] == action]

    def evacuate(self, server: str, host: str | None = None) -> rest.Answer:
        """Ask Nova to evacuate an instance, as the service under test does, and return the answer."""
        return self.act(server, {"evacuate": {"host": host} if host else {}}, EVACUATE_VERSION)

    def wait_for_servers(self, ids: Iterable[str], *, status: str = "ACTIVE", timeout_seconds: float = 300) -> None:
        """Return when all these instances have the status and nothing under way. Raises RigError on ERROR."""
        wanted = set(ids)

        def settled() -> bool:
            servers = [server for server in self.servers() if server["id"] in wanted]
            broken = {s["id"]: s.get("fault", {}).get("message") for s in servers if s["status"] == "ERROR"}
            if broken and status != "ERROR":
                raise RigError(f"instances in ERROR: {broken}")
            quiet = [s for s in servers if s["status"] == status and s["OS-EXT-STS:task_state"] is None]
            return len(quiet) == len(wanted)

        until(
            settled,
            f"{len(wanted)} instances are {status}",
            timeout_seconds=timeout_seconds,
            poll_seconds=0.5,
        )

    def delete_all_servers(self) -> None:
        """Delete every instance and return when Nova lists none."""
        self._post_deletes()
        until(lambda: not self.servers(), "all instances are deleted", timeout_seconds=300, poll_seconds=0.5)

    # --- helpers ------------------------------------------------------------------------------------------

    def _actions(self, server: str) -> list[dict[str, Any]]:
        done: list[dict[str, Any]] = self.nova.call("GET", f"/servers/{server}/os-instance-actions")["instanceActions"]
        return done[::-1]

    def _boot(self, host: str, count: int, flavor: str) -> list[str]:
        server = {
            "name": host,
            "flavorRef": flavor,
            "imageRef": self.image,
            "networks": "none",
            "host": host,
            "min_count": count,
            "max_count": count,
            "return_reservation_id": True,
        }
        reservation = self.nova.call("POST", "/servers", {"server": server})["reservation_id"]
        ids = [server["id"] for server in self.servers(reservation_id=reservation)]
        if len(ids) != count:
            raise RigError(f"Nova made {len(ids)} instances of {count}")
        self.wait_for_servers(ids)
        return ids

    def _post_deletes(self) -> None:
        servers = [server["id"] for server in self.servers()]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda server: self.nova.send("DELETE", f"/servers/{server}"), servers))

    def _undo_additions(self) -> None:
        """Take away what is not of the beginning. After the instances: Nova takes no host that has any out of a zone."""
        for host in self.hosts:
            self.overcommit(host, 1.0)
        for aggregate in self.nova.call("GET", "/os-aggregates")["aggregates"]:
            path = f"/os-aggregates/{aggregate['id']}"
            for host in aggregate["hosts"]:
                self.nova.call("POST", f"{path}/action", {"remove_host": {"host": host}})
            self.nova.call("DELETE", path)
        for flavor in self.nova.call("GET", "/flavors")["flavors"]:
            if flavor["id"] not in bootstrap.FLAVORS:
                self.nova.call("DELETE", f"/flavors/{flavor['id']}")
        glance = rest.glance_api(self.settings, self.identity)
        for image in glance.call("GET", "/images")["images"]:
            if image["name"] != bootstrap.IMAGE:
                glance.call("DELETE", f"/images/{image['id']}")

    @property
    def image(self) -> str:
        """Return the id of the image from which instances boot."""
        if not self._image:
            glance = rest.glance_api(self.settings, self.identity)
            self._image = glance.call("GET", f"/images?name={bootstrap.IMAGE}")["images"][0]["id"]
        return self._image

    def _update_service(self, host: str, body: dict[str, Any]) -> None:
        self.nova.call("PUT", f"/os-services/{self.service(host)['id']}", body)

    def _open_evacuations(self, host: str) -> bool:
        return any(migration["status"] in OPEN_EVACUATIONS for migration in self.migrations(host))

    def _wait_for_moves(self, host: str) -> None:
        """Let moves that are under way end; one that never will must not hold us up for ever."""
        under_way = OPEN_EVACUATIONS - {"done"}
        with contextlib.suppress(RigError):
            until(
                lambda: not any(migration["status"] in under_way for migration in self.migrations(host)),
                "moves end",
                timeout_seconds=20,
                poll_seconds=0.5,
            )

    def _force_up(self, host: str) -> None:
        """Clear forced_down; Nova refuses until the started nova-compute has closed the evacuations."""
        service = self.service(host)["id"]

        def accepted() -> bool:
            answer = self.nova.send("PUT", f"/os-services/{service}", {"forced_down": False})
            if answer.status not in (200, 400):
                raise rest.HttpError("PUT /os-services", answer)
            return answer.status == 200

        until(accepted, f"Nova takes {host} back", timeout_seconds=240, poll_seconds=0.5)

    def _well(self, host: str) -> bool:
        """Say whether Nova would place an instance on the host now, by a heartbeat of the process that runs."""
        service = self.service(host)
        if (service["state"], service["status"], service["forced_down"]) != ("up", "enabled", False):
            return False
        # "up" may rest on a heartbeat from before the crash.
        started = controlplane.compute(self.settings, host).pid_file.stat().st_mtime
        return self.last_heartbeat(host) > started and not self._barred(host)

    def _barred(self, host: str) -> bool:
        """Say whether Placement keeps the scheduler away from the host."""
        traits = self.placement.call("GET", f"/resource_providers/{_node(host)}/traits")["traits"]
        return "COMPUTE_STATUS_DISABLED" in traits


def _node(host: str) -> uuid.UUID:
    """Return Placement's name of a host."""
    return uuid.uuid5(uuid.NAMESPACE_DNS, host)


def now() -> float:
    """Return the time by the clock of the access log and the controllers' calls, for their `since`."""
    return time.time()
