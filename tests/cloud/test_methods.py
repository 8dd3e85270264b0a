"""Who is moved first, and where to, by each method that uses reserved hosts; Nova's own records say it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.cloud.ha import Service, wait_for
from tests.cloud.rig import rest
from tests.cloud.rig.cloud import Cloud
from tests.cloud.stage import boot, half_a_host, image, make_aggregate, make_flavor, make_zone, members

pytestmark = pytest.mark.timeout(600)

FAILS, BESIDE, NEXT = "host-1", "host-2", "host-3"
SPARES = ("host-4", "host-5")
ZONE = "rig-near"
RACK = "rig-rack"
KEY = "ha_priority"
KEPT_BACK = "kept in reserve"


def test_those_of_higher_priority_go_first_and_each_falls_back_by_itself(
    cloud: Cloud, service: Callable[..., Service]
) -> None:
    """Reserved hosts first and then Nova's choice, and after that the other way about: the order, the places and the spares are Nova's word."""
    ha = service(
        reserved=SPARES,
        method="rh_priority",
        recovery={"trust_tenant_metadata": "true", "orders_at_once": "1", "move_retry_seconds": "120"},
        host_failure={"add_reserved_host_to_aggregate": "true"},
    )
    for spare in SPARES:
        cloud.disable(spare, KEPT_BACK)
    glance = rest.glance_api(cloud.settings, cloud.identity)
    urgent = image(glance, "rig-urgent", **{KEY: "700"})
    make_zone(cloud, ZONE, FAILS, BESIDE)
    make_aggregate(cloud, RACK, FAILS)
    half, soon = half_a_host(cloud), make_flavor(cloud, "rig.soon", extra_specs={KEY: "800"})
    cloud.overcommit(FAILS, 2.0)  # so that it holds what no reserved host does
    large = boot(cloud, FAILS, flavorRef=half, metadata={KEY: "900"})
    flavored = boot(cloud, FAILS, imageRef=urgent, flavorRef=soon)  # 800: the flavor is asked before the image
    imaged = boot(cloud, FAILS, imageRef=urgent)  # 700
    tagged = boot(cloud, FAILS, metadata={"HA_Enabled": "True", KEY: "soon"})  # no number: 100
    # Of the same priority. Nova lists the youngest first, so that without an order of ours they would leave in the reverse of this one.
    larger_flavor = make_flavor(cloud, "rig.larger", ram=128)
    larger = boot_after(cloud, tagged, flavorRef=larger_flavor)  # 100, not tagged
    ordinary = boot_after(cloud, larger)  # 100, not tagged and smaller
    late = boot(cloud, FAILS, flavorRef=soon, metadata={KEY: "50"})  # 50: its owner's word is asked first
    # The last: while it is tried where there is no room for it, those behind it are sent elsewhere.
    zoned = boot(cloud, FAILS, flavorRef=half, availability_zone=ZONE, metadata={KEY: "10"})  # 10, large
    expected = [large, flavored, imaged, tagged, larger, ordinary, late, zoned]
    # Nova has chosen for it before the other one has a reserved host enabled.
    remains, fits_nowhere = boot(cloud, NEXT, metadata={KEY: "200"}), boot(cloud, NEXT, flavorRef=half)
    cloud.wait_for_servers([*expected, remains, fits_nowhere])

    unused = falls_back_to_novas_choice(cloud, ha, expected, large, zoned, tagged)
    falls_back_to_a_reserved_host(cloud, ha, remains, fits_nowhere, unused)


def boot_after(cloud: Cloud, older: str, **server: Any) -> str:
    """Boot one more in a later second than another: Nova orders those of one second by their uuids."""
    made = cloud.server(older)["created"]
    wait_for("the next second", lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") > made)
    return boot(cloud, FAILS, **server)


def falls_back_to_novas_choice(
    cloud: Cloud, ha: Service, expected: list[str], large: str, zoned: str, unreadable: str
) -> str:
    """No reserved host holds both large instances, so that two are taken; what the second is for may not go there, and it is given back.

    Returns that one.
    """
    cloud.cut_power(FAILS)
    notification = ha.report(FAILS)
    ha.wait_for_phase(FAILS, "recovered")
    ha.wait_for_end(notification, "finished")
    check_order(cloud, expected)

    where = {uuid: cloud.server(uuid)["OS-EXT-SRV-ATTR:host"] for uuid in expected}
    # Both are enabled at the same time, and the first instance goes to the one that is ready first.
    used = where[large]
    assert used in SPARES
    (unused,) = set(SPARES) - {used}
    assert where == {uuid: BESIDE if uuid == zoned else used for uuid in expected}
    # Nova was asked for the named hosts, refused them for the zone, and was left the choice then.
    tries = sorted(records_of(cloud, zoned), key=lambda record: record["id"])
    assert [record["status"] for record in tries] == ["error"] * (len(tries) - 1) + ["done"]
    assert [record["dest_compute"] for record in tries][-1] == BESIDE
    assert len(tries) == len(SPARES) + 1
    assert {uuid: len(records_of(cloud, uuid)) for uuid in expected if uuid != zoned} == {
        uuid: 1 for uuid in expected if uuid != zoned
    }

    lines = told(ha, FAILS)
    assert [facts["reserved"] for code, facts in lines if code == "RESERVED_CLAIMED"] == list(SPARES)
    assert [facts["reserved"] for code, facts in lines if code == "SPARE_BACK"] == [unused]
    named = [facts for code, facts in lines if code == "PRIORITY_UNREADABLE"]
    assert len(named) == 1
    assert f"{cloud.server(unreadable)['name']}: 'soon' (metadata)" in named[0]["some"]
    assert {host: cloud.service(host)["status"] for host in SPARES} == {used: "enabled", unused: "disabled"}
    assert reserves(ha) == {unused}
    # The spare that is used stands in for the failed host there too; the other one was taken out again, and none joined another zone.
    assert members(cloud, RACK) == {FAILS, used}
    assert members(cloud, ZONE) == {FAILS, BESIDE}
    assert {facts["aggregate"] for code, facts in lines if code == "AGGREGATE_OF_ANOTHER_ZONE"} == {ZONE}
    assert [facts["reserved"] for code, facts in lines if code == "AGGREGATES_LEFT"] == [unused]
    return unused


def falls_back_to_a_reserved_host(cloud: Cloud, ha: Service, remains: str, fits_nowhere: str, spare: str) -> None:
    """Nova chooses first; a reserved host is enabled only for the one instance for which it has found no room."""
    (segment,) = ha.client.instance_ha.segments()
    ha.client.instance_ha.update_segment(segment.uuid, recovery_method="auto_priority")
    cloud.cut_power(NEXT)
    notification = ha.report(NEXT)
    ha.wait_for_phase(NEXT, "recovered")
    ha.wait_for_end(notification, "finished")
    # The others have a large instance each already.
    assert cloud.server(fits_nowhere)["OS-EXT-SRV-ATTR:host"] == spare
    assert cloud.server(remains)["OS-EXT-SRV-ATTR:host"] in {BESIDE, *SPARES} - {spare}
    assert [record["status"] for record in records_of(cloud, remains)] == ["done"]
    records = sorted(records_of(cloud, fits_nowhere), key=lambda record: record["id"])
    assert [(record["status"], record["dest_compute"] == spare) for record in records] == [
        ("error", False),
        ("done", True),
    ]
    assert cloud.service(spare)["status"] == "enabled"
    assert reserves(ha) == set()


def check_order(cloud: Cloud, expected: list[str]) -> None:
    """See by Nova's records, by their numbers and by the times at which it began, that the instances were ordered one after the other so."""
    records = [record for uuid in expected for record in records_of(cloud, uuid)]
    firsts: dict[str, Any] = {}
    for record in sorted(records, key=lambda record: record["id"]):
        firsts.setdefault(record["instance_uuid"], record)
    assert list(firsts) == expected
    times = [record["created_at"] for record in firsts.values()]
    assert times == sorted(times)
    began = {uuid: cloud.began(uuid, "evacuate")[0] for uuid in expected}
    assert sorted(expected, key=lambda uuid: began[uuid]) == expected


def records_of(cloud: Cloud, instance: str) -> list[dict[str, Any]]:
    """Return Nova's records of the evacuations of an instance."""
    sources = (FAILS, NEXT)
    return [record for host in sources for record in cloud.migrations(host) if record["instance_uuid"] == instance]


def told(ha: Service, host: str) -> list[tuple[str, dict[str, Any]]]:
    """Return code and facts of each line of the timeline of a host's recovery."""
    return [(line["code"], line["facts"]) for line in ha.timeline(ha.recovery_of(host)["uuid"])]


def reserves(ha: Service) -> set[str]:
    """Name the reserved hosts of the segment."""
    (segment,) = ha.client.instance_ha.segments()
    return {host.name for host in ha.client.instance_ha.hosts(segment.uuid) if host.reserved}
