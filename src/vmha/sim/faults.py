"""The faults of the simulated world by name, for storms, scenarios and the control endpoint alike.

`inject(world, "bmc_silent", host="c1")` does one at once and puts it on record; `FAULTS` says which exist and what each takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vmha.sim import guests, owner
from vmha.sim.gate import Away, Mishap, Refused
from vmha.sim.rows import Landing

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmha.sim.world import World


@dataclass(frozen=True, slots=True)
class Fault:
    """What it is in words, what it does, and the names of its arguments; those in `needs` must be given."""

    words: str
    act: Callable[..., object]
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


def inject(world: World, name: str, **arguments: Any) -> bool:
    """Do one fault now; return False where Nova refused, or did not answer, what an owner or operator wanted.

    Raises `ValueError` for an unknown fault, a wrong or a missing argument, an unknown host or instance.
    """
    fault = FAULTS.get(name)
    if fault is None:
        raise ValueError(f"no fault is named {name}; known are: {', '.join(sorted(FAULTS))}")
    _check_arguments(world, name, fault, arguments)
    world.note("fault", fault=name, **arguments)
    try:
        fault.act(world, **arguments)
    except Refused as refused:
        world.note("mishap", mishap="refused", fault=name, why=refused.message)
        return False
    except Away as away:
        world.note("mishap", mishap="away", fault=name, why=str(away))
        return False
    return True


def _check_arguments(world: World, name: str, fault: Fault, arguments: dict[str, Any]) -> None:
    missing = [key for key in fault.needs if key not in arguments]
    unknown = [key for key in arguments if key not in fault.needs + fault.takes]
    if missing or unknown:
        raise ValueError(f"{name} needs {fault.needs}, may take {fault.takes}, and got {tuple(arguments)}")
    for key in ("host", "other", "target"):
        if arguments.get(key) is not None and arguments[key] not in world.hosts:
            raise ValueError(f"no host is named {arguments[key]}; known are: {', '.join(world.hosts)}")
    if "instance" in arguments and arguments["instance"] not in world.nova.servers:
        raise ValueError(f"there is no instance {arguments['instance']}")
    if "aggregate" in arguments:
        world.nova.aggregates.find(arguments["aggregate"])


def _power_off(world: World, host: str) -> None:
    world.hosts[host].power_off("fault")


def _power_on(world: World, host: str) -> None:
    world.hosts[host].power_on("fault")


def _mains_lost(world: World, host: str) -> None:
    world.bmcs[host].faults.silent = True
    world.hosts[host].power_off("fault")


def _mains_back(world: World, host: str) -> None:
    world.bmcs[host].faults.silent = False
    world.hosts[host].power_on("fault")


def _host_returns(world: World, host: str, seconds: float = 10.0) -> None:
    world.hosts[host].back_on_seconds = seconds


def _host_resumes_guests(world: World, host: str) -> None:
    world.hosts[host].resumes_guests = True


def _bmc(**faults: object) -> Callable[..., None]:
    def act(world: World, host: str) -> None:
        for name, value in faults.items():
            setattr(world.bmcs[host].faults, name, value)

    return act


def _bmc_slow(world: World, host: str, seconds: float = 8.0) -> None:
    world.bmcs[host].faults.delay_seconds = seconds


def _bmc_off_takes(world: World, host: str, seconds: float = 8.0) -> None:
    world.bmcs[host].faults.off_seconds = seconds


def _bmc_well(world: World, host: str) -> None:
    world.bmcs[host].faults.reset()


def _nova_away(world: World, seconds: float = 30.0) -> None:
    world.nova.gate.close(seconds)
    world.placement.gate.close(seconds)


def _keystone_away(world: World, seconds: float = 30.0) -> None:
    world.keystone_gate.close(seconds)


def _tokens_revoked(world: World) -> None:
    world.token_generation += 1


def _glance_away(world: World, seconds: float = 30.0) -> None:
    world.glance_gate.close(seconds)


def _placement_away(world: World, seconds: float = 30.0) -> None:
    world.placement.gate.close(seconds)


def _mishap(mishap: Mishap) -> Callable[..., None]:
    def act(world: World, call: str | None = None, times: int = 1, seconds: float = 5.0) -> None:
        world.nova.gate.spoil(mishap, call=call, times=times, seconds=seconds)

    return act


def _nova_slow(world: World, factor: float = 2.0) -> None:
    world.nova.slowness = factor


def _nova_orders_slow(world: World, seconds: float = 1.0) -> None:
    world.nova.order_seconds = seconds


def _bus_away(world: World, seconds: float = 90.0) -> None:
    world.nova.stop_bus(seconds)


def _nova_clock_steps(world: World, seconds: float = 3600.0) -> None:
    world.nova.clock_step_seconds = seconds


def _cell_hidden(world: World, host: str, services: bool = False) -> None:
    world.nova.hidden = world.nova.hidden | {host}
    world.nova.hidden_services = services


def _cell_shown(world: World) -> None:
    world.nova.hidden = frozenset()


def _filtered(world: World, host: str) -> None:
    world.nova.filtered = world.nova.filtered | {host}


def _not_filtered(world: World) -> None:
    world.nova.filtered = frozenset()


def _landing(landing: Landing) -> Callable[..., None]:
    def act(world: World, host: str | None = None, times: int = 1, seconds: float | None = None) -> None:
        world.nova.spoil_landing(landing, host=host, times=times, seconds=seconds)

    return act


def _on_host(method: str) -> Callable[..., None]:
    def act(world: World, host: str) -> None:
        getattr(world.hosts[host], method)()

    return act


def _swap(world: World, host: str, other: str) -> None:
    world.swap_bmcs(host, other)


def _disable(world: World, host: str) -> None:
    world.nova.change_service(host, "operator", disabled=True, reason="maintenance")


def _joins(world: World, host: str, aggregate: str) -> None:
    aggregates = world.nova.aggregates
    aggregates.put(aggregates.find(aggregate), host, "operator")


def _force_down(world: World, host: str) -> None:
    world.nova.change_service(host, "operator", forced_down=True)


def _delete_service(world: World, host: str) -> None:
    world.nova.drop_service(host, "operator")


def _evacuate(world: World, instance: str, target: str | None = None) -> None:
    world.nova.take_evacuation(instance, target, "operator", world.now)


def _reset_state(world: World, instance: str) -> None:
    world.nova.change(world.nova.servers[instance], "its state was reset by an operator", vm_state="active")


_H = ("host",)
_I = ("instance",)
_LANDING = ("host", "times", "seconds")
_CALL = ("call", "times", "seconds")

FAULTS: dict[str, Fault] = {
    "power_lost": Fault("the host loses its power, its BMC does not", _power_off, _H),
    "power_back": Fault("somebody switches the host on", _power_on, _H),
    "mains_lost": Fault("the host and its BMC lose their power", _mains_lost, _H),
    "mains_back": Fault("the host and its BMC have power again, and the host starts", _mains_back, _H),
    "host_crashes": Fault("the kernel dies and the power stays on", _on_host("crash"), _H),
    "host_returns": Fault(
        "the host switches itself on again, so long after each loss of power", _host_returns, _H, ("seconds",)
    ),
    "host_resumes_guests": Fault("a returning nova-compute starts the guests it had", _host_resumes_guests, _H),
    "compute_dies": Fault("the nova-compute process ends, the guests run on", _on_host("kill_compute"), _H),
    "compute_starts": Fault("a dead nova-compute starts", _on_host("start_compute"), _H),
    "compute_hangs": Fault("nova-compute stands still, the guests run on", _on_host("hang_compute"), _H),
    "compute_resumes": Fault("a hung nova-compute goes on", _on_host("resume_compute"), _H),
    "network_cut": Fault(
        "the host is cut off from the management network, the guests run on", _on_host("cut_network"), _H
    ),
    "network_back": Fault("the host is connected again", _on_host("join_network"), _H),
    "bmc_silent": Fault("the BMC does not answer", _bmc(silent=True), _H),
    "bmc_bad_password": Fault("the BMC refuses our password", _bmc(bad_password=True), _H),
    "bmc_failing": Fault("the BMC answers with an error", _bmc(failing=True), _H),
    "bmc_stuck": Fault("the BMC takes a power-off and the host stays on", _bmc(stuck=True), _H),
    "bmc_stale": Fault("as bmc_stuck, and the first reading after the order says OFF", _bmc(stale=True), _H),
    "bmc_always_off": Fault("the BMC says OFF whatever is true, and does nothing", _bmc(always_off=True), _H),
    "bmc_slow": Fault("the BMC takes so long to answer", _bmc_slow, _H, ("seconds",)),
    "bmc_off_takes": Fault("the host goes off so long after the order", _bmc_off_takes, _H, ("seconds",)),
    "bmc_swapped": Fault("the BMCs of two hosts are exchanged", _swap, ("host", "other")),
    "bmc_well": Fault("nothing is wrong with the BMC any more", _bmc_well, _H),
    "nova_away": Fault("Nova and Placement do not answer", _nova_away, (), ("seconds",)),
    "keystone_away": Fault("Keystone does not answer", _keystone_away, (), ("seconds",)),
    "tokens_revoked": Fault("Keystone refuses every token that it gave so far", _tokens_revoked),
    "glance_away": Fault("Glance does not answer", _glance_away, (), ("seconds",)),
    "placement_away": Fault("Placement does not answer", _placement_away, (), ("seconds",)),
    "nova_reply_lost": Fault(
        "Nova takes the next order, and its answer gets lost", _mishap(Mishap.REPLY_LOST), (), _CALL
    ),
    "nova_order_lost": Fault("the next order gets lost on its way", _mishap(Mishap.ORDER_LOST), (), _CALL),
    "nova_order_late": Fault(
        "the next order is taken so late that nobody waits", _mishap(Mishap.ORDER_LATE), (), _CALL
    ),
    "nova_slow": Fault("everything inside Nova takes longer by a factor", _nova_slow, (), ("factor",)),
    "nova_orders_slow": Fault(
        "Nova takes each evacuation order at once and answers so much later", _nova_orders_slow, (), ("seconds",)
    ),
    "nova_clock_steps": Fault(
        "Nova's clock jumps ahead: every heartbeat looks old", _nova_clock_steps, (), ("seconds",)
    ),
    "bus_away": Fault("Nova's message bus is down: no heartbeat arrives", _bus_away, (), ("seconds",)),
    "cell_hidden": Fault("the cell of a host is down: lists leave it out", _cell_hidden, _H, ("services",)),
    "cell_shown": Fault("all cells answer again", _cell_shown),
    "scheduler_filters": Fault("the scheduler's filters leave a host out, though there is room", _filtered, _H),
    "scheduler_takes_all": Fault("they leave out none", _not_filtered),
    "claim_fails": Fault(
        "an evacuation fails before anything was touched", _landing(Landing.CLAIM_FAILS), (), _LANDING
    ),
    "spawn_fails": Fault(
        "an evacuation fails and leaves the instance in error", _landing(Landing.SPAWN_FAILS), (), _LANDING
    ),
    "guest_orphaned": Fault("an evacuation fails after its guest started", _landing(Landing.ORPHANS), (), _LANDING),
    "destination_hangs": Fault("a guest starts and nothing is said of it", _landing(Landing.HANGS), (), _LANDING),
    "destination_dies": Fault(
        "a destination loses power after the guest started", _landing(Landing.DIES), (), _LANDING
    ),
    "operator_disables": Fault("an operator disables the service", _disable, _H),
    "operator_adds_to_aggregate": Fault("an operator adds a host to an aggregate", _joins, ("host", "aggregate")),
    "operator_deletes_service": Fault("an operator deletes the service from Nova", _delete_service, _H),
    "operator_evacuates": Fault("an operator evacuates an instance by hand", _evacuate, _I, ("target",)),
    "operator_resets_state": Fault("an operator has Nova hold an instance for active", _reset_state, _I),
    "operator_forces_down": Fault("an operator forces the service down", _force_down, _H),
    "guest_crashes": Fault("a guest dies, and nova-compute notices or does not", guests.crash, _I, ("unnoticed",)),
    "guest_hangs": Fault("a guest can be neither stopped nor started", guests.hang, _I),
    "guest_heals": Fault("it can again", guests.heal, _I),
    "owner_starts": Fault("the owner starts an instance", owner.start, _I),
    "operator_migrates": Fault("a stopped instance is migrated to another host", owner.migrate, _I, ("target",)),
    "owner_deletes": Fault("the owner deletes an instance", owner.delete, _I),
    "owner_stops": Fault("the owner stops an instance", owner.stop, _I),
    "owner_live_migrates": Fault("an instance is live-migrated", owner.live_migrate, _I, ("target",)),
}
