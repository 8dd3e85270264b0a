"""What Nova and Placement answer, as our own data, and what is sent to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from unit_tests.adapters.http_stub import Answer, Stub, running_stub
from unit_tests.adapters.nova_stub import (
    ACTION,
    FLAVOR,
    HYPERVISORS,
    MIGRATIONS,
    PROVIDERS,
    SERVERS,
    SERVICE_ID,
    SERVICES,
    listed,
    migration,
    nova,
    refused,
    server,
    service,
    within,
)
from vmha.adapters import nova as nova_module
from vmha.core.model import Instance, Migration, ServicePrior, ServiceReading
from vmha.errors import NovaRefused, NovaUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

PUT = f"{SERVICES}/{SERVICE_ID}"
ALLOCATIONS = f"{PROVIDERS}/rp-1/allocations"
INVENTORIES = f"{PROVIDERS}/rp-1/inventories"


@pytest.fixture
def stub() -> Iterator[Stub]:
    """Serve a stub with an empty host c1."""
    with running_stub() as running:
        running.answer("POST", ACTION, Answer())
        running.answer("GET", SERVICES, listed("services", service()))
        running.answer("PUT", PUT, Answer(body={"service": service()}))
        running.answer("GET", SERVERS, listed("servers"))
        running.answer("GET", MIGRATIONS, listed("migrations"))
        running.answer("GET", PROVIDERS, listed("resource_providers", {"uuid": "rp-1", "name": "c1"}))
        running.answer("GET", ALLOCATIONS, Answer(body={"allocations": {}}))
        yield running


def bodies(stub: Stub, method: str) -> list[Any]:
    """List the bodies that arrived with `method`."""
    return [request.body for request in stub.sent(method)]


def test_services_are_read_as_they_stand(stub: Stub) -> None:
    """A reading has Nova's heartbeat as the text it is, and all three flags."""
    away = service(
        host="c2", state="down", status="disabled", disabled_reason="work", forced_down=True, updated_at=None
    )
    stub.answer("GET", SERVICES, listed("services", service(), away))

    assert nova(stub).services(deadline=within()) == (
        ServiceReading(host="c1", heartbeat="2026-03-14T03:00:00.000000", is_up=True, zone="nova"),
        ServiceReading(
            host="c2", heartbeat="", is_up=False, forced_down=True, disabled=True, disabled_reason="work", zone="nova"
        ),
    )
    assert stub.sent()[0].query == {"binary": "nova-compute"}


def test_room_counts_overcommitment_and_what_is_kept_back(stub: Stub) -> None:
    """What may be given away is total less reserved, times the ratio; one consumer gets at most max_unit; each holds what it holds."""
    vcpu = {"total": 8, "reserved": 1, "allocation_ratio": 4.0, "max_unit": 8, "min_unit": 1, "step_size": 1}
    memory = {**vcpu, "total": 4096, "reserved": 512, "allocation_ratio": 1.0, "max_unit": 4096}
    stub.answer("GET", INVENTORIES, Answer(body={"inventories": {"VCPU": vcpu, "MEMORY_MB": memory}}))
    held = {"i1": {"resources": {"VCPU": 2, "MEMORY_MB": 512}}, "m1": {"resources": {"VCPU": 1}}}
    stub.answer("GET", ALLOCATIONS, Answer(body={"allocations": held}))

    room = nova(stub).room("c1", deadline=within())

    assert room is not None
    assert (room.size, room.largest) == ({"VCPU": 28, "MEMORY_MB": 3584}, {"VCPU": 8, "MEMORY_MB": 4096})
    assert room.held == {"i1": {"VCPU": 2, "MEMORY_MB": 512}, "m1": {"VCPU": 1}}
    assert room.free == {"VCPU": 25, "MEMORY_MB": 3072}


def test_an_inventory_without_its_numbers_is_no_room(stub: Stub) -> None:
    """An answer that lacks what is needed is refused, never guessed."""
    stub.answer("GET", INVENTORIES, Answer(body={"inventories": {"VCPU": {"total": 8}}}))

    with pytest.raises(NovaUnavailable, match="inventories"):
        nova(stub).room("c1", deadline=within())


def test_a_service_in_a_cell_that_is_down_says_nothing(stub: Stub) -> None:
    """Of such a service Nova gives the name and UNKNOWN; that is neither up nor down, so it is no reading."""
    hidden = {"binary": "nova-compute", "host": "c9", "status": "UNKNOWN"}
    stub.answer("GET", SERVICES, listed("services", service(), hidden))

    assert [reading.host for reading in nova(stub).services(deadline=within())] == ["c1"]


def test_force_down_sets_everything_in_one_put(stub: Stub) -> None:
    """One PUT forces down and disables, and the answer is how the service stood before."""
    prior = nova(stub).force_down("c1", reason="why", deadline=within())

    assert prior == ServicePrior(disabled=False, disabled_reason=None, forced_down=False)
    assert stub.sent("GET")[0].query == {"binary": "nova-compute", "host": "c1"}
    assert bodies(stub, "PUT") == [{"forced_down": True, "status": "disabled", "disabled_reason": "why"}]


def test_force_down_keeps_the_reason_of_others(stub: Stub) -> None:
    """A service that somebody disabled is forced down only, and its reason is handed on."""
    stub.answer("GET", SERVICES, listed("services", service(status="disabled", disabled_reason="new disks")))

    prior = nova(stub).force_down("c1", reason="why", deadline=within())

    assert prior == ServicePrior(disabled=True, disabled_reason="new disks", forced_down=False)
    assert bodies(stub, "PUT") == [{"forced_down": True}]


def test_force_down_again_sends_nothing(stub: Stub) -> None:
    """A service that stands as it should is left alone."""
    stub.answer(
        "GET", SERVICES, listed("services", service(status="disabled", disabled_reason="why", forced_down=True))
    )

    prior = nova(stub).force_down("c1", reason="why", deadline=within())

    assert prior == ServicePrior(disabled=True, disabled_reason="why", forced_down=True)
    assert stub.sent("PUT") == []


def test_a_host_that_nova_does_not_know_is_refused(stub: Stub) -> None:
    """A host without a compute service is 404, also when Nova's list has another one."""
    stub.answer("GET", SERVICES, listed("services", service(host="c10")))

    with pytest.raises(NovaRefused) as caught:
        nova(stub).force_down("c1", reason="why", deadline=within())

    assert caught.value.status == 404
    assert stub.sent("PUT") == []


def test_a_host_in_a_cell_that_is_down_is_unavailable(stub: Stub) -> None:
    """Nothing is put to a service of which Nova says nothing now."""
    hidden = {"binary": "nova-compute", "host": "c1", "status": "UNKNOWN"}
    stub.answer("GET", SERVICES, listed("services", hidden))

    with pytest.raises(NovaUnavailable, match="cell"):
        nova(stub).force_down("c1", reason="why", deadline=within())


def test_enable_leaves_forced_down_alone(stub: Stub) -> None:
    """A reserved host is enabled and nothing else; one that is enabled already gets no request."""
    stub.answer("GET", SERVICES, listed("services", service(status="disabled")), listed("services", service()))
    client = nova(stub)

    client.enable("c1", deadline=within())
    client.enable("c1", deadline=within())

    assert bodies(stub, "PUT") == [{"status": "enabled"}]


def test_evacuate_names_a_target_only_if_there_is_one(stub: Stub) -> None:
    """Without a target the scheduler chooses; a target is never forced past it."""
    client = nova(stub)

    client.evacuate("i1", target=None, deadline=within())
    client.evacuate("i1", target="c2", deadline=within())

    assert bodies(stub, "POST") == [{"evacuate": {}}, {"evacuate": {"host": "c2"}}]


def test_instances_are_read_with_what_decides_about_their_disks(stub: Stub) -> None:
    """An empty image is a volume; ephemeral or swap space of the flavor is on the host."""
    volume = server("b", image="", **{"OS-EXT-STS:task_state": "rebooting", "OS-EXT-STS:vm_state": "error"})
    swap = server("c", flavor={**FLAVOR, "swap": 512})
    ephemeral = server("d", image="", flavor={**FLAVOR, "ephemeral": 10})
    stub.answer("GET", SERVERS, listed("servers", server("a"), volume, swap, ephemeral))

    size = {"host": "c1", "vcpus": 1, "memory_mb": 64}
    plain = Instance(uuid="a", name="name-a", vm_state="active", image_backed=True, image="img", **size)
    assert nova(stub).instances_on("c1", deadline=within()) == (
        plain,
        Instance(uuid="b", name="name-b", vm_state="error", task_state="rebooting", **size),
        Instance(uuid="c", name="name-c", vm_state="active", image_backed=True, local_extra=True, image="img", **size),
        Instance(uuid="d", name="name-d", vm_state="active", local_extra=True, **size),
    )
    assert stub.sent()[0].query == {"all_tenants": "1", "host": "c1", "limit": "500"}


def test_extra_specs_are_read_where_nova_shows_them(stub: Stub) -> None:
    """A policy of Nova's may keep them from us: then there are none, and the instance is read all the same."""
    hidden = {name: value for name, value in FLAVOR.items() if name != "extra_specs"}
    shown = server("a", flavor={**FLAVOR, "extra_specs": {"ha_priority": "900", "a": "b"}})
    stub.answer("GET", SERVERS, listed("servers", shown, server("b", flavor=hidden)))

    found = nova(stub).instances_on("c1", deadline=within())
    assert [instance.extra_specs for instance in found] == [(("a", "b"), ("ha_priority", "900")), ()]


def test_lists_are_read_to_their_end(stub: Stub) -> None:
    """Each page is asked for by the last record of the one before, on our own endpoint whatever the link says."""
    stub.answer(
        "GET",
        SERVERS,
        listed("servers", server("a"), server("b"), more=True),
        listed("servers", server("c"), more=True),
        listed("servers"),
    )

    found = nova(stub).instances_on("c1", deadline=within())

    assert [instance.uuid for instance in found] == ["a", "b", "c"]
    assert [request.query.get("marker") for request in stub.sent()] == [None, "b", "c"]


def test_what_stands_on_two_pages_counts_once(stub: Stub) -> None:
    """A list that changes while it is read may show a record on both sides of a page's end; ids of two cells may be the same."""
    stub.answer(
        "GET",
        SERVERS,
        listed("servers", server("a"), server("b"), more=True),
        listed("servers", server("b"), server("c")),
    )
    stub.answer(
        "GET",
        MIGRATIONS,
        listed("migrations", migration(2), migration(1), more=True),
        listed("migrations", migration(1, status="failed"), migration(1, uuid="of-another-cell")),
    )
    client = nova(stub)

    assert [instance.uuid for instance in client.instances_on("c1", deadline=within())] == ["a", "b", "c"]
    records = client.evacuations_from("c1", deadline=within())
    assert [(record.uuid, record.status) for record in records] == [
        ("m-1", "failed"),
        ("of-another-cell", "done"),
        ("m-2", "done"),
    ]


def test_old_migrations_explain_no_consumer(stub: Stub) -> None:
    """That an instance once came through this host does not say why it holds room here: Nova is asked where it is."""
    stub.answer(
        "GET", MIGRATIONS, listed("migrations", migration(1, status="completed", migration_type="live-migration"))
    )
    stub.answer("GET", ALLOCATIONS, Answer(body={"allocations": {"i1": {}}}))
    stub.answer("GET", "/compute/v2.1/servers/i1", Answer(body={"server": {"OS-EXT-SRV-ATTR:host": "c2"}}))

    assert nova(stub).survey("c1", deadline=within()).elsewhere == frozenset({"i1"})


def test_a_list_without_end_is_given_up(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that always has one page more does not hold the engine for ever."""
    monkeypatch.setattr(nova_module, "MAX_PAGES", 3)
    stub.answer("GET", SERVERS, listed("servers", server("a"), more=True))

    with pytest.raises(NovaUnavailable, match="does not end"):
        nova(stub).instances_on("c1", deadline=within())

    assert len(stub.sent()) == 3


def test_instances_of_other_hosts_are_left_out(stub: Stub) -> None:
    """The host's name is compared here too, since Nova drops a filter that it does not allow."""
    stub.answer("GET", SERVERS, listed("servers", server("a"), server("b", **{"OS-EXT-SRV-ATTR:host": "c2"})))

    assert [instance.uuid for instance in nova(stub).instances_on("c1", deadline=within())] == ["a"]


@pytest.mark.parametrize("field", ["OS-EXT-SRV-ATTR:host", "OS-EXT-STS:vm_state", "flavor", "image"])
def test_a_record_that_lacks_something_is_no_answer(stub: Stub, field: str) -> None:
    """An instance without its host or state is refused, not guessed: a plain user sees Nova like that."""
    record = server("a")
    del record[field]
    stub.answer("GET", SERVERS, listed("servers", record))

    with pytest.raises(NovaUnavailable, match="administrator"):
        nova(stub).instances_on("c1", deadline=within())


def test_evacuations_are_all_pages_oldest_first(stub: Stub) -> None:
    """The records of all evacuations from the host come in the order of their ids, whatever their status."""
    stub.answer(
        "GET",
        MIGRATIONS,
        listed("migrations", migration(9, status="accepted", dest_node=None), more=True),
        listed("migrations", migration(3)),
    )

    found = nova(stub).evacuations_from("c1", deadline=within())

    assert found == (
        Migration(id=3, uuid="m-3", instance="i3", kind="evacuation", source="c1", destination="c2", status="done"),
        Migration(id=9, uuid="m-9", instance="i9", kind="evacuation", source="c1", destination=None, status="accepted"),
    )
    first, second = stub.sent()
    assert first.query == {"source_compute": "c1", "migration_type": "evacuation", "limit": "500"}
    assert second.query["marker"] == "m-9"


def test_a_survey_keeps_every_migration(stub: Stub) -> None:
    """Records to and from the host come whatever their status, oldest first: a success says that the failures before it are settled."""
    stub.answer(
        "GET",
        MIGRATIONS,
        listed(
            "migrations",
            migration(6, status="error", migration_type="live-migration"),
            migration(5, status="completed", migration_type="live-migration"),
            migration(4, status="finished", migration_type="resize"),
            migration(3, status="running", migration_type="live-migration", source_compute="c2", dest_compute="c1"),
            migration(2, status="done", source_compute="c2", dest_compute="c1"),
            migration(1, status="failed"),
        ),
    )

    survey = nova(stub).survey("c1", deadline=within())

    assert [record.id for record in survey.migrations] == [1, 2, 3, 4, 5, 6]
    assert stub.sent()[0].query == {"host": "c1", "limit": "500"}


def test_a_survey_asks_placement(stub: Stub) -> None:
    """Consumers of the host's provider are instances; what a migration holds in its own name is left out."""
    stub.answer("GET", MIGRATIONS, listed("migrations", migration(4, status="finished", migration_type="resize")))
    stub.answer("GET", SERVERS, listed("servers", server("a")))
    stub.answer("GET", ALLOCATIONS, Answer(body={"allocations": {"a": {}, "hidden": {}, "m-4": {}}}))

    survey = nova(stub).survey("c1", deadline=within())

    assert [instance.uuid for instance in survey.instances] == ["a"]
    assert survey.consumers == frozenset({"a", "hidden"})
    placement = [request for request in stub.sent() if request.path.startswith("/placement")]
    assert [request.headers["OpenStack-API-Version"] for request in placement] == ["placement 1.28"] * 2
    assert placement[0].query == {"name": "c1"}


def test_a_provider_of_another_name_is_found_by_its_hypervisor(stub: Stub) -> None:
    """Where the hypervisor has the full name and the service the short one, the hypervisor's id leads to the provider."""
    stub.answer("GET", PROVIDERS, listed("resource_providers"))
    stub.answer(
        "GET",
        HYPERVISORS,
        listed(
            "hypervisors",
            {"id": "rp-1", "hypervisor_hostname": "c1.example.org", "service": {"host": "c1"}},
            {"id": "rp-10", "hypervisor_hostname": "c10.example.org", "service": {"host": "c10"}},
        ),
    )
    stub.answer("GET", ALLOCATIONS, Answer(body={"allocations": {"a": {}}}))

    assert nova(stub).survey("c1", deadline=within()).consumers == frozenset({"a"})


def test_hypervisors_lead_to_hosts(stub: Stub) -> None:
    """The service's host stands beside the hypervisor's name; none of the name is no error."""
    named = {"id": "rp-1", "hypervisor_hostname": "rack4.example.org", "service": {"host": "c1"}}
    stub.answer("GET", HYPERVISORS, listed("hypervisors", named))
    assert nova(stub).hypervisors("rack4", deadline=within()) == {"rack4.example.org": "c1"}
    assert stub.sent()[-1].query == {"hypervisor_hostname_pattern": "rack4"}


def test_a_hypervisor_that_nobody_knows_is_none(stub: Stub) -> None:
    """Nova says 404 where no name contains the text."""
    stub.answer("GET", HYPERVISORS, refused(404, "No hypervisor matching 'x' could be found."))
    assert nova(stub).hypervisors("x", deadline=within()) == {}


def test_a_host_without_a_provider_has_no_consumers_to_ask_for(stub: Stub) -> None:
    """None says that Placement cannot vouch for the host; it is not the same as no consumers."""
    stub.answer("GET", PROVIDERS, listed("resource_providers"))
    stub.answer("GET", HYPERVISORS, refused(404, "No hypervisor matching 'c1' could be found."))

    assert nova(stub).survey("c1", deadline=within()).consumers is None
