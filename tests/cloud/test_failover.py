"""What the recovery stands on fails in its midst: an engine, the service's own broker and database, Nova's broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.cloud.ha import Service, wait_for
from tests.cloud.rig import brokers, databases
from tests.cloud.rig.brokers import Broker
from tests.cloud.rig.cloud import Cloud, now
from tests.cloud.test_recovery import HOST, check_all_run_elsewhere, check_stories_agree, time_of_power_off

pytestmark = pytest.mark.timeout(900)

# Nova calls a host down 15 s after its last report; with this one every host was.
BROKER_AWAY_SECONDS = 30.0
# For so long others must be heard before silence counts again. Here nobody but the dead host needs longer to come back.
RECONNECT_SECONDS = 15.0


@contextmanager
def away(broker: Broker) -> Iterator[None]:
    """Kill a broker, and start it again in the end."""
    broker.daemon().kill()
    try:
        yield
    finally:
        broker.start()


def evacuations(cloud: Cloud) -> list[str]:
    """List the states of all evacuations of the host that Nova knows of."""
    return [record["status"] for record in cloud.migrations(HOST, migration_type="evacuation")]


def test_another_engine_ends_what_one_began_without_a_broker_and_over_a_restart_of_the_database(
    cloud: Cloud, service: Callable[..., Service], instance_count: int
) -> None:
    """Nova's own list shows one evacuation for each instance, whatever fell away in their midst."""
    ha = service("engine-1", "engine-2")
    instances = cloud.boot_instances(HOST, instance_count)
    database = databases.ha_database(cloud.settings)
    began = now()
    with away(brokers.ha_broker(cloud.settings)):
        cloud.cut_power(HOST)
        notification = ha.report(HOST)
        recovery = ha.wait_for_phase(HOST, "moving")
        wait_for("Nova to work on the first evacuations", lambda: len(evacuations(cloud)) >= 2)
        owner = ha.timeline(recovery["uuid"])[-1]["engine"]
        ha.kill(owner)
        database.daemon().kill()
        database.start()
        assert set(evacuations(cloud)) - {"done", "completed"} or len(evacuations(cloud)) < instance_count
        ha.wait_for_phase(HOST, "recovered", timeout_seconds=240)
    recovery = check_stories_agree(cloud, ha, notification, instances)
    check_all_run_elsewhere(cloud, instances)
    lines = ha.timeline(recovery["uuid"])
    assert {line["engine"] for line in lines} >= {"engine-1", "engine-2"}
    taken_over = [line["facts"] for line in lines if line["code"] == "TAKEN_OVER"]
    assert {facts["before"] for facts in taken_over} == {owner}
    assert [call for call in cloud.bmc_calls(HOST, began) if call.orders_power_off] == []


def test_the_recovery_waits_while_novas_broker_is_away_and_then_ends(
    cloud: Cloud, service: Callable[..., Service]
) -> None:
    """No host reports to Nova then, so it is no witness: nothing is ordered and the recovery says so, until the others are heard."""
    ha = service(recovery={"reconnect_seconds": str(RECONNECT_SECONDS)})
    instances = cloud.boot_instances(HOST, 3)
    began = now()
    with away(brokers.cloud_broker(cloud.settings)):
        cloud.kill_compute(HOST)
        notification = ha.report(HOST)
        wait_for("the broker to be away long enough", lambda: now() - began >= BROKER_AWAY_SECONDS)
        waiting = ha.recovery_of(HOST)
        assert waiting["phase"] in ("witnessing", "unwitnessed")
        assert "no power-off is ordered" in waiting["message"]
        assert cloud.power(HOST)
        assert [call for call in cloud.bmc_calls(HOST, began) if call.orders_power_off] == []
        back = now()  # nobody is heard before the broker is started
    ha.wait_for_phase(HOST, "recovered", timeout_seconds=180)
    ordered = time_of_power_off(cloud, ha, HOST, began)
    assert ordered - back >= RECONNECT_SECONDS, "others had not been heard for long enough"
    check_stories_agree(cloud, ha, notification, instances)
    check_all_run_elsewhere(cloud, instances)
