"""What the API is built from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from vmha.adapters.announcing import SilentAnnouncer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from oslo_config import cfg
    from prometheus_client import CollectorRegistry
    from sqlalchemy.engine import Engine

    from vmha.adapters.db.upstream_flows import Task
    from vmha.ports import Announcer, Doorbell
    from vmha.return_ports import LetBack

HEALTHCHECK_DISABLED_BY: Final = "/etc/masakari/healthcheck_disable"
"""While this file exists the health check fails, so that a load balancer takes the server out. The path is upstream's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiParts:
    """The world around the API.

    `compute_hosts` names the hosts that have a nova-compute service. `hypervisors` gives the host of each hypervisor whose name
    contains a text. Both raise `NovaUnavailable` and `NovaRefused`. `task_flows` reads what upstream's engine did about a notification.
    `reader` is the same database for `reading`; it may be the same engine.
    `config` is for keystonemiddleware, oslo.policy and oslo.middleware, which read their own options from it.
    `let_back` lets a host back; it raises `ReturnRefused`, `UnknownHost` and `StoreUnavailable`.
    `auth_strategy` is keystone or noauth2, `link_prefix` the base URL of links where it is not the one that was called.
    `metrics` is what is shown at /metrics, None where nothing is.
    """

    engine: Engine
    reader: Engine
    config: cfg.ConfigOpts
    auth_strategy: str
    compute_hosts: Callable[[], frozenset[str]]
    hypervisors: Callable[[str], Mapping[str, str]]
    task_flows: Callable[[str], Sequence[Task]]
    let_back: LetBack
    doorbell: Doorbell
    max_limit: int
    link_prefix: str | None
    duplicate_interval_seconds: float
    healthcheck_disabled_by: str = HEALTHCHECK_DISABLED_BY
    announcer: Announcer = field(default_factory=SilentAnnouncer)
    metrics: CollectorRegistry | None = None
