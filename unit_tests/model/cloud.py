"""A cloud of three hosts and two instances in a few plain fields, so that a state of it can be kept, compared and gone back to.

It is what the ports of `vmha.ports` reach: Nova, and the BMC of the host that failed. Orders are taken at once; what Nova begins, the
explorer ends when it chooses (`land`, `fall`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from vmha.core.model import Instance, Migration, Power, ServicePrior, ServiceReading
from vmha.errors import NovaRefused, NovaUnavailable, OrderExpired
from vmha.ports import Deadline, HostSurvey

VICTIM, OTHERS = "c1", ("c2", "c3")
HOSTS = (VICTIM, *OTHERS)
GUESTS = ("vm1", "vm2")
BEAT_SECONDS = 2


@dataclass(slots=True)
class Cloud:
    """Where guests run is `runs`, where Nova holds them to be is `places`; `hears` are the hosts whose heartbeats arrive."""

    powered: bool = True
    on_since: float = 0.0
    hears: frozenset[str] = frozenset(OTHERS)
    runs: dict[str, frozenset[str]] = field(default_factory=lambda: dict.fromkeys(GUESTS, frozenset({VICTIM})))
    places: dict[str, str] = field(default_factory=lambda: dict.fromkeys(GUESTS, VICTIM))
    migrations: list[Migration] = field(default_factory=list)
    began: dict[int, float] = field(default_factory=dict)
    late: list[tuple[float, str, str | None, str]] = field(default_factory=list)
    forced_down: bool = False
    disabled: bool = False
    reason: str | None = None

    def in_flight(self) -> list[Migration]:
        """Return the evacuations that Nova is at work on."""
        return [record for record in self.migrations if record.status == "accepted"]

    def take(self, instance: str, target: str | None, now: float) -> None:
        """Take an evacuation. Where nobody names one, Nova chooses a destination that was not tried before."""
        tried = {record.destination for record in self.migrations if record.instance == instance}
        chosen = target or next((host for host in OTHERS if host not in tried), OTHERS[0])
        number = len(self.migrations) + 1
        self.began[number] = now
        record = Migration(
            id=number,
            instance=instance,
            kind="evacuation",
            source=VICTIM,
            destination=chosen,
            status="accepted",
            uuid=f"m{number}",
        )
        self.migrations.append(record)

    def land(self, number: int) -> None:
        """End an evacuation: the guest runs at its destination, and Nova says so."""
        self._spawn(number, "done")
        record = self.migrations[number - 1]
        self.places[record.instance] = str(record.destination)

    def fall(self, number: int) -> None:
        """Fail an evacuation as Nova does at worst: the guest runs at its destination, and Nova holds it to be where it was."""
        self._spawn(number, "failed")

    def _spawn(self, number: int, status: str) -> None:
        record = self.migrations[number - 1]
        self.migrations[number - 1] = replace(record, status=status)
        self.runs[record.instance] = self.runs[record.instance] | {str(record.destination)}

    def switch_off(self) -> None:
        """Switch the victim off; what ran there is gone."""
        self.powered, self.hears = False, self.hears - {VICTIM}
        self.runs = {instance: hosts - {VICTIM} for instance, hosts in self.runs.items()}

    def switch_on(self, now: float) -> None:
        """Let somebody switch the victim on again: it is heard, and runs none of its old guests."""
        self.powered, self.on_since, self.hears = True, now, self.hears | {VICTIM}


class CloudPort:
    """`Nova` and `PowerDevices` for one engine. `on_order` hears of each order that reaches the cloud, before it is done.

    `mishap` befalls the next order: its answer gets lost, or it is on its way for a while (`late`).
    """

    def __init__(
        self, cloud: Cloud, caller: str, now: Callable[[], float], on_order: Callable[[str, str], None]
    ) -> None:
        self.cloud = cloud
        self.caller = caller
        self.mishap = ""
        self._now = now
        self._on_order = on_order

    def protects(self, host: str) -> bool:
        """Every host has a BMC."""
        return host in HOSTS

    def read(self, host: str, *, deadline: Deadline) -> tuple[Power, str]:
        """Read the victim's power."""
        return (Power.ON if self.cloud.powered else Power.OFF), f"bmc-of-{host}"

    def off(self, host: str, *, deadline: Deadline) -> str:
        """Switch the victim off."""
        self._leave(deadline, "off", host)
        self.cloud.switch_off()
        self._answer()
        return f"bmc-of-{host}"

    def services(self, *, deadline: Deadline) -> tuple[ServiceReading, ...]:
        """List the services."""
        return tuple(self._service(host) for host in HOSTS)

    def _service(self, host: str) -> ServiceReading:
        cloud, is_victim = self.cloud, host == VICTIM
        is_down = is_victim and cloud.forced_down
        return ServiceReading(
            host=host,
            heartbeat=f"{self._now() // BEAT_SECONDS:g}" if host in cloud.hears else "stale",
            is_up=host in cloud.hears and not is_down,
            forced_down=is_down,
            disabled=is_victim and cloud.disabled,
            disabled_reason=cloud.reason if is_victim else None,
        )

    def force_down(self, host: str, *, reason: str, deadline: Deadline) -> ServicePrior:
        """Force the victim's service down and disable it."""
        self._leave(deadline, "force-down", host)
        cloud = self.cloud
        prior = ServicePrior(disabled=cloud.disabled, disabled_reason=cloud.reason, forced_down=cloud.forced_down)
        cloud.forced_down = cloud.disabled = True
        cloud.reason = cloud.reason or reason
        self._answer()
        return prior

    def survey(self, host: str, *, deadline: Deadline) -> HostSurvey:
        """List what Nova and Placement hold for the victim."""
        listed = self.instances_on(host, deadline=deadline)
        return HostSurvey(
            instances=listed,
            migrations=tuple(self.cloud.migrations),
            consumers=frozenset(instance.uuid for instance in listed),
        )

    def instances_on(self, host: str, *, deadline: Deadline) -> tuple[Instance, ...]:
        """List the instances that Nova holds to be on a host."""
        busy = {record.instance for record in self.cloud.in_flight()}
        return tuple(
            Instance(
                uuid=name,
                name=name,
                host=host,
                vm_state="active",
                task_state="rebuilding" if name in busy else None,
            )
            for name, place in self.cloud.places.items()
            if place == host
        )

    def evacuations_from(self, host: str, *, deadline: Deadline) -> tuple[Migration, ...]:
        """List the evacuations."""
        return tuple(self.cloud.migrations)

    def host_of(self, instance: str, *, deadline: Deadline) -> str | None:
        """Return where Nova holds an instance to be."""
        return self.cloud.places[instance]

    def evacuate(self, instance: str, *, target: str | None, deadline: Deadline) -> None:
        """Take an evacuation, refuse it, or be late with it."""
        self._leave(deadline, "evacuate", instance)
        if VICTIM in self.cloud.hears and not self.cloud.forced_down:
            raise NovaRefused(400, "Compute service of c1 is still in use.")
        if self.mishap == "late":
            self.mishap = ""
            self.cloud.late.append((self._now(), instance, target, self.caller))
            raise NovaUnavailable("nobody answered")
        self.cloud.take(instance, target, self._now())
        self._answer()

    def _leave(self, deadline: Deadline, what: str, about: str) -> None:
        if self._now() > deadline.at:
            raise OrderExpired(f"the deadline of {what} {about} passed before it left")
        self._on_order(what, about)

    def _answer(self) -> None:
        if self.mishap == "lost":
            self.mishap = ""
            raise NovaUnavailable("nobody answered")
