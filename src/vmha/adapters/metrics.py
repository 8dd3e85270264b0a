"""What Prometheus is shown. docs/operate/metrics.md names each metric, and a test compares it.

Rules: what an engine counts it counts when the change that says so was stored, so that of all engines the one that committed it counts,
once; what the database tells, any process shows alike; a scrape is served in time whatever the database does.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Histogram, Info, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from vmha import __version__
from vmha.core.causes import Cause
from vmha.core.effects import Alert, AlertKind
from vmha.core.explain import Code
from vmha.core.kinds import KINDS, is_stopped, kind_of
from vmha.core.model import MoveStatus, Outcome, Recovery
from vmha.errors import StoreUnavailable
from vmha.logs import log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client.core import Metric

    from vmha.adapters.db.gauges import Standing
    from vmha.core.incidents import Incident
    from vmha.ports import Change

logger = logging.getLogger(__name__)


BUCKETS = (2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 3600)
"""Seconds: from the decision of a quick host to a recovery that waited for a human for an hour."""

SCRAPE_SECONDS = 3.0
"""How long a scrape waits for the database; Prometheus itself gives up after ten."""

OPENED_AT_VERSION = 1
"""A recovery has it until the first commit of an engine."""

POWER_OFFS = {Code.POWER_OFF_TAKEN: "taken", Code.POWER_OFF_REFUSED: "refused"}


class EngineMetrics:
    """What one engine has counted since it started. Thread safe, as the library's metrics are."""

    def __init__(self, registry: CollectorRegistry) -> None:
        seconds, count = partial(_seconds, registry), partial(_count, registry)
        self._fence = seconds("vmha_recovery_fence_seconds", "the first proof that it is off", "rung")
        self._forced_down = seconds("vmha_recovery_forced_down_seconds", "Nova holding it for down")
        self._first = seconds("vmha_recovery_first_instance_seconds", "its first instance being elsewhere")
        self._last = seconds("vmha_recovery_last_instance_seconds", "its last instance being elsewhere")
        self._begun = count("vmha_recoveries_begun_total", "Recoveries that an engine began.", "kind")
        self._ended = count("vmha_recoveries_ended_total", "Recoveries that ended.", "kind", "outcome", "reason")
        self._instances = count(
            "vmha_instances_total", "Instances of recoveries that ended, by how they stood then.", "status", "reason"
        )
        self._causes = count(
            "vmha_instances_unrecovered_total", "Instances that could not be moved when their recovery ended.", "cause"
        )
        self._waits = count("vmha_waits_total", "Waits for a fact or a human that were entered.", "phase", "reason")
        self._refusals = count("vmha_refusals_total", "Words of humans that were not followed.", "reason")
        self._orders = count("vmha_power_off_orders_total", "Power-offs that were ordered.")
        self._answers = count("vmha_power_off_answers_total", "What BMCs answered to them.", "answer")
        self._broken = count(
            "vmha_promises_broken_total", "Recoveries stopped, since a promise would have been broken."
        )
        self._posts = count(
            "vmha_alert_deliveries_total", "Attempts to deliver an alert, by what came of it.", "webhook", "result"
        )
        for answer in POWER_OFFS.values():
            self._answers.labels(answer)
        for cause in Cause:
            self._causes.labels(cause.value)
        for kind in KINDS:
            self._begun.labels(kind)

    def committed(self, version: int, change: Change[Any]) -> None:
        """Count what a stored change says. Never raises: it is stored, and the recovery goes on."""
        try:
            self._observe(version, change)
        except Exception:
            logger.exception("change not counted", extra={"fields": {"recovery": change.after.uuid}})

    def posted(self, webhook: str, result: str) -> None:
        """Count an attempt to deliver an alert."""
        self._posts.labels(webhook, result).inc()

    def _observe(self, version: int, change: Change[Any]) -> None:
        before, after = change.before, change.after
        if version == OPENED_AT_VERSION:
            self._begun.labels(kind_of(after).name).inc()
        self._observe_times(change)
        for entry in change.timeline:
            if entry.reason.code is Code.POWER_OFF_ORDERED:
                self._orders.inc()
            elif entry.reason.code in POWER_OFFS:
                self._answers.labels(POWER_OFFS[entry.reason.code]).inc()
        for order in change.orders:
            if isinstance(order.effect, Alert) and order.effect.kind is AlertKind.REFUSED:
                self._refusals.labels(_word(order.effect.reason.code)).inc()
        if after.phase.is_wait and (after.phase, after.reason.code) != (before.phase, before.reason.code):
            self._waits.labels(after.phase.value, _word(after.reason.code)).inc()
        if is_stopped(after) and not is_stopped(before):
            self._broken.inc()
        if after.outcome is not None and before.outcome is None:
            self._observe_end(after, after.outcome)

    def _observe_times(self, change: Change[Any]) -> None:
        before, after = change.before, change.after
        if not isinstance(after, Recovery):
            return
        since_opened = max(change.now - after.opened_at, 0.0)
        if after.fence.proofs and not before.fence.proofs:
            proof = after.proof or change.revoked[-1][0]
            self._fence.labels(proof.rung.value).observe(since_opened)
        if after.prior is not None and before.prior is None:
            self._forced_down.observe(since_opened)
        if (moved := _moved_at(after)) and not _moved_at(before):
            self._first.observe(max(min(moved) - after.opened_at, 0.0))

    def _observe_end(self, after: Incident, outcome: Outcome) -> None:
        self._ended.labels(kind_of(after).name, outcome.value, _word(after.reason.code)).inc()
        if not isinstance(after, Recovery):
            return
        if moved := _moved_at(after):
            self._last.observe(max(max(moved) - after.opened_at, 0.0))
        for move in after.moves:
            is_moved = move.status is MoveStatus.MOVED
            reason = "" if is_moved or move.reason is None else _word(move.reason.code)
            self._instances.labels(move.status.value, reason).inc()
            if move.diagnosis is not None:
                self._causes.labels(move.diagnosis.cause.value).inc()


def _moved_at(recovery: Recovery) -> list[float]:
    """Return when each moved instance was elsewhere."""
    return [move.ended_at for move in recovery.moves if move.status is MoveStatus.MOVED and move.ended_at is not None]


def _word(code: Code) -> str:
    return code.name.lower()


def _seconds(registry: CollectorRegistry, name: str, until: str, *labels: str) -> Histogram:
    words = f"Time from the first notification of a host to {until}."
    return Histogram(name, words, labels, registry=registry, buckets=BUCKETS)


def _count(registry: CollectorRegistry, name: str, words: str, *labels: str) -> Counter:
    return Counter(name, words, labels, registry=registry)


class DatabaseGauges(Collector):
    """What the database tells, read for each scrape. Where it does not answer in time, `vmha_database_up` is 0 and the rest is missing.

    `read` raises `StoreUnavailable`. `covers` tells of a host, and its segment's name, whether it is recovered without a human, where that is known.
    """

    def __init__(
        self,
        read: Callable[[], Standing],
        *,
        covers: Callable[[str, str], bool] | None = None,
        scrape_seconds: float = SCRAPE_SECONDS,
    ) -> None:
        self._read = read
        self._covers = covers
        self._scrape_seconds = scrape_seconds
        self._lock = threading.Lock()
        self._reading: Future[Standing] | None = None

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        standing = self._standing()
        yield GaugeMetricFamily(
            "vmha_database_up", "Whether the database answered this scrape in time.", value=float(standing is not None)
        )
        if standing is not None:
            yield from _families(standing)
            if self._covers is not None:
                unprotected = sum(not self._covers(host, segment) for host, segment in standing.hosts)
                yield GaugeMetricFamily(
                    "vmha_hosts_unprotected", "Hosts that would not be recovered without a human.", value=unprotected
                )

    def describe(self) -> list[Metric]:
        """Describe nothing beforehand: that would ask the database at the start."""
        return []

    def _standing(self) -> Standing | None:
        """Wait for a reading; one that hangs is waited for by all scrapes that come, and no second one is begun beside it."""
        with self._lock:
            if self._reading is None or self._reading.done():
                self._reading = Future()
                threading.Thread(target=self._look, args=(self._reading,), name="scrape", daemon=True).start()
            reading = self._reading
        try:
            return reading.result(self._scrape_seconds)
        except (TimeoutError, StoreUnavailable):
            return None

    def _look(self, reading: Future[Standing]) -> None:
        try:
            reading.set_result(self._read())
        except StoreUnavailable as error:
            reading.set_exception(error)
        except Exception as error:  # noqa: BLE001 - whatever it was, the scrape must hear of an end
            log(logger, "standing-not-read", level=logging.ERROR, detail=repr(error))
            reading.set_exception(StoreUnavailable(repr(error)))


def _families(standing: Standing) -> Iterator[Metric]:
    phases = {phase.value: float(count) for phase, count in standing.phases.items()}
    yield _by("vmha_recoveries_open", "Recoveries that have not ended, by phase.", "phase", phases)
    yield GaugeMetricFamily(
        "vmha_wait_oldest_seconds",
        "Time that the recovery that waits longest has been in its phase; 0 where none waits.",
        value=standing.oldest_wait_seconds,
    )
    yield _by("vmha_engine_seen_seconds", "Time since each engine was last seen.", "engine", standing.engines)
    yield _by("vmha_leases", "Open recoveries by who may write them.", "state", standing.leases)
    yield _by("vmha_alerts_undelivered", "Alerts on their way to each webhook.", "webhook", standing.undelivered)
    yield GaugeMetricFamily(
        "vmha_alert_oldest_undelivered_seconds",
        "Age of the oldest alert on its way; 0 where there is none.",
        value=standing.oldest_undelivered_seconds,
    )
    yield GaugeMetricFamily(
        "vmha_disarms", "Orders of operators, standing now, that nothing is ordered.", value=float(standing.disarms)
    )


def _by(name: str, words: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, words, labels=[label])
    for label_value, value in values.items():
        family.add_metric([label_value], value)
    return family


def engine_registry(read: Callable[[], Standing], *, covers: Callable[[str, str], bool]) -> CollectorRegistry:
    """Make the registry of an engine: beside what the database tells, what the engine costs its machine."""
    registry = _registry(DatabaseGauges(read, covers=covers))
    ProcessCollector(registry=registry)
    return registry


def api_registry(read: Callable[[], Standing]) -> CollectorRegistry:
    """Make the registry of the API: what the database tells, alike in all of its processes, which share one port."""
    return _registry(DatabaseGauges(read))


def _registry(gauges: DatabaseGauges) -> CollectorRegistry:
    registry = CollectorRegistry()
    Info("vmha_build", "The version of vmha.", registry=registry).info({"version": __version__})
    registry.register(gauges)
    return registry
