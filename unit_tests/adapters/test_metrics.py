"""What engines count, that nothing is counted twice, and what the database tells of everything at a scrape."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert, update

from unit_tests.adapters.db.rig import SqlRig
from unit_tests.adapters.test_announcing_engine import Story
from unit_tests.engine.crash_rig import QUICK
from unit_tests.ports.outbox_contract import HOOK, RETRY, tell
from unit_tests.ports.store_contract import Owner, move, own
from vmha.adapters.db import migrate, schema
from vmha.adapters.db.connection import open_database, transaction
from vmha.adapters.db.gauges import Standing, read_standing
from vmha.adapters.db.store import SqlStore
from vmha.adapters.fencing.inventory import Inventory, IpmiDevice
from vmha.adapters.metrics import DatabaseGauges, EngineMetrics
from vmha.core.effects import Alert, AlertKind
from vmha.core.explain import Code, because
from vmha.core.model import MoveStatus, Outcome, Phase
from vmha.errors import StoreUnavailable
from vmha.ports import TimelineEntry
from vmha.sim.faults import inject
from vmha.sim.rig import Rig

Labels = frozenset[tuple[str, str]]
TIMES = ("fence", "forced_down", "first_instance", "last_instance")


class Shown:
    """What a registry shows, as Prometheus reads it."""

    def __init__(self, *registries: CollectorRegistry) -> None:
        self.values: dict[str, dict[Labels, float]] = {}
        for registry in registries:
            for family in text_string_to_metric_families(generate_latest(registry).decode()):
                for sample in family.samples:
                    of = self.values.setdefault(sample.name, {})
                    labels = frozenset(sample.labels.items())
                    of[labels] = of.get(labels, 0.0) + sample.value

    def get(self, name: str, **labels: str) -> float:
        """Return one value, 0 where it is not shown."""
        return self.values.get(f"vmha_{name}", {}).get(frozenset(labels.items()), 0.0)

    def total(self, name: str) -> float:
        """Add up a metric over its labels."""
        return sum(self.values.get(f"vmha_{name}", {}).values())


class Engines:
    """Two engines on one database, each with metrics of its own, and the story of a host that dies."""

    def __init__(self, folder: Path) -> None:
        self.story = Story(folder)
        self.story.world.advance(10.0)
        inject(self.story.world, "host_crashes", host="c1")
        self.registries: list[CollectorRegistry] = []

    def run(self, *, kill_at: float | None = None, seconds: float = 90.0) -> None:
        """Let one engine work, kill it if that is asked for, and let another one go on."""
        world = self.story.world
        first = self._engine()
        if kill_at is not None:
            world.advance(world.now + kill_at)
            first.actors["engine-1"].kill()
            second = self._engine()
            world.advance(world.now + seconds)
            second.actors["engine-1"].kill()
        else:
            world.advance(world.now + seconds)
            first.actors["engine-1"].kill()

    def _engine(self) -> Rig:
        self.registries.append(CollectorRegistry())
        metrics = EngineMetrics(self.registries[-1])
        store = SqlStore(self.story.sql.open(), on_commit=metrics.committed)
        return Rig(self.story.world, store=store, policy=replace(QUICK, move_attempts=1), poll_seconds=2.0)


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[Engines]:
    """A host that has died, and nobody at work yet."""
    made = Engines(tmp_path)
    yield made
    made.story.sql.close()


def check_recovered(shown: Shown) -> None:
    """See that one recovery of two instances was counted, once."""
    assert shown.get("recoveries_begun_total", kind="host") == 1
    assert shown.get("recoveries_ended_total", kind="host", outcome="recovered", reason="recovered") == 1
    assert shown.total("recoveries_ended_total") == 1
    assert shown.get("instances_total", status="moved", reason="") == shown.total("instances_total") == 2
    assert shown.get("recovery_fence_seconds_count", rung="ipmi") == 1
    for name in TIMES[1:]:
        assert shown.get(f"recovery_{name}_seconds_count") == 1
    assert shown.total("promises_broken_total") == 0


def test_a_recovery_is_counted_with_its_times(engines: Engines) -> None:
    """Begun, fenced, forced down, first and last instance, ended: each once, each later than the one before."""
    engines.story.sql.report("c1")
    engines.run()
    shown = Shown(*engines.registries)
    check_recovered(shown)
    seconds = [shown.total(f"recovery_{name}_seconds_sum") for name in TIMES]
    assert 2.0 < seconds[0] < seconds[1] < seconds[2] <= seconds[3] < 90.0
    ordered = shown.total("power_off_orders_total")
    assert ordered == shown.get("power_off_answers_total", answer="taken") == 1


@pytest.mark.parametrize("kill_at", [1.0, 8.0, 10.0, 11.0, 12.0, 14.0])
def test_two_engines_never_count_the_same(kill_at: float, engines: Engines) -> None:
    """Wherever the first engine is killed, what both have counted together is one recovery."""
    engines.story.sql.report("c1")
    engines.run(kill_at=kill_at, seconds=180.0)
    check_recovered(Shown(*engines.registries))


def test_a_failure_is_counted_by_its_cause(engines: Engines) -> None:
    """Instances that could not be moved show why, and so does the recovery."""
    for name in ("c2", "c3"):
        inject(engines.story.world, "spawn_fails", host=name)
    engines.story.sql.report("c1")
    engines.run(seconds=600.0)
    shown = Shown(*engines.registries)
    assert shown.get("recoveries_ended_total", kind="host", outcome="failed", reason="ended_failed") == 1
    assert shown.get("instances_total", status="failed", reason="move_failed") == 2
    assert shown.get("instances_unrecovered_total", cause="nova_error") == 2
    assert shown.get("instances_unrecovered_total", cause="timeout") == 0
    assert shown.get("recovery_last_instance_seconds_count") == 0


def counted(before: Owner, version: int = 7, **after: object) -> Shown:
    """Count one change."""
    registry = CollectorRegistry()
    EngineMetrics(registry).committed(version, before.change(**after))
    return Shown(registry)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database file with all tables."""
    url = f"sqlite:///{tmp_path_factory.mktemp('metrics')}/vmha.sqlite"
    migrate.sync(open_database(url))
    return url


@pytest.fixture
def rig(url: str) -> Iterator[SqlRig]:
    """A store with three hosts."""
    rig = SqlRig(url)
    yield rig
    rig.close()


def test_waits_are_counted_as_they_are_entered(rig: SqlRig) -> None:
    """A wait counts when it begins and when its reason changes, not with each step in it."""
    owner = own(rig)
    silent = because(Code.BMC_SILENT, host="c1", detail="no answer")
    assert (
        counted(owner, phase=Phase.UNPROVEN, reason=silent).get("waits_total", phase="unproven", reason="bmc_silent")
        == 1
    )
    owner.commit(phase=Phase.UNPROVEN, reason=silent)
    assert counted(owner, verified=True).total("waits_total") == 0
    error = because(Code.BMC_ERROR, host="c1", detail="oops")
    assert counted(owner, reason=error).get("waits_total", phase="unproven", reason="bmc_error") == 1


def test_the_first_instance_is_counted_once(rig: SqlRig) -> None:
    """The first instance that is elsewhere gives a time; the second and third do not, however many steps they take."""
    owner = own(rig)
    opened = owner.state.opened_at
    here = [move(f"vm{number}", MoveStatus.ACCEPTED) for number in range(3)]
    there = [replace(each, status=MoveStatus.MOVED, ended_at=opened + 10.0 + n) for n, each in enumerate(here)]
    owner.commit(moves=tuple(here))
    shown = counted(owner, moves=(there[0], *here[1:]))
    assert (shown.get("recovery_first_instance_seconds_count"), shown.total("recovery_first_instance_seconds_sum")) == (
        1,
        pytest.approx(10.0),
    )
    owner.commit(moves=(there[0], *here[1:]))
    assert counted(owner, moves=(*there[:2], here[2])).get("recovery_first_instance_seconds_count") == 0
    reason = because(Code.NOTHING_TO_MOVE, host="c1")
    ended = counted(owner, moves=tuple(there), phase=Phase.ENDED, outcome=Outcome.RECOVERED, reason=reason)
    assert ended.get("recovery_last_instance_seconds_sum") == pytest.approx(12.0)


def test_refusals_orders_and_broken_promises_are_counted(rig: SqlRig) -> None:
    """A word that is not followed, a power-off that a BMC refused, and a recovery that was stopped each have a counter."""
    owner = own(rig)
    reason = because(Code.CONFIRM_NOT_ASKED, by="ann")
    refusal = owner.order(Alert("c1", reason, AlertKind.REFUSED))
    assert counted(owner, orders=(refusal,)).get("refusals_total", reason="confirm_not_asked") == 1
    lines = (
        because(Code.POWER_OFF_ORDERED, host="c1", number=1),
        because(Code.POWER_OFF_REFUSED, host="c1", address="b", detail="no"),
    )
    shown = counted(owner, timeline=tuple(TimelineEntry(at=owner.now, reason=line) for line in lines))
    assert shown.get("power_off_orders_total") == 1
    assert shown.get("power_off_answers_total", answer="refused") == 1
    broken = because(Code.PROMISE_BROKEN, host="c1", detail="P1")
    assert counted(owner, phase=Phase.STOPPED, reason=broken).get("promises_broken_total") == 1
    owner.commit(phase=Phase.STOPPED, reason=broken)
    assert counted(owner, verified=True).get("promises_broken_total") == 0


def test_a_clock_that_was_set_back_gives_no_negative_time(rig: SqlRig) -> None:
    """A time before the opening counts as none at all."""
    owner = own(rig)
    proof = owner.prove()
    rig.pass_time(-3600.0)
    early = replace(owner.change(proof=proof), before=replace(owner.state, fence=replace(owner.state.fence, proofs=0)))
    registry = CollectorRegistry()
    EngineMetrics(registry).committed(7, early)
    shown = Shown(registry)
    assert (shown.get("recovery_fence_seconds_sum", rung="ipmi"), shown.total("recovery_fence_seconds_count")) == (0, 1)


def test_a_defect_in_counting_stops_nobody(rig: SqlRig, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be counted is a line of the log: the change is stored, and its engine goes on."""
    owner = own(rig)
    EngineMetrics(CollectorRegistry()).committed(1, replace(owner.change(), timeline=(None,)))  # type: ignore[arg-type]
    assert "change not counted" in caplog.messages


# What the database tells


BMC = IpmiDevice(host="", address="192.0.2.1", port=623, user="u", password="p")


def gauges(rig: SqlRig, *, protected: frozenset[str] = frozenset({"c1", "c2", "c3"})) -> Shown:
    """Scrape."""
    registry = CollectorRegistry()
    covers = Inventory(
        source="", devices=dict.fromkeys(protected, BMC), detector_segments=frozenset({"believing"})
    ).covers
    registry.register(DatabaseGauges(lambda: read_standing(rig.engine), covers=covers))
    return Shown(registry)


def test_an_empty_database_shows_zeros(rig: SqlRig) -> None:
    """Every phase, lease and age is shown before anything has happened, so that nothing appears from nowhere."""
    shown = gauges(rig)
    assert shown.get("database_up") == 1
    assert len(shown.values["vmha_recoveries_open"]) == len(Phase) - 1
    assert shown.total("recoveries_open") == shown.total("leases") == 0
    assert shown.get("wait_oldest_seconds") == shown.get("alert_oldest_undelivered_seconds") == 0
    assert shown.get("hosts_unprotected") == 0


def test_recoveries_waits_and_leases_are_shown(rig: SqlRig) -> None:
    """Open recoveries stand by their phases; leases are held, over or nobody's; the oldest wait has its age; what ended is gone."""
    waiting, moving, ended = (own(rig, host) for host in ("c1", "c2", "c3"))
    ended.end(Outcome.RECOVERED)
    moving.commit(phase=Phase.MOVING)
    waiting.commit(phase=Phase.UNPROVEN, phase_since=rig.store.now())
    rig.pass_time(5.0)
    shown = gauges(rig)
    assert (shown.get("recoveries_open", phase="unproven"), shown.get("recoveries_open", phase="moving")) == (1, 1)
    assert shown.total("recoveries_open") == 2
    assert shown.get("wait_oldest_seconds") == pytest.approx(5.0, abs=0.5)
    assert shown.get("leases", state="held") == 2
    rig.store.release(moving.lease)
    rig.pass_time(10.0)
    shown = gauges(rig)
    assert [shown.get("leases", state=state) for state in ("held", "expired", "free")] == [0, 1, 1]


def test_engines_and_alerts_are_shown(rig: SqlRig) -> None:
    """Each engine has the time since it was seen, each webhook what is on its way to it, and the oldest of that its age."""
    rig.store.sign_on("engine-1")
    owner = own(rig)
    tell(owner)
    rig.outbox.look(HOOK, RETRY)
    rig.pass_time(3.0)
    rig.store.sign_on("engine-2")
    shown = gauges(rig)
    assert shown.get("engine_seen_seconds", engine="engine-1") == pytest.approx(3.0, abs=0.5)
    assert shown.get("engine_seen_seconds", engine="engine-2") == pytest.approx(0.0, abs=0.5)
    assert shown.get("alerts_undelivered", webhook="receiver") == 2
    assert shown.get("alert_oldest_undelivered_seconds") == pytest.approx(3.0, abs=0.5)


def test_what_is_disarmed_is_counted(rig: SqlRig) -> None:
    """Each order that stands counts, and none that has run out."""
    rig.disarm("all", "", seconds=10.0)
    rig.disarm("host", "c1", seconds=60.0)
    counts = [gauges(rig).get("disarms")]
    rig.pass_time(10.0)
    assert [*counts, gauges(rig).get("disarms")] == [2, 1]


def test_unprotected_hosts_are_those_that_would_be_recovered(rig: SqlRig) -> None:
    """A host without a fence device counts, unless it is on maintenance, its segment is disabled, or believes its monitors."""
    rig.add_host("c4", segment="other")
    rig.add_host("c5", segment="believing")
    assert gauges(rig, protected=frozenset({"c1"})).get("hosts_unprotected") == 3
    hosts, segments = schema.hosts, schema.failover_segments
    with transaction(rig.engine) as connection:
        connection.execute(update(hosts).where(hosts.c.name == "c2").values(on_maintenance=True))
        connection.execute(update(segments).where(segments.c.uuid == "other").values(enabled=False))
    assert gauges(rig, protected=frozenset({"c1"})).get("hosts_unprotected") == 1


def test_a_phase_of_tomorrow_is_left_out(rig: SqlRig) -> None:
    """A recovery that a newer version wrote hinders no scrape."""
    row = {"uuid": "u", "kind": "vm", "open_key": "vm:u", "host_uuid": "h", "host_name": "c1", "segment_uuid": "s"}
    state = {"phase": "foretold", "message": "", "state": "{}", "version": 1, "opened_at": 1.0, "epoch": 0}
    with transaction(rig.engine) as connection:
        connection.execute(insert(schema.recoveries).values(**row, **state, method="auto"))
    shown = gauges(rig)
    assert (shown.get("database_up"), shown.total("recoveries_open"), shown.total("leases")) == (1, 0, 1)


STANDING = Standing(
    phases=dict.fromkeys(Phase, 0),
    oldest_wait_seconds=0.0,
    engines={},
    leases={},
    undelivered={},
    oldest_undelivered_seconds=0.0,
    hosts=(),
)


class Slow:
    """A database that answers when it is let to."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.asked = 0

    def read(self) -> Standing:
        """Wait, and answer."""
        self.asked += 1
        assert self.may_answer.wait(120.0)
        return STANDING


def test_a_scrape_does_not_wait_for_a_database_that_hangs() -> None:
    """It is served in time without what the database tells; while that hangs no second question is asked; later all is there again."""
    slow = Slow()
    registry = CollectorRegistry()
    metrics = EngineMetrics(registry)
    registry.register(DatabaseGauges(slow.read, scrape_seconds=0.2))
    metrics.posted("receiver", "delivered")
    for _ in range(3):
        began = time.monotonic()
        shown = Shown(registry)
        assert time.monotonic() - began < 60.0
        assert shown.get("database_up") == 0
        assert "vmha_recoveries_open" not in shown.values
        assert shown.get("alert_deliveries_total", webhook="receiver", result="delivered") == 1
    assert slow.asked == 1
    slow.may_answer.set()
    # The reading that hung is over in a moment, and may still be the answer to one scrape; a later one asks anew.
    until = time.monotonic() + 120.0
    while Shown(registry).get("database_up") == 0 or slow.asked == 1:
        assert time.monotonic() < until


@pytest.mark.parametrize("trouble", [StoreUnavailable("away"), KeyError("a defect")], ids=repr)
def test_a_database_that_is_away_leaves_the_rest(trouble: Exception) -> None:
    """Whatever reading raises, the scrape shows that the database is not up, and all that the engine counted."""

    def away() -> Standing:
        raise trouble

    registry = CollectorRegistry()
    EngineMetrics(registry)
    registry.register(DatabaseGauges(away))
    shown = Shown(registry)
    assert shown.get("database_up") == 0
    assert "vmha_promises_broken_total" in shown.values
