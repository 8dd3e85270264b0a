"""The ports over the simulated world keep what `vmha.ports` promises."""

from __future__ import annotations

import pytest

from unit_tests.ports.aggregates_contract import AggregatesContract, AggregatesHarness
from unit_tests.ports.nova_contract import NovaContract
from unit_tests.ports.power_contract import Fault, PowerDevicesContract, PowerRig
from vmha.core.model import Power, PowerTrouble
from vmha.errors import NovaRefused, NovaUnavailable, OrderExpired
from vmha.ports import Clock, Deadline, Nova, PowerDevices, PowerError
from vmha.sim import owner
from vmha.sim.faults import inject
from vmha.sim.ports import SimClock, SimNova, SimPower
from vmha.sim.world import World, small_cloud

WHENEVER = Deadline(at=1e9)


class SimHarness:
    """The simulated world as the Nova contract wants to have one."""

    def __init__(self) -> None:
        self.world = small_cloud(11, hosts=4, instances=0)
        self.nova: Nova = SimNova(self.world, "contract")
        self.clock: Clock = SimClock(self.world)
        self.report_seconds = self.world.timing.report_seconds
        self._hosts = iter(sorted(self.world.hosts))

    def host(self) -> str:
        """Return a host that no test has used."""
        return next(self._hosts)

    def boot(self, host: str, *, image_backed: bool = False, stopped: bool = False) -> str:
        """Add an instance."""
        vm_state = "stopped" if stopped else "active"
        return self.world.add_server(host, image_backed=image_backed, vm_state=vm_state).uuid

    def delete(self, instance: str) -> None:
        """Delete an instance."""
        owner.delete(self.world, instance)

    def disable(self, host: str, reason: str) -> None:
        """Disable a service as an operator."""
        self.world.nova.change_service(host, "operator", disabled=True, reason=reason)

    def aggregate(self, name: str, *hosts: str, zone: str | None = None) -> int:
        """Make an aggregate as an operator."""
        return self.world.nova.aggregates.add(name, *hosts, zone=zone)

    def kill(self, host: str) -> None:
        """Take the host's power."""
        self.world.hosts[host].power_off("test")


class SimPowerRig:
    """The simulated BMCs as the power contract wants to have them."""

    def __init__(self) -> None:
        self._world = World(12)
        for name in ("c1", "c2", "bare", "other"):
            self._world.add_host(name)
        self.devices: PowerDevices = SimPower(self._world, "contract", hosts=frozenset({"c1", "c2"}))

    def deadline(self, seconds: float) -> Deadline:
        """Count from the world's present."""
        return Deadline(at=self._world.now + seconds)

    def address(self, host: str) -> str:
        """Return the BMC's address."""
        return self._world.bmcs[host].address

    def set_power(self, host: str, *, on: bool) -> None:
        """Switch the machine without its BMC."""
        machine = self._world.hosts[host]
        if on:
            machine.power_on("test")
        else:
            machine.power_off("test")

    def is_on(self, host: str) -> bool:
        """Look at the truth."""
        return self._world.hosts[host].powered

    def orders(self, host: str) -> int:
        """Count the orders that reached the BMC."""
        return len(self._world.record.of("bmc", host=host, order="off", outcome="taken"))

    def inflict(self, host: str, fault: Fault) -> None:
        """Let a fault befall the BMC."""
        if fault is Fault.SWAPPED:
            inject(self._world, "bmc_swapped", host=host, other="other")
        else:
            inject(self._world, f"bmc_{fault.name.lower()}", host=host)


class TestSimPower(PowerDevicesContract):
    """The simulated BMCs keep the contract of the port."""

    @pytest.fixture
    def rig(self) -> PowerRig:
        """A new world for each test."""
        return SimPowerRig()


class TestSimNova(NovaContract, AggregatesContract):
    """The simulated Nova keeps the contract of the port."""

    @pytest.fixture
    def harness(self) -> AggregatesHarness:
        """A new world for each test."""
        return SimHarness()


@pytest.fixture
def world() -> World:
    """Three hosts with two instances each, five seconds old."""
    world = small_cloud(2, hosts=3, instances=6)
    world.advance(5.0)
    return world


@pytest.fixture
def nova(world: World) -> SimNova:
    """Nova as one engine sees it."""
    return SimNova(world, "engine-1")


@pytest.fixture
def power(world: World) -> PowerDevices:
    """The BMCs as one engine sees them."""
    return SimPower(world, "engine-1")


def test_an_outage_is_unavailable(world: World, nova: SimNova) -> None:
    """Every call says that Nova is unavailable while it is away."""
    inject(world, "nova_away")
    for call in (nova.services, lambda deadline: nova.survey("c1", deadline=deadline)):
        with pytest.raises(NovaUnavailable):
            call(deadline=WHENEVER)


def test_orders_stand_in_the_record_with_their_caller(world: World, nova: SimNova) -> None:
    """The record names the engine behind each order."""
    nova.force_down("c1", reason="dead", deadline=WHENEVER)
    nova.evacuate(next(iter(world.nova.by_host["c1"])), target=None, deadline=WHENEVER)
    assert world.record.of("service", caller="engine-1", forced_down=True)
    assert world.record.of("evacuation", caller="engine-1", outcome="taken")


def test_no_order_leaves_after_its_deadline(world: World, nova: SimNova) -> None:
    """After its deadline an order is not sent, and the world stays as it is."""
    late = Deadline(at=4.0)
    before = len(world.record.facts)
    with pytest.raises(OrderExpired):
        nova.force_down("c1", reason="dead", deadline=late)
    with pytest.raises(OrderExpired):
        nova.evacuate("x", target=None, deadline=late)
    with pytest.raises(OrderExpired):
        nova.enable("c1", deadline=late)
    assert len(world.record.facts) == before


def test_a_survey_leaves_out_the_consumers_that_are_migrations(world: World, nova: SimNova) -> None:
    """What a live migration holds in its own name is no instance."""
    uuid = next(iter(world.nova.by_host["c1"]))
    record = owner.live_migrate(world, uuid)
    survey = nova.survey("c1", deadline=WHENEVER)
    assert survey.consumers is not None
    assert record.uuid not in survey.consumers
    assert [each.uuid for each in survey.migrations] == [record.uuid]


def test_a_survey_of_a_hidden_cell_contradicts_itself(world: World, nova: SimNova) -> None:
    """No instances, and yet consumers: that is how a cell that is down looks."""
    inject(world, "cell_hidden", host="c1")
    survey = nova.survey("c1", deadline=WHENEVER)
    assert survey.instances == ()
    assert survey.consumers is not None
    assert len(survey.consumers) == 2


def test_a_refusal_names_the_status(nova: SimNova) -> None:
    """A client error keeps Nova's status."""
    with pytest.raises(NovaRefused) as error:
        nova.enable("c9", deadline=WHENEVER)
    assert error.value.status == 404


def test_power_is_read_and_cut(world: World, power: PowerDevices) -> None:
    """The BMC says what is true, cuts the power when told, and both stand in the record."""
    address = world.bmcs["c1"].address
    assert power.read("c1", deadline=WHENEVER) == (Power.ON, address)
    assert power.off("c1", deadline=WHENEVER) == address
    assert power.read("c1", deadline=WHENEVER) == (Power.OFF, address)
    assert not world.hosts["c1"].powered
    assert [fact["outcome"] for fact in world.record.of("bmc", host="c1")] == ["on", "taken", "off"]


def test_a_host_that_is_off_takes_an_off(power: PowerDevices) -> None:
    """A power-off of a host that is off already is taken."""
    power.off("c1", deadline=WHENEVER)
    power.off("c1", deadline=WHENEVER)
    assert power.read("c1", deadline=WHENEVER)[0] is Power.OFF


@pytest.mark.parametrize(
    ("fault", "trouble"),
    [
        ("bmc_silent", PowerTrouble.SILENT),
        ("bmc_bad_password", PowerTrouble.BAD_CREDENTIALS),
        ("bmc_failing", PowerTrouble.ERROR),
    ],
)
def test_a_bmc_in_trouble_says_which(world: World, power: PowerDevices, fault: str, trouble: PowerTrouble) -> None:
    """A BMC that gives no reading and takes no order names its trouble and its address, and the host stays on."""
    inject(world, fault, host="c1")
    for call in (power.read, power.off):
        with pytest.raises(PowerError) as error:
            call("c1", deadline=WHENEVER)
        assert (error.value.trouble, error.value.address) == (trouble, world.bmcs["c1"].address)
    assert world.hosts["c1"].powered
    inject(world, "bmc_well", host="c1")
    assert power.read("c1", deadline=WHENEVER)[0] is Power.ON


@pytest.mark.parametrize(
    ("fault", "readings"),
    [
        ("bmc_stuck", [Power.ON, Power.ON]),
        ("bmc_stale", [Power.OFF, Power.ON]),
        ("bmc_always_off", [Power.OFF, Power.OFF]),
    ],
)
def test_a_bmc_that_lies_leaves_the_host_on(
    world: World, power: PowerDevices, fault: str, readings: list[Power]
) -> None:
    """Each liar takes the order and has its own way to go on, and the host is on all the time."""
    inject(world, fault, host="c1")
    power.off("c1", deadline=WHENEVER)
    assert [power.read("c1", deadline=WHENEVER)[0] for _ in range(2)] == readings
    assert world.hosts["c1"].powered


def test_an_off_that_takes_its_time(world: World, power: PowerDevices) -> None:
    """A host may stay on for some seconds after an order that was taken."""
    inject(world, "bmc_off_takes", host="c1", seconds=8.0)
    power.off("c1", deadline=WHENEVER)
    assert power.read("c1", deadline=WHENEVER)[0] is Power.ON
    world.advance(13.0)
    assert power.read("c1", deadline=WHENEVER)[0] is Power.OFF


def test_a_bmc_slower_than_the_deadline_is_silent_but_obeys(world: World) -> None:
    """The caller hears nothing in time, and the power is cut all the same."""
    power = SimPower(world, "engine-1")
    inject(world, "bmc_slow", host="c1", seconds=20.0)
    assert power.delay_seconds("c1") == 20.0
    with pytest.raises(PowerError) as error:
        power.off("c1", deadline=Deadline(at=15.0))
    assert error.value.trouble is PowerTrouble.SILENT
    assert not world.hosts["c1"].powered
    assert power.read("c1", deadline=Deadline(at=30.0))[0] is Power.OFF


def test_a_swapped_bmc_is_refused_by_its_identity(world: World, power: PowerDevices) -> None:
    """With identities in the inventory no reading and no order goes to another host's BMC."""
    inject(world, "bmc_swapped", host="c1", other="c2")
    for call in (power.read, power.off):
        with pytest.raises(PowerError) as error:
            call("c1", deadline=WHENEVER)
        assert error.value.trouble is PowerTrouble.WRONG_IDENTITY
    assert world.hosts["c2"].powered


def test_a_host_outside_the_inventory_has_no_device(world: World) -> None:
    """A host that the inventory does not list is not protected."""
    power = SimPower(world, "engine-1", hosts=frozenset({"c1"}))
    assert power.protects("c1")
    assert not power.protects("c2")
    with pytest.raises(PowerError) as error:
        power.off("c2", deadline=WHENEVER)
    assert error.value.trouble is PowerTrouble.NO_DEVICE


def test_to_sleep_is_to_let_the_world_go_on(world: World) -> None:
    """The clock of the world passes the time that somebody sleeps."""
    clock = SimClock(world)
    clock.sleep(3.0)
    assert clock.monotonic() == world.now == 8.0
