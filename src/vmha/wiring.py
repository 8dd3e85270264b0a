"""Puts the parts of a process together: the one place that knows every class by name."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from vmha.adapters.alerts import LogAlerts
from vmha.adapters.announcing import SilentAnnouncer
from vmha.adapters.announcing_broker import open_announcer
from vmha.adapters.announcing_engine import EngineAnnouncements, HostAnnouncements
from vmha.adapters.clock import SystemClock
from vmha.adapters.db import options as database_options
from vmha.adapters.db.connection import open_database, open_reader
from vmha.adapters.db.disarming import DisarmWatch
from vmha.adapters.db.gauges import read_standing
from vmha.adapters.db.leftovers import LeftoverWatch
from vmha.adapters.db.outbox import SqlOutbox
from vmha.adapters.db.policy_watch import PolicyWatch
from vmha.adapters.db.returns import SqlReturns
from vmha.adapters.db.store import SqlStore
from vmha.adapters.db.upstream_flows import UpstreamFlows
from vmha.adapters.fencing.inventory import Inventory, load_inventory
from vmha.adapters.fencing.ipmi import IpmiPowerDevices
from vmha.adapters.images import open_images
from vmha.adapters.messaging import BrokerDoorbell, InProcessDoorbell
from vmha.adapters.metrics import EngineMetrics, api_registry, engine_registry
from vmha.adapters.metrics_server import MetricsServer
from vmha.adapters.nova import open_nova
from vmha.adapters.recovery_file import load_workflows
from vmha.adapters.webhook_settings import load_webhooks
from vmha.api.app import create_app
from vmha.api.parts import ApiParts
from vmha.core.flags import OurReasons
from vmha.engine import returning
from vmha.engine.alert_threads import AlertThreads
from vmha.engine.carrying import Tools
from vmha.engine.couriers import Courier, Dispatcher
from vmha.engine.executor import ThreadExecutor
from vmha.engine.looking import Bounds, Hands, finish
from vmha.engine.loop import Engine
from vmha.errors import ConfigurationError
from vmha.logs import log
from vmha.ports import Deadline
from vmha.upstream_flows import check_flows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from wsgiref.types import WSGIApplication

    from sqlalchemy.engine import URL
    from sqlalchemy.engine import Engine as Database

    from vmha.core.returning import Returned, Wish
    from vmha.core.workflows import Workflows
    from vmha.ports import Announcer, Change, Doorbell, Nova, PowerDevices, Store
    from vmha.return_ports import LetBack
    from vmha.settings import Settings

    AfterCommit = Callable[[int, Change[Any]], None]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineProcess:
    """An engine with the threads that carry out its orders; `bell` wakes its loop, `close` ends what still runs beside it.

    Each of `beside` is called after each round of the engine. `alerts` delivers what was stored for humans, `metrics` shows what the
    engine counted; both are started with the loop.
    """

    engine: Engine
    beside: tuple[Callable[[], None], ...]
    executor: ThreadExecutor
    bell: threading.Event
    close: Callable[[], None]
    alerts: AlertThreads
    metrics: MetricsServer | None


def build_engine(
    settings: Settings,
    database: Database,
    *,
    store: Store | None = None,
    nova: Nova | None = None,
    power: PowerDevices | None = None,
) -> EngineProcess:
    """Build the engine that the settings describe. Raises `ConfigurationError` for files beside them that cannot be used."""
    clock, bell, limits = SystemClock(), threading.Event(), settings.engine_settings
    inventory = load_inventory(settings.fencing.inventory)
    check_flows(settings.config)
    workflows = load_workflows(settings.policy_file)
    bmcs = IpmiPowerDevices(inventory, calls=settings.fencing.power_calls)
    registry = engine_registry(partial(read_standing, database), covers=inventory.covers)
    counted = EngineMetrics(registry)
    alerts = _alerts(settings, database, counted)
    kept = store or _store(settings, database, counted.committed, alerts.committed)
    tools = Tools(
        nova=nova or open_nova(settings, clock=clock),
        images=open_images(settings, clock=clock),
        power=power or bmcs,
        alerts=LogAlerts(),
        store=kept,
        clock=clock,
        terms=limits.lease_terms,
        order_seconds=limits.order_seconds,
        power_call_seconds=settings.fencing.power_call_seconds,
        read_seconds=limits.read_seconds,
        disabled_reason=settings.service_disable_reason,
        process_disabled_reason=settings.policy.process_disable_reason,
    )
    executor = ThreadExecutor(
        tools, power_calls=settings.fencing.power_calls, evacuate_threads=limits.evacuate_threads, on_reply=bell.set
    )
    engine = Engine(
        name=settings.engine,
        store=kept,
        executor=executor,
        clock=clock,
        policy=replace(settings.policy, detector_segments=inventory.detector_segments, workflows=workflows),
        terms=limits.lease_terms,
        new_uuid=_new_uuid,
        poll_seconds=limits.poll_seconds,
        limit=limits.recoveries_at_once,
        others_limit=limits.incidents_at_once,
    )
    shown = settings.metrics
    metrics = (
        MetricsServer(registry, address=shown.engine_listen, port=shown.engine_port) if shown.engine_port else None
    )
    return EngineProcess(
        engine=engine,
        beside=_watches(settings, database, workflows),
        executor=executor,
        bell=bell,
        close=bmcs.close,
        alerts=alerts,
        metrics=metrics,
    )


def _watches(settings: Settings, database: Database, workflows: Workflows) -> tuple[Callable[[], None], ...]:
    """Build what looks beside the engine's rounds."""
    clock = SystemClock()
    policy = PolicyWatch(database, clock, workflows, settings.policy_file)
    return LeftoverWatch(database, clock).look, DisarmWatch(database, clock).look, policy.look


def _alerts(settings: Settings, database: Database, counted: EngineMetrics) -> AlertThreads:
    """Build what delivers alerts; without webhooks it has nothing to do. Raises `ConfigurationError`."""
    clock, outbox, wanted = SystemClock(), SqlOutbox(database), settings.alerts
    couriers = {
        webhook.key: Courier(
            webhook=webhook,
            outbox=outbox,
            engine=settings.engine,
            clock=clock,
            terms=wanted.retry_terms,
            post_seconds=wanted.post_seconds,
            on_result=counted.posted,
        )
        for webhook in load_webhooks(wanted, clock=clock)
    }
    return AlertThreads(Dispatcher(outbox=outbox, couriers=couriers, terms=wanted.retry_terms))


def _store(settings: Settings, database: Database, *hooks: AfterCommit) -> SqlStore:
    """Build the store, and let it tell the message bus too where somebody listens there."""
    announcer = open_announcer(settings.config)
    heard = list(hooks)
    if not isinstance(announcer, SilentAnnouncer):
        heard.append(EngineAnnouncements(database, announcer).committed)

    def committed(version: int, change: Change[Any]) -> None:
        for hook in heard:
            hook(version, change)

    return SqlStore(database, on_commit=committed)


def _returns(database: Database, announcer: Announcer, *, via: str) -> SqlReturns:
    """Build what holds hosts for their return, and let it tell the message bus as the store does."""
    if isinstance(announcer, SilentAnnouncer):
        return SqlReturns(database, via=via)
    return SqlReturns(database, via=via, on_host=HostAnnouncements(database, announcer).changed)


def build_api(
    settings: Settings, database: Database, doorbell: Doorbell, *, nova: Nova | None = None
) -> WSGIApplication:
    """Build the API as a WSGI application."""
    api = settings.api
    cloud = nova or open_nova(settings, clock=SystemClock())
    announcer = open_announcer(settings.config)
    return create_app(
        ApiParts(
            engine=database,
            reader=open_reader(database, settings.database_url, options=database_options.given(settings.config)),
            config=settings.config,
            auth_strategy=api.auth_strategy,
            compute_hosts=_compute_hosts(cloud),
            hypervisors=_hypervisors(cloud),
            task_flows=_task_flows(settings, database).tasks_of,
            let_back=build_return(settings, database, nova=cloud, announcer=announcer, via="api"),
            doorbell=doorbell,
            max_limit=api.osapi_max_limit,
            link_prefix=api.osapi_masakari_link_prefix,
            duplicate_interval_seconds=api.duplicate_notification_detection_interval,
            announcer=announcer,
            metrics=api_registry(partial(read_standing, database)) if settings.metrics.api_enabled else None,
        )
    )


def build_return(
    settings: Settings, database: Database, *, via: str, nova: Nova | None = None, announcer: Announcer | None = None
) -> LetBack:
    """Build what lets hosts back. `via` is the program, by which it is known on timelines."""

    def let_back(host: str, wish: Wish, *, is_dry: bool = False) -> Returned:
        with open_hands(settings, database, via=via, nova=nova, announcer=announcer) as hands:
            return finish(returning.let_back(host, wish, hands, is_dry=is_dry), hands.clock)

    return let_back


@contextmanager
def open_hands(
    settings: Settings, database: Database, *, via: str, nova: Nova | None = None, announcer: Announcer | None = None
) -> Iterator[Hands]:
    """Give what it takes to let a host back or to retire it.

    The inventory is read anew; one that cannot be used is named in the log, and every host then counts as unprotected.
    """
    clock, limits = SystemClock(), settings.engine_settings
    try:
        inventory = load_inventory(settings.fencing.inventory)
    except ConfigurationError as error:
        log(logger, "inventory-unusable", level=logging.ERROR, detail=str(error))
        inventory = Inventory(source=f"{settings.fencing.inventory}, which cannot be used,", devices={})
    power = IpmiPowerDevices(inventory, calls=settings.fencing.power_calls)
    try:
        yield Hands(
            nova=nova or open_nova(settings, clock=clock),
            power=power,
            returns=_returns(database, announcer or open_announcer(settings.config), via=via),
            census=_no_census,
            clock=clock,
            new_uuid=_new_uuid,
            our_reasons=OurReasons(
                host=settings.service_disable_reason, process=settings.policy.process_disable_reason
            ),
            bounds=Bounds(
                order=limits.order_seconds,
                settle=limits.lease_terms.claim_after_seconds,
                read=limits.read_seconds,
                power_call=settings.fencing.power_call_seconds,
                watch=settings.policy.heartbeat_silence_seconds,
                look=settings.policy.witness_interval_seconds,
            ),
        )
    finally:
        power.close()


def _no_census(_host: str) -> None:
    """Report nothing: no monitor says yet which guests really run on a host."""


def build_doorbell(settings: Settings) -> Doorbell:
    """Build the bell that an API process rings: over the broker where one is configured, else none that anybody hears.

    Without a broker the engines see the database within their poll interval all the same.
    """
    if settings.transport_url is None:
        return InProcessDoorbell(lambda: None)
    return BrokerDoorbell(settings.config)


def build_database(settings: Settings) -> Database:
    """Open the database that the settings name; nothing is sent yet. Raises `ConfigurationError` for a URL that cannot be used."""
    try:
        url = make_url(settings.database_url)
        _check_folder(url)
        return open_database(settings.database_url, options=database_options.given(settings.config))
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        # The error itself may carry the URL, and the URL the password.
        raise ConfigurationError(
            f"[database] connection cannot be used ({type(error).__name__}): it must be like "
            "mysql+pymysql://user:password@host/masakari"
        ) from None


def open_task_flows(settings: Settings, database: Database) -> UpstreamFlows:
    """Open what upstream kept of its recoveries, most often beside all else. Raises `ConfigurationError` for what is no SQL database."""
    try:
        named = make_url(settings.taskflow.connection or settings.database_url)
        if _place(named) == _place(make_url(settings.database_url)):
            return UpstreamFlows(database)
        if named.get_backend_name() == "sqlite" and not Path(named.database or "").is_file():
            raise ConfigurationError(f"[taskflow] connection cannot be read: there is no file {named.database}")
        return UpstreamFlows(open_database(settings.taskflow.connection or settings.database_url))
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigurationError(
            f"[taskflow] connection cannot be read ({type(error).__name__}): it must be like "
            "mysql+pymysql://user:password@host/masakari"
        ) from None


def _place(url: URL) -> tuple[object, ...]:
    """Name a database, whoever reaches it and by which driver."""
    return url.get_backend_name(), url.host, url.port, url.database


def _task_flows(settings: Settings, database: Database) -> UpstreamFlows:
    """Open them for the API. What cannot be read is told; it stopped nothing upstream, and old progress is no reason to stop here."""
    try:
        return open_task_flows(settings, database)
    except ConfigurationError as error:
        says = f"{error}; the progress of upstream's old recoveries is not shown"
        log(logger, "task-flows-unread", level=logging.WARNING, says=says)
        return UpstreamFlows(database)


def _check_folder(url: URL) -> None:
    """Raise `ConfigurationError` for a file of SQLite in a folder that is not there: it would look like a database that is away."""
    path = Path(url.database or "")
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:") and not path.parent.is_dir():
        raise ConfigurationError(
            f"cannot keep the database in {path}: there is no folder {path.parent}; make it, or set [database] connection or "
            "[DEFAULT] state_path"
        )


def _compute_hosts(nova: Nova) -> Callable[[], frozenset[str]]:
    clock = SystemClock()

    def names() -> frozenset[str]:
        deadline = Deadline(at=clock.monotonic() + HOST_LOOKUP_SECONDS)
        return frozenset(service.host for service in nova.services(deadline=deadline))

    return names


def _hypervisors(nova: Nova) -> Callable[[str], Mapping[str, str]]:
    clock = SystemClock()

    def named(part: str) -> Mapping[str, str]:
        return nova.hypervisors(part, deadline=Deadline(at=clock.monotonic() + HOST_LOOKUP_SECONDS))

    return named


HOST_LOOKUP_SECONDS = 20.0
"""How long a client that adds a host, or reports one of an unknown name, waits for Nova."""


def _new_uuid() -> str:
    return str(uuid4())
