"""Reads configuration and fencing inventory as API and engine would, without a word to Nova, BMC, database or broker."""

from __future__ import annotations

import logging
import sys
from functools import partial
from typing import TYPE_CHECKING

from oslo_config import cfg, generator
from sqlalchemy.engine import make_url

from vmha.adapters.clock import SystemClock
from vmha.adapters.fencing.inventory import load_inventory
from vmha.adapters.messaging import InProcessDoorbell
from vmha.adapters.recovery_file import load_workflows
from vmha.adapters.webhook_settings import load_webhooks
from vmha.cli.webserver import tls_context
from vmha.config_files import given, unread
from vmha.errors import ConfigurationError
from vmha.logs import check_log
from vmha.options import OPTIONS
from vmha.settings import load
from vmha.upstream_flows import check_flows
from vmha.wiring import build_api, build_database, build_doorbell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmha.adapters.fencing.inventory import Inventory
    from vmha.settings import Settings

LOGGING_PROGRAMS = ("masakari-api", "masakari-engine")


def check_configuration(program: str, arguments: list[str]) -> int:
    """Print what would be used, without secrets, and return 0; or print everything that is wrong with it and return 2."""
    # Libraries warn of what they read; here only what keeps a program from starting counts.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        settings = load(arguments, program)
    except ConfigurationError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    faults = [str(fault) for fault in map(_fault, _starts(settings)) if fault is not None]
    for fault in dict.fromkeys(faults):
        print(f"{program}: {fault}", file=sys.stderr)
    if faults:
        return 2
    for line in _summary(settings, load_inventory(settings.fencing.inventory)):
        print(line)
    return 0


def print_sample() -> int:
    """Print every option with its help and default, ours and those of the libraries, as oslo-config-generator does."""
    config = cfg.ConfigOpts()
    generator.register_cli_opts(config)
    config(
        [word for space in SAMPLE_OF for word in ("--namespace", space)], project="masakari", default_config_files=[]
    )
    generator.generate(config, output_file=sys.stdout)
    return 0


SAMPLE_OF = (
    *("masakari", "keystonemiddleware.auth_token", "oslo.db", "oslo.messaging"),
    *("oslo.middleware.cors", "oslo.middleware.http_proxy_to_wsgi", "oslo.middleware.sizelimit", "oslo.policy"),
)
"""The namespaces of what is read here; `oslo-config-generator --namespace` takes them too."""


def _starts(settings: Settings) -> Iterator[Callable[[], object]]:
    """Yield what API and engine do before they serve, each on its own: one fault does not hide the next."""
    yield lambda: tls_context(settings.server)
    yield lambda: build_database(settings)
    yield lambda: build_doorbell(settings)
    yield lambda: load_inventory(settings.fencing.inventory)
    yield lambda: load_workflows(settings.policy_file)
    yield lambda: check_flows(settings.config)
    yield lambda: load_webhooks(settings.alerts, clock=SystemClock())
    yield lambda: build_api(settings, build_database(settings), InProcessDoorbell(lambda: None))
    yield from (partial(check_log, settings.log, program) for program in LOGGING_PROGRAMS)


def _fault(start: Callable[[], object]) -> ConfigurationError | None:
    try:
        start()
    except ConfigurationError as error:
        return error
    return None


def _summary(settings: Settings, inventory: Inventory) -> Iterator[str]:
    """Yield what would be used. A URL is shown without its password, and the broker's not at all: it may hold several."""
    api, cloud = settings.api, settings.cloud
    url = make_url(settings.database_url).set(query={}).render_as_string(hide_password=True)
    yield f"engine    {settings.engine}"
    yield f"database  {url}"
    yield f"broker    {'set' if settings.transport_url else 'none: engines look at the database by themselves'}"
    yield f"API       {api.masakari_api_listen}:{api.masakari_api_listen_port}, callers by {api.auth_strategy}"
    yield f"Nova      {cloud.nova_catalog_admin_info} in {cloud.os_region_name or 'the only region'}"
    yield f"fencing   {inventory.source}: {len(inventory.devices)} hosts{'' if inventory.devices else ', so none can be fenced'}"
    for host, device in sorted(inventory.devices.items()):
        yield f"          {host} by ipmi at {device.endpoint}"
    for segment in sorted(inventory.detector_segments):
        yield f"          segment {segment}: policy = detector, so hosts without a BMC are taken for off without a proof"
    choices = load_workflows(settings.policy_file).choices
    yield f"policy    {settings.policy_file}: {len(choices)} choices{'' if choices else ', so everything is recovered'}"
    yield from (f"          {choice}" for choice in choices)
    yield from _alerts_and_metrics(settings)
    secrets = {(option.group, option.name) for option in OPTIONS if option.secret}
    for (group, name), value in given(settings.config).items():
        yield f"[{group}] {name} = {'(not shown)' if (group, name) in secrets else value}"
    left = unread(settings.config)
    yield from (f"[{option.group}] {option.name} is ignored: {option.note}" for option in left.ignored)
    yield from (f"{name} is unknown, and ignored" for name in left.unknown)


def _alerts_and_metrics(settings: Settings) -> Iterator[str]:
    webhooks = load_webhooks(settings.alerts, clock=SystemClock())
    signed = "signed" if settings.alerts.secret_file else "not signed"
    yield f"alerts    {f'to {len(webhooks)} webhooks, {signed}' if webhooks else 'lines of the log of the engine only'}"
    yield from (f"          {webhook.name}" for webhook in webhooks)
    shown = settings.metrics
    engine = f"{shown.engine_listen}:{shown.engine_port}" if shown.engine_port else "none"
    yield f"metrics   engine: {engine}, API: {'/metrics' if shown.api_enabled else 'none'}"
