"""The simulated cloud over real HTTP, as openstacksdk, keystonemiddleware and plain clients see it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from keystonemiddleware.auth_token import AuthProtocol
from openstack.connection import Connection
from openstack.exceptions import SDKException

from unit_tests.sim.rehearsal import connect, inject, quick_world, state
from vmha.sim import owner
from vmha.sim.checker import check
from vmha.sim.served import ServedWorld
from vmha.sim.violations import Kind

COMPUTE_294 = {"OpenStack-API-Version": "compute 2.94"}


@pytest.fixture
def served() -> Iterator[ServedWorld]:
    """Three hosts, seven instances on c1, pages of three."""
    world = quick_world(instances=7)
    with ServedWorld(world, with_bmcs=False, instance_ha_url="http://127.0.0.1:9/v1", max_limit=3) as served:
        yield served


@pytest.fixture
def cloud(served: ServedWorld) -> Iterator[Connection]:
    """The cloud as its administrator sees it."""
    connection = connect(served)
    yield connection
    connection.close()


def wait(check: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait in real time until something holds."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def put_service(cloud: Connection, host: str, **body: Any) -> requests.Response:
    """PUT a service at 2.94."""
    [service] = [each for each in cloud.compute.services() if each.host == host]
    answer: requests.Response = cloud.compute.put(f"/os-services/{service.id}", json=body, microversion="2.94")
    return answer


def act(cloud: Connection, server: str, microversion: str = "2.94", **body: Any) -> requests.Response:
    """POST an action."""
    answer: requests.Response = cloud.compute.post(f"/servers/{server}/action", json=body, microversion=microversion)
    return answer


def names(servers: Iterator[Any]) -> set[str]:
    """Return the names of servers."""
    return {server.name for server in servers}


def test_the_catalog_leads_everywhere(cloud: Connection) -> None:
    """A login yields the four endpoints, and openstacksdk discovers each API behind them."""
    assert cloud.session.get_endpoint(service_type="instance-ha") == "http://127.0.0.1:9/v1"
    assert cloud.compute.get_endpoint_data().max_microversion == (2, 96)
    assert cloud.placement.get_endpoint_data().max_microversion == (1, 39)
    assert cloud.identity.get_endpoint_data().api_version[0] == 3


def test_a_wrong_password_is_refused(served: ServedWorld) -> None:
    """Nobody logs in with another password."""
    connection = connect(served)
    connection.session.auth._password = "wrong"
    with pytest.raises(SDKException, match="requires authentication"):
        connection.authorize()


def test_nothing_is_answered_without_a_token(served: ServedWorld) -> None:
    """Lists and orders need a token, versions do not."""
    for path in ("/compute/v2.1/os-services", "/placement/resource_providers", "/compute/v2.1/servers"):
        assert requests.get(served.url + path, timeout=60).status_code == 401
    for path in ("/compute/", "/compute/v2.1/", "/placement/", "/identity/v3"):
        assert requests.get(served.url + path, timeout=60).status_code == 200


def test_services_are_listed(cloud: Connection, served: ServedWorld) -> None:
    """Each host has its service, with all that 2.53 and later show; its updated_at changes as time goes by."""
    services = {service.host: service for service in cloud.compute.services()}
    assert set(services) == {"c1", "c2", "c3"}
    assert (services["c1"].state, services["c1"].status, services["c1"].is_forced_down) == ("up", "enabled", False)
    assert services["c1"].id == served.world.nova.services["c1"].uuid
    before = services["c1"].updated_at
    wait(lambda: next(iter(cloud.compute.services(host="c1"))).updated_at != before)


def test_a_service_is_forced_down_in_one_put(cloud: Connection, served: ServedWorld) -> None:
    """One PUT sets both flags, the answer shows them, and the record names the caller."""
    answer = put_service(cloud, "c1", forced_down=True, status="disabled", disabled_reason="dead")
    service = answer.json()["service"]
    assert (service["forced_down"], service["status"], service["state"]) == (True, "disabled", "down")
    [fact] = served.world.record.of("service")
    assert (fact["host"], fact["disabled_reason"]) == ("c1", "dead")
    assert fact["caller"].startswith("openstacksdk/")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"status": "sleeping"}, "Invalid input"),
        ({"color": "red"}, "Invalid input"),
        ({}, "No updates were requested"),
        ({"status": "enabled", "disabled_reason": "why"}, "is invalid"),
    ],
)
def test_a_wrong_put_is_refused(cloud: Connection, served: ServedWorld, body: dict[str, str], words: str) -> None:
    """A PUT that Nova would refuse is refused, and changes nothing."""
    answer = put_service(cloud, "c1", **body)
    assert answer.status_code == 400
    assert words in answer.json()["badRequest"]["message"]
    assert not served.world.record.of("service")


def test_the_ways_before_2_53_work(cloud: Connection, served: ServedWorld) -> None:
    """What older clients call by binary and host sets the same flags."""
    who = {"host": "c1", "binary": "nova-compute"}

    def put(action: str, **more: object) -> int:
        body = {**who, **more}
        return int(cloud.compute.put(f"/os-services/{action}", json=body, microversion="2.11").status_code)

    assert put("disable-log-reason", disabled_reason="maintenance") == 200
    assert put("force-down", forced_down=True) == 200
    service = served.world.nova.services["c1"]
    assert (service.disabled_reason, service.forced_down) == ("maintenance", True)
    assert put("enable") == 200
    assert (put("dance"), put("disable", host="c9")) == (404, 404)
    assert not service.disabled


def test_servers_come_in_pages(cloud: Connection, served: ServedWorld) -> None:
    """A client that follows the links gets all servers, newest first; the pages are no longer than the limit."""
    found = list(cloud.compute.servers(all_projects=True, compute_host="c1"))
    assert [server.name for server in found] == [f"vm{number}" for number in range(7, 0, -1)]
    answer = cloud.compute.get("/servers/detail?all_tenants=1&limit=2").json()
    assert len(answer["servers"]) == 2
    assert "marker=" in answer["servers_links"][0]["href"]
    assert cloud.compute.get("/servers?limit=x").status_code == 400
    assert cloud.compute.get("/servers?marker=nobody").status_code == 400


def test_a_server_shows_what_an_administrator_sees(cloud: Connection, served: ServedWorld) -> None:
    """The details hold host, states, image or volume, and the flavor as it was."""
    with served.live.caught_up() as world:
        uuid = world.add_server("c2", name="web", image_backed=True, ephemeral_gb=5, swap_mb=64).uuid
    server = cloud.compute.get_server(uuid)
    assert (server.compute_host, server.vm_state, server.task_state, server.status) == ("c2", "active", None, "ACTIVE")
    assert (server.flavor.ephemeral, server.flavor.swap, bool(server.image)) == (5, 64, True)
    old = cloud.compute.get(f"/servers/{uuid}", microversion="2.46").json()["server"]
    assert "ephemeral" not in old["flavor"]
    assert cloud.compute.get("/servers/nobody").status_code == 404


def test_only_administrators_see_everything(served: ServedWorld) -> None:
    """A member sees its own project's servers, no services and no migrations."""
    member = connect(served, "demo", "demo")
    assert len(names(member.compute.servers(compute_host="c2"))) == 7
    assert names(connect(served).compute.servers()) == set()
    for path in ("/os-services", "/os-migrations", "/os-hypervisors"):
        assert member.compute.get(path).status_code == 403
    assert member.placement.get("/resource_providers").status_code == 403
    server = next(iter(served.world.nova.servers))
    assert act(member, server, evacuate={}).status_code == 403
    member.close()


def test_an_evacuation_from_end_to_end(cloud: Connection, served: ServedWorld) -> None:
    """A host dies, its service is forced down, one instance is evacuated, and records, lists and the truth agree."""
    uuid = next(iter(served.world.nova.servers))
    assert act(cloud, uuid, evacuate={}).status_code == 400
    inject(served, "power_lost", host="c1")
    put_service(cloud, "c1", forced_down=True, status="disabled")
    answer = act(cloud, uuid, evacuate={"host": "c3"})
    assert (answer.status_code, answer.content) == (200, b"")
    wait(lambda: next(iter(cloud.compute.migrations())).status == "done")
    [record] = cloud.compute.migrations(source_compute="c1", migration_type="evacuation")
    assert (record.server_id, record.dest_compute, record.source_compute) == (uuid, "c3", "c1")
    assert cloud.compute.get_server(uuid).compute_host == "c3"
    assert state(served)["instances"][uuid]["runs_on"] == ["c3"]
    assert state(served)["hosts"]["c1"]["guests"] == []


def test_what_each_microversion_takes(cloud: Connection, served: ServedWorld) -> None:
    """Arguments that a microversion does not know are refused; from 2.95 an instance ends stopped."""
    first, second, third, *_ = served.world.nova.servers
    inject(served, "power_lost", host="c1")
    put_service(cloud, "c1", forced_down=True)
    assert act(cloud, first, "2.94", evacuate={"force": True, "host": "c2"}).status_code == 400
    assert act(cloud, first, "2.13", evacuate={}).status_code == 400
    assert act(cloud, first, "2.13", evacuate={"onSharedStorage": False}).status_code == 200
    assert act(cloud, second, "2.67", evacuate={"force": False, "host": "c2"}).status_code == 200
    assert act(cloud, third, "2.95", evacuate={}).status_code == 200
    wait(lambda: all(each.status == "done" for each in cloud.compute.migrations()))
    states = [cloud.compute.get_server(uuid).vm_state for uuid in (first, second, third)]
    assert states == ["active", "active", "stopped"]


def test_migrations_come_in_pages_newest_first(cloud: Connection, served: ServedWorld) -> None:
    """A client that follows the links gets all records; before 2.59 there are no pages."""
    inject(served, "power_lost", host="c1")
    put_service(cloud, "c1", forced_down=True)
    for uuid in list(served.world.nova.servers):
        act(cloud, uuid, evacuate={})
    uuids = [record.uuid for record in cloud.compute.migrations()]
    assert uuids == [record.uuid for record in reversed(served.world.nova.migrations)]
    old = cloud.compute.get("/os-migrations", microversion="2.58").json()
    assert [record["id"] for record in old["migrations"]] == list(range(1, 8))
    assert "uuid" not in old["migrations"][0]
    none = cloud.compute.get("/os-migrations?source_compute=c2", microversion="2.94").json()
    assert none == {"migrations": []}


def test_owners_act_over_the_api(cloud: Connection, served: ServedWorld) -> None:
    """Stop, start, live migration and deletion do to the guests what they say."""
    one, other, third, *_ = served.world.nova.servers
    cloud.compute.stop_server(one)
    wait(lambda: state(served)["instances"][one]["runs_on"] == [])
    cloud.compute.start_server(one)
    wait(lambda: state(served)["instances"][one]["runs_on"] == ["c1"])
    assert act(cloud, other, **{"os-migrateLive": {"host": "c2", "block_migration": "auto"}}).status_code == 202
    wait(lambda: state(served)["instances"][other]["runs_on"] == ["c2"])
    cloud.compute.delete_server(third)
    assert third not in state(served)["instances"]
    assert act(cloud, one, dance=None).status_code == 400
    assert act(cloud, one, **{"os-start": None}).status_code == 409


def test_placement_knows_providers_and_consumers(cloud: Connection, served: ServedWorld) -> None:
    """A provider per host, with its consumers, its usage and its inventory."""
    [provider] = cloud.placement.resource_providers(name="c1")
    get = cloud.placement.get
    held = get(f"/resource_providers/{provider.id}/allocations").json()["allocations"]
    assert set(held) == set(served.world.nova.servers)
    assert get(f"/resource_providers/{provider.id}/usages").json()["usages"] == {"VCPU": 7}
    assert get(f"/resource_providers/{provider.id}/inventories").json()["inventories"]["VCPU"]["total"] == 64
    assert set(get(f"/allocations/{next(iter(held))}").json()["allocations"]) == {provider.id}
    assert get("/resource_providers/nobody").json()["errors"][0]["status"] == 404
    assert list(cloud.placement.resource_providers(name="nowhere")) == []
    assert get(f"/resource_providers/{provider.id}").json()["name"] == "c1"


def test_hypervisors_have_the_ids_of_providers(cloud: Connection, served: ServedWorld) -> None:
    """From the host of a service one finds its provider also through the hypervisor."""
    found = cloud.compute.get("/os-hypervisors/detail?hypervisor_hostname_pattern=c2", microversion="2.94").json()
    [hypervisor] = found["hypervisors"]
    assert (hypervisor["service"]["host"], hypervisor["id"]) == ("c2", served.world.placement.providers["c2"])
    assert cloud.compute.get("/os-hypervisors/detail?hypervisor_hostname_pattern=x").status_code == 404


@pytest.mark.parametrize(
    ("asked", "status"), [("compute 2.1", 200), ("compute latest", 200), ("compute 2.97", 406), ("compute x", 400)]
)
def test_microversions_outside_the_range_are_refused(
    cloud: Connection, served: ServedWorld, asked: str, status: int
) -> None:
    """Nova answers 406 above its newest microversion, and 400 to what is none."""
    token = cloud.session.get_token()
    headers = {"X-Auth-Token": token, "OpenStack-API-Version": asked}
    answer = requests.get(f"{served.url}/compute/v2.1/os-services", headers=headers, timeout=60)
    assert answer.status_code == status


def test_a_cell_that_is_down_leaves_only_names(cloud: Connection, served: ServedWorld) -> None:
    """Its services are shown by name and as UNKNOWN, its instances not at all."""
    inject(served, "cell_hidden", host="c1", services=True)
    services = {
        each["host"]: each for each in cloud.compute.get("/os-services", microversion="2.94").json()["services"]
    }
    assert services["c1"] == {"binary": "nova-compute", "host": "c1", "status": "UNKNOWN"}
    uuid = next(iter(served.world.nova.servers))
    shown = cloud.compute.get(f"/servers/{uuid}", microversion="2.94").json()["server"]
    assert (shown["status"], "OS-EXT-SRV-ATTR:host" in shown) == ("UNKNOWN", False)
    assert act(cloud, uuid, evacuate={}).status_code == 503
    old = cloud.compute.get("/os-services", microversion="2.68").json()["services"]
    assert {each["host"] for each in old} == {"c2", "c3"}
    assert names(cloud.compute.servers(all_projects=True)) == set()


def test_an_outage_is_a_503(cloud: Connection, served: ServedWorld) -> None:
    """While Nova is away something in front of it says so, and Keystone goes on."""
    cloud.authorize()
    inject(served, "nova_away", seconds=60.0)
    assert cloud.session.get(f"{served.url}/compute/v2.1/servers", raise_exc=False).status_code == 503
    assert cloud.session.get(f"{served.url}/placement/resource_providers", raise_exc=False).status_code == 503
    assert requests.get(f"{served.url}/identity/v3", timeout=60).status_code == 200
    inject(served, "keystone_away", seconds=60.0)
    assert requests.get(f"{served.url}/identity/v3", timeout=60).status_code == 503


def test_a_lost_reply_is_a_broken_connection(cloud: Connection, served: ServedWorld) -> None:
    """The order is taken and the connection breaks without an answer; the next call is as ever."""
    headers = {"X-Auth-Token": cloud.session.get_token(), **COMPUTE_294}
    uuid = next(iter(served.world.nova.servers))
    inject(served, "operator_forces_down", host="c1")
    inject(served, "nova_reply_lost", call="evacuate")
    url = f"{served.url}/compute/v2.1/servers/{uuid}/action"
    with pytest.raises(requests.ConnectionError):
        requests.post(url, json={"evacuate": {}}, headers=headers, timeout=60)
    assert len(list(cloud.compute.migrations())) == 1


def test_revoked_tokens_are_fetched_anew(cloud: Connection, served: ServedWorld) -> None:
    """A client whose token was revoked logs in again and goes on."""
    before = cloud.session.get_token()
    inject(served, "tokens_revoked")
    assert len(list(cloud.compute.services())) == 3
    assert cloud.session.get_token() != before


def test_keystonemiddleware_validates_tokens(cloud: Connection, served: ServedWorld) -> None:
    """Our API's middleware lets a user of this Keystone in, with project and roles, and nobody else."""
    seen: list[dict[str, Any]] = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        seen.append(environ)
        start_response("200 OK", [])
        return [b""]

    middleware = AuthProtocol(
        application,
        {
            "auth_type": "password",
            "auth_url": f"{served.url}/identity",
            "www_authenticate_uri": f"{served.url}/identity",
            "username": "masakari",
            "password": "secret",
            "project_name": "service",
            "user_domain_name": "Default",
            "project_domain_name": "Default",
            "service_token_roles_required": True,
        },
    )
    statuses: list[str] = []
    for token in (cloud.session.get_token(), "nonsense"):
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/v1/segments", "HTTP_X_AUTH_TOKEN": token}
        environ |= {"SERVER_NAME": "x", "SERVER_PORT": "1", "wsgi.url_scheme": "http"}
        list(middleware(environ, lambda status, headers, error=None: statuses.append(status)))
    assert [status[:3] for status in statuses] == ["200", "401"]
    assert seen[0]["HTTP_X_PROJECT_NAME"] == "admin"
    assert "admin" in seen[0]["HTTP_X_ROLES"].split(",")


def test_the_control_endpoint_breaks_and_shows(served: ServedWorld) -> None:
    """Faults go in by name, wrong ones are refused in words; state and record show what is true."""
    listed = requests.get(f"{served.url}/sim/faults", timeout=60).json()["faults"]
    assert listed["bmc_silent"] == {"words": "the BMC does not answer", "needs": ["host"], "takes": []}
    assert inject(served, "power_lost", host="c1").json() == {"took_effect": True}
    refused = inject(served, "power_lost", host="c9")
    assert (refused.status_code, "no host is named c9" in refused.text) == (400, True)
    assert inject(served, "nova_away", seconds="long").status_code == 400
    shown = state(served)
    assert shown["simulated"] is True
    assert (shown["hosts"]["c1"]["powered"], shown["hosts"]["c2"]["powered"]) == (False, True)
    count = len(served.world.record.facts)
    requests.post(f"{served.url}/sim/words", json={"host": "c1", "by": "alice", "why": "unplugged"}, timeout=60)
    requests.post(f"{served.url}/sim/claims", json={"host": "c1", "engine": "engine-1"}, timeout=60)
    facts = requests.get(f"{served.url}/sim/record?after={count}", timeout=60).json()["facts"]
    assert [fact["what"] for fact in facts] == ["word", "claim"]
    assert requests.post(f"{served.url}/sim/words", json={"host": "c1"}, timeout=60).status_code == 400
    assert requests.get(f"{served.url}/sim/record?after=x", timeout=60).status_code == 400


def test_the_catalog_learns_where_our_api_is(cloud: Connection, served: ServedWorld) -> None:
    """The endpoint of instance-ha can be set when our API has found its port."""
    requests.put(f"{served.url}/sim/instance-ha", json={"url": "http://127.0.0.1:10/v1"}, timeout=60)
    assert cloud.session.get_endpoint(service_type="instance-ha") == "http://127.0.0.1:10/v1"


def test_bad_requests_are_refused(cloud: Connection, served: ServedWorld) -> None:
    """Broken JSON, a body that is no object, an unknown path and a wrong method each get their status."""
    url = f"{served.url}/identity/v3/auth/tokens"
    assert requests.post(url, data="{", timeout=60).status_code == 400
    assert requests.post(url, data="[]", timeout=60).status_code == 400
    assert requests.post(url, json={"auth": {}}, timeout=60).status_code == 400
    assert requests.post(url, data="x" * 1_000_001, timeout=60).status_code == 413
    assert cloud.compute.get("/os-nothing").status_code == 404
    assert cloud.compute.post("/os-services").status_code == 405
    assert requests.get(served.url, timeout=60).json()["simulated"] is True


def test_callers_are_told_apart(cloud: Connection, served: ServedWorld) -> None:
    """Our engines stand in the record by the name in their User-Agent."""
    headers = {"X-Auth-Token": cloud.session.get_token(), "User-Agent": "vmha/1.0 engine-7", **COMPUTE_294}
    service = served.world.nova.services["c1"].uuid
    url = f"{served.url}/compute/v2.1/os-services/{service}"
    requests.put(url, json={"forced_down": True}, headers=headers, timeout=60)
    assert served.world.record.of("service", caller="engine-7")


def test_the_checker_reads_a_live_record(cloud: Connection, served: ServedWorld) -> None:
    """An evacuation of a host that is on is found in the record of the served world."""
    uuid = next(iter(served.world.nova.servers))
    put_service(cloud, "c1", forced_down=True)
    act(cloud, uuid, evacuate={})
    wait(lambda: len(state(served)["instances"][uuid]["runs_on"]) == 2)
    facts = requests.get(f"{served.url}/sim/record", timeout=60).json()["facts"]
    assert [violation.kind for violation in check(facts)] == [Kind.SOURCE_WAS_ON, Kind.TWO_GUESTS]


def test_a_deleted_server_is_gone(served: ServedWorld, cloud: Connection) -> None:
    """What was deleted is on no list."""
    with served.live.caught_up() as world:
        uuid = next(iter(world.nova.servers))
        owner.delete(world, uuid)
    assert cloud.compute.get(f"/servers/{uuid}").status_code == 404
    assert len(names(cloud.compute.servers(all_projects=True))) == 6
