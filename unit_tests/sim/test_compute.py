"""The simulated Nova: what it takes and refuses, and how evacuations end."""

from __future__ import annotations

import pytest

from vmha.sim import owner
from vmha.sim.faults import inject
from vmha.sim.gate import Away, NoAnswer, Refused
from vmha.sim.rows import MigrationRecord, Server
from vmha.sim.world import World


@pytest.fixture
def world() -> World:
    """Three hosts; c1 is dead and forced down, and carries one active instance."""
    world = World(3)
    for name in ("c1", "c2", "c3"):
        world.add_host(name, vcpus=4)
    world.add_server("c1", name="web")
    world.advance(10.0)
    world.hosts["c1"].power_off("fault")
    world.nova.set_service("c1", caller="test", forced_down=True, disabled=True, reason="dead")
    return world


@pytest.fixture
def web(world: World) -> Server:
    """The instance on c1."""
    return next(iter(world.nova.servers.values()))


def evacuate(world: World, server: Server, target: str | None = None) -> MigrationRecord:
    """Order an evacuation."""
    return world.nova.evacuate(server.uuid, target=target, caller="test")


def statuses(world: World, record: MigrationRecord) -> list[str]:
    """Return what a migration record said, one after the other."""
    return [fact["status"] for fact in world.record.of("migration", migration=record.id)]


def test_an_evacuation_runs_through_novas_steps(world: World, web: Server) -> None:
    """The guest runs first, then the instance is ACTIVE, then its host changes, then the record is done."""
    record = evacuate(world, web)
    assert (record.status, record.destination, web.task_state) == ("accepted", None, "rebuilding")
    world.advance(60.0)
    facts = [fact for fact in world.record.facts if fact["at"] > 10.0]
    order = [(fact["what"], fact.get("status") or fact.get("host")) for fact in facts]
    destination = web.host
    assert order == [
        ("migration", "pre-migrating"),
        ("guest", destination),
        ("server", "c1"),
        ("server", destination),
        ("migration", "done"),
    ]
    assert (web.vm_state, web.task_state, record.destination) == ("active", None, destination)
    assert world.running(web.uuid) == [destination]


def test_the_source_keeps_its_allocation_until_it_returns(world: World, web: Server) -> None:
    """Placement lists the instance on both hosts after an evacuation, and on one when the old nova-compute is back."""
    evacuate(world, web)
    world.advance(60.0)
    assert world.placement.consumers("c1") == {web.uuid}
    assert world.placement.consumers(web.host) == {web.uuid}
    world.hosts["c1"].power_on("test")
    world.advance(200.0)
    assert world.placement.consumers("c1") == frozenset()
    assert world.nova.migrations[0].status == "completed"


def test_a_service_cannot_be_forced_up_before_it_returned(world: World, web: Server) -> None:
    """Forcing a service up is refused while evacuations from it are done and not completed."""
    evacuate(world, web)
    world.advance(60.0)
    with pytest.raises(Refused, match="Unable to force up"):
        world.nova.set_service("c1", caller="test", forced_down=False)
    world.hosts["c1"].power_on("test")
    world.advance(200.0)
    world.nova.set_service("c1", caller="test", forced_down=False)
    assert world.nova.is_up(world.nova.services["c1"])


def test_a_put_that_changes_nothing_is_refused(world: World) -> None:
    """Nova answers 400 to a PUT that leaves everything as it is."""
    with pytest.raises(Refused, match="No updates") as error:
        world.nova.set_service("c1", caller="test", forced_down=True)
    assert error.value.status == 400


@pytest.mark.parametrize(
    ("change", "target", "status", "words"),
    [
        ("up", None, 400, "Compute service of c1 is still in use."),
        ("paused", None, 409, "while it is in vm_state paused"),
        ("gone", None, 404, "could not be found"),
        ("", "c1", 400, "The target host can't be the same one."),
        ("", "c9", 404, "Compute host c9 not found."),
    ],
)
def test_nova_refuses_as_the_real_one(
    world: World, web: Server, change: str, target: str | None, status: int, words: str
) -> None:
    """An evacuation that Nova refuses has Nova's status and words, and begins nothing."""
    if change == "up":
        world.nova.services["c1"].forced_down = False
    if change == "paused":
        web.vm_state = "paused"
    if change == "gone":
        owner.delete(world, web.uuid)
    with pytest.raises(Refused, match=words) as error:
        evacuate(world, web, target)
    assert error.value.status == status
    assert not world.nova.migrations
    assert world.record.of("evacuation", outcome="refused", status=status)


def test_a_stopped_instance_ends_stopped(world: World, web: Server) -> None:
    """A stopped instance has a new host in the end, and no guest."""
    web.vm_state = "stopped"
    record = evacuate(world, web)
    world.advance(60.0)
    assert (web.vm_state, web.host != "c1", record.status) == ("stopped", True, "done")
    assert world.running(web.uuid) == []


def test_from_2_95_an_active_instance_ends_stopped_too(world: World, web: Server) -> None:
    """The later microversion leaves a guest that ran stopped on its new host."""
    world.nova.evacuate(web.uuid, target=None, caller="test", ends_stopped=True)
    world.advance(60.0)
    assert (web.vm_state, world.running(web.uuid)) == ("stopped", [])


def test_a_named_destination_stands_in_the_record_at_once(world: World, web: Server) -> None:
    """An evacuation with a target goes there, and its record names it from the beginning."""
    record = evacuate(world, web, "c3")
    assert record.destination == "c3"
    world.advance(60.0)
    assert web.host == "c3"


def test_no_valid_host(world: World, web: Server) -> None:
    """Where nothing fits, the record is in error without a destination, and so is the instance."""
    for number in range(8):
        world.add_server(f"c{2 + number % 2}")
    record = evacuate(world, web)
    world.advance(60.0)
    assert (record.status, record.destination, web.vm_state, web.host) == ("error", None, "error", "c1")


def test_the_scheduler_leaves_out_what_cannot_take(world: World, web: Server) -> None:
    """A disabled host and one that is down take no evacuation."""
    world.nova.set_service("c2", caller="test", disabled=True)
    evacuate(world, web)
    world.advance(60.0)
    assert web.host == "c3"


def test_a_failed_claim_leaves_the_instance_as_it_was(world: World, web: Server) -> None:
    """When the destination cannot claim, the record fails without a destination, and the instance is as before."""
    inject(world, "claim_fails")
    record = evacuate(world, web)
    world.advance(60.0)
    assert (record.status, record.destination) == ("failed", None)
    assert (web.vm_state, web.task_state, web.host) == ("active", None, "c1")
    again = evacuate(world, web)
    world.advance(120.0)
    assert again.status == "done"


def test_a_failed_spawn_leaves_the_instance_in_error(world: World, web: Server) -> None:
    """When the guest does not start, the record fails with its destination, and the instance is in error."""
    inject(world, "spawn_fails")
    record = evacuate(world, web)
    world.advance(60.0)
    assert (record.status, record.destination is None, web.vm_state) == ("failed", False, "error")
    assert world.running(web.uuid) == []


def test_a_failed_evacuation_can_leave_a_guest_running(world: World, web: Server) -> None:
    """The record says failed and the host is the old one, and yet a guest runs on the destination."""
    inject(world, "guest_orphaned")
    record = evacuate(world, web)
    world.advance(60.0)
    assert (record.status, web.vm_state, web.host) == ("failed", "error", "c1")
    assert world.running(web.uuid) == [record.destination]


def test_a_destination_hangs_after_the_spawn(world: World, web: Server) -> None:
    """The guest runs on the destination while Nova still holds it for being on its old host, for as long as it hangs."""
    inject(world, "destination_hangs", seconds=100.0)
    record = evacuate(world, web)
    world.advance(100.0)
    assert (record.status, web.host, web.task_state) == ("pre-migrating", "c1", "rebuild_spawning")
    assert world.running(web.uuid) == [record.destination]
    world.advance(150.0)
    assert (record.status, web.host) == ("done", record.destination)


def test_a_destination_dies_after_the_spawn(world: World, web: Server) -> None:
    """The guest is gone with its destination, and the record never ends."""
    inject(world, "destination_dies")
    record = evacuate(world, web)
    world.advance(300.0)
    assert (record.status, web.host, world.running(web.uuid)) == ("pre-migrating", "c1", [])


def test_an_order_waits_in_the_queue_of_a_dead_destination(world: World, web: Server) -> None:
    """A destination whose nova-compute died after it was chosen does the work when it starts again, however late."""
    record = evacuate(world, web, "c2")
    inject(world, "compute_dies", host="c2")
    world.advance(500.0)
    assert record.status == "accepted"
    inject(world, "compute_starts", host="c2")
    world.advance(520.0)
    assert (record.status, web.host) == ("done", "c2")


def test_two_evacuations_of_one_instance_can_run_two_guests(world: World, web: Server) -> None:
    """As the real one, Nova takes a second order while the first is under way; nothing keeps both from running."""
    evacuate(world, web, "c2")
    world.advance(12.0)
    evacuate(world, web, "c3")
    world.advance(60.0)
    assert sorted(world.running(web.uuid)) == ["c2", "c3"]


def test_a_returning_compute_cleans_up(world: World, web: Server) -> None:
    """A nova-compute that starts destroys guests that were evacuated from its host, and leaves those that were not."""
    other = world.add_server("c2")
    inject(world, "compute_dies", host="c2")
    inject(world, "operator_forces_down", host="c2")
    staying = world.add_server("c2")
    evacuate(world, other)
    world.advance(60.0)
    assert len(world.running(other.uuid)) == 2
    inject(world, "compute_starts", host="c2")
    assert world.running(other.uuid) == [other.host]
    assert world.running(staying.uuid) == ["c2"]


def test_a_deleted_instance_is_not_evacuated(world: World, web: Server) -> None:
    """An instance that its owner deletes in mid-move leaves no guest behind."""
    evacuate(world, web)
    world.advance(12.0)
    owner.delete(world, web.uuid)
    world.advance(60.0)
    assert world.running(web.uuid) == []
    assert world.nova.migrations[0].status == "failed"
    assert not world.nova.list_servers("c1")


def test_a_live_migration_moves_the_guest_without_a_gap(world: World) -> None:
    """The guest changes hosts in one moment; only then does Nova's host change, and the record completes."""
    server = world.add_server("c2")
    record = owner.live_migrate(world, server.uuid)
    assert (record.kind, record.destination) == ("live-migration", "c3")
    assert world.placement.consumers("c2") == {record.uuid}
    world.advance(60.0)
    assert (record.status, server.host, world.running(server.uuid)) == ("completed", "c3", ["c3"])
    assert world.placement.consumers("c2") == frozenset()


def test_a_source_that_dies_after_the_switch_leaves_a_half_truth(world: World) -> None:
    """The guest runs on the destination while Nova holds it for being on the dead source."""
    server = world.add_server("c2")
    record = owner.live_migrate(world, server.uuid)
    while world.running(server.uuid) == ["c2"]:
        world.advance(world.next_at() or 0.0)
    world.hosts["c2"].power_off("fault")
    world.advance(300.0)
    assert (server.host, record.status, world.running(server.uuid)) == ("c2", "running", ["c3"])


def test_an_owner_stops_an_instance(world: World) -> None:
    """A stop ends the guest, and Nova says stopped; it waits while nova-compute is away."""
    server = world.add_server("c2")
    inject(world, "compute_hangs", host="c2")
    owner.stop(world, server.uuid)
    world.advance(100.0)
    assert (server.task_state, world.running(server.uuid)) == ("powering-off", ["c2"])
    inject(world, "compute_resumes", host="c2")
    world.advance(102.0)
    assert (server.vm_state, server.task_state, world.running(server.uuid)) == ("stopped", None, [])
    owner.start(world, server.uuid)
    world.advance(104.0)
    assert (server.vm_state, world.running(server.uuid)) == ("active", ["c2"])


def test_an_outage_answers_nothing_and_ends(world: World) -> None:
    """While Nova is away every call goes without an answer, and afterwards it is as before."""
    inject(world, "nova_away", seconds=30.0)
    with pytest.raises(NoAnswer):
        world.nova.list_services()
    with pytest.raises(NoAnswer):
        world.placement.consumers("c1")
    world.advance(40.1)
    assert world.nova.list_services()


def test_a_lost_reply_hides_an_order_that_was_taken(world: World, web: Server) -> None:
    """The caller hears nothing, and Nova works on the order."""
    inject(world, "nova_reply_lost", call="evacuate")
    with pytest.raises(NoAnswer):
        evacuate(world, web)
    assert [record.status for record in world.nova.migrations] == ["accepted"]
    evacuate(world, web)


def test_a_lost_order_was_never_taken(world: World, web: Server) -> None:
    """The caller hears nothing, and Nova knows of nothing."""
    inject(world, "nova_order_lost")
    with pytest.raises(NoAnswer):
        evacuate(world, web)
    assert not world.nova.migrations


def test_a_late_order_is_taken_when_nobody_waits(world: World, web: Server) -> None:
    """The caller hears nothing, and Nova takes the order later; the record says when it was sent."""
    inject(world, "nova_order_late", seconds=20.0)
    with pytest.raises(NoAnswer):
        evacuate(world, web)
    assert not world.nova.migrations
    world.advance(31.0)
    [fact] = world.record.of("evacuation", outcome="taken")
    assert (fact["at"], fact["sent_at"]) == (30.0, 10.0)


def test_a_late_order_that_nova_refuses_ends_there(world: World, web: Server) -> None:
    """A late order finds the service up again, and is refused without anybody to hear it."""
    inject(world, "nova_order_late", seconds=20.0)
    with pytest.raises(NoAnswer):
        evacuate(world, web)
    world.nova.services["c1"].forced_down = False
    world.advance(31.0)
    assert world.record.of("evacuation", outcome="refused")


def test_lists_leave_a_hidden_cell_out(world: World, web: Server) -> None:
    """When a cell is down its instances are missing without a word, while Placement still lists who consumes the host."""
    inject(world, "cell_hidden", host="c1")
    assert world.nova.list_servers("c1") == []
    assert world.placement.consumers("c1") == {web.uuid}
    with pytest.raises(Away):
        world.nova.show_server(web.uuid)
    inject(world, "cell_shown")
    assert world.nova.list_servers("c1") == [web]


def test_a_slow_nova_takes_longer(world: World, web: Server) -> None:
    """Every step inside a slow Nova is stretched by the factor."""
    inject(world, "nova_slow", factor=10.0)
    evacuate(world, web)
    world.advance(35.0)
    assert web.host == "c1"
    world.advance(110.0)
    assert web.host != "c1"
