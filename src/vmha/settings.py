"""masakari.conf as frozen dataclasses: read once, checked as a whole, then passed around.

Rules:
1. A field has the name of its option in `vmha.options`, or what that table calls it; a test compares both ways. Only `engine` (option `host`) and
   the two URLs that belong to libraries (`[database] connection`, `transport_url`) are called otherwise.
2. What cannot be used is a `ConfigurationError` that names option, group, value and file, and says what would do.
3. Options that nobody here reads are left alone, and named at start: files written for upstream are full of them.
4. Passwords, and URLs that carry one, are in no repr and in no message.
"""

from __future__ import annotations

import math
import re
import socket
from dataclasses import dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from oslo_config import cfg

from vmha.alert_settings import AlertSettings, MetricsSettings
from vmha.config_files import old_names, open_config, written
from vmha.core.policy import Policy
from vmha.errors import ConfigurationError
from vmha.options import OPTIONS, Option
from vmha.ports import LeaseTerms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import DataclassInstance

    Part = TypeVar("Part", bound=DataclassInstance)

# The engine's name goes into HTTP headers and into columns of 255 characters.
_ENGINE_NAME = re.compile(r"[A-Za-z0-9._:-]{1,255}")
# Options that values of libraries may name, as in `policy_file = $state_path/policy.yaml`; no library has any of that name.
NAMED_BY_OTHERS = ("state_path", "host")
# Options that belong to oslo.db and oslo.messaging; we read these two and they read the rest.
_DATABASE = Option(name="connection", group="database", kind="str", secret=True, help="URL of the database.")
_TRANSPORT = Option(name="transport_url", group="DEFAULT", kind="str", secret=True, help="URL of the broker.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """What the API needs."""

    auth_strategy: str
    masakari_api_listen: str
    masakari_api_listen_port: int
    masakari_api_threads: int
    osapi_max_limit: int
    osapi_masakari_link_prefix: str | None
    duplicate_notification_detection_interval: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """How masakari-api serves."""

    masakari_api_workers: int
    graceful_shutdown_timeout: float
    use_ssl: bool
    ssl_cert_file: str | None
    ssl_key_file: str | None
    ssl_ca_file: str | None
    max_header_line: int
    keep_alive: bool
    tcp_keepidle: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudSettings:
    """Where Nova and Placement are and who we are there."""

    nova_catalog_admin_info: str
    os_region_name: str | None
    nova_ca_certificates_file: str | None
    nova_api_insecure: bool
    os_privileged_user_name: str | None
    os_privileged_user_password: str | None = field(repr=False)
    os_privileged_user_tenant: str | None
    os_privileged_user_auth_url: str | None
    os_user_domain_name: str
    os_project_domain_name: str
    os_system_scope: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FencingSettings:
    """Where the BMCs are written down, and the bounds of talking to them."""

    inventory: Path
    power_call_seconds: float
    power_calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Leases, deadlines and bounds of one engine."""

    lease_seconds: float
    order_seconds: float
    takeover_margin_seconds: float
    read_seconds: float
    poll_seconds: float
    evacuate_threads: int
    recoveries_at_once: int
    incidents_at_once: int

    @property
    def lease_terms(self) -> LeaseTerms:
        """Say how long a lease holds, and how much longer a successor waits."""
        return LeaseTerms(
            lease_seconds=self.lease_seconds,
            claim_after_seconds=self.order_seconds + self.takeover_margin_seconds,
        )

    @property
    def takeover_seconds(self) -> float:
        """Say after how long at most another engine claims the work of one that died: it looks every `poll_seconds`."""
        return self.lease_seconds + self.order_seconds + self.takeover_margin_seconds + self.poll_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """Where the log goes."""

    debug: bool
    log_file: str | None
    log_dir: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskflowSettings:
    """Where upstream's engine kept its task flows; None: where everything else is."""

    connection: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that one process was told. `config` is for libraries that read options of their own."""

    engine: str
    policy: Policy
    service_disable_reason: str
    policy_file: Path
    state_path: Path
    api: ApiSettings
    server: ServerSettings
    cloud: CloudSettings
    fencing: FencingSettings
    engine_settings: EngineSettings
    alerts: AlertSettings
    metrics: MetricsSettings
    log: LogSettings
    taskflow: TaskflowSettings
    database_url: str = field(repr=False)
    transport_url: str | None = field(repr=False)
    config: cfg.ConfigOpts = field(repr=False)


def load(argv: list[str], prog: str) -> Settings:
    """Read the files that `argv` names with --config-file and --config-dir, or masakari.conf in its usual place.

    `argv` may also set the options of `SPOKEN`. Raises `ConfigurationError`.
    """
    # Two readings of the same files: libraries register options on `config` that have names of ours.
    words = [_oslo_option(_BY_NAME[name]) for name in SPOKEN]
    ours, config = open_config(argv, prog, words=words), open_config(argv, prog, words=words)
    for option in (*OPTIONS, _DATABASE, _TRANSPORT):
        ours.register_opt(_oslo_option(option), group=_group(option))
    for option in (_BY_NAME[name] for name in NAMED_BY_OTHERS):
        config.register_opt(_oslo_option(option))
    values = {option.field: _read(ours, option) for option in OPTIONS}
    for need in NEEDS:
        need.check(values, ours)
    return _settings(values, ours, config)


SPOKEN = ("debug", "log_file", "log_dir")
"""Options that may stand on the command line, as with oslo.log: Debian's and Ubuntu's services start upstream's with --log-file."""


def list_opts() -> list[tuple[str | None, list[cfg.Opt]]]:
    """Return our options by group, for oslo.config's generators."""
    groups = dict.fromkeys(option.group for option in OPTIONS)
    return [(group, [_oslo_option(option) for option in OPTIONS if option.group == group]) for group in groups]


def _group(option: Option) -> str | None:
    """Name the group as oslo.config wants it."""
    return None if option.group == "DEFAULT" else option.group


def _oslo_option(option: Option) -> cfg.Opt:
    common: dict[str, Any] = {"default": option.default, "help": option.help, "secret": option.secret}
    common["deprecated_opts"] = [cfg.DeprecatedOpt(name, group=option.group) for name in old_names(option)]
    bounds: dict[str, Any] = {"min": option.low, "max": option.high}
    match option.kind:
        case "int":
            return cfg.IntOpt(option.name, **bounds, **common)
        case "float":
            return cfg.FloatOpt(option.name, **bounds, **common)
        case "bool":
            return cfg.BoolOpt(option.name, short=option.name[0] if option.name in SPOKEN else None, **common)
        case "port":
            return cfg.PortOpt(option.name, **common)
        case "list":
            return cfg.ListOpt(option.name, **common | {"default": []})
        case "choice":
            return cfg.StrOpt(option.name, choices=option.choices, **common)
        case _:
            # Words of a command line have hyphens; in a file the name is the same either way.
            name = option.name.replace("_", "-") if option.name in SPOKEN else option.name
            return cfg.StrOpt(name, **common)


def _read(config: cfg.ConfigOpts, option: Option) -> object:
    try:
        group = _group(option)
        value: object = config[option.name] if group is None else config[group][option.name]
    except cfg.ConfigSourceValueError as error:
        raise _unusable(config, option) from error
    except (cfg.TemplateSubstitutionError, cfg.NoSuchOptError) as error:
        # The second is how the DEFAULT group says the first: all options that are read here exist.
        raise ConfigurationError(
            f"[{option.group}] {option.name} has a $ that begins no option's name; write $$ for a plain dollar"
        ) from error
    # oslo.config lets NaN through every bound.
    if isinstance(value, float) and not math.isfinite(value):
        raise _unusable(config, option)
    # What is left empty is as if it were not there: oslo.config makes a text of it, or None of a number.
    return option.default if value in ("", None) else value


def _unusable(config: cfg.ConfigOpts, option: Option) -> ConfigurationError:
    value, where = written(config, option)
    shown = "" if option.secret else f" = {value}"
    return ConfigurationError(
        f"[{option.group}] {option.name}{shown} in {where} cannot be used: it must be {_expected(option)}"
    )


def _expected(option: Option) -> str:
    unit = f" {option.unit}" if option.unit else ""
    match option.kind:
        case "int":
            return f"a whole number from {option.low:g} to {option.high:g}{unit}"
        case "float":
            return f"a number from {option.low:g} to {option.high:g}{unit}"
        case "bool":
            return "true or false"
        case "port":
            return "a port from 0 to 65535"
        case "choice":
            return f"one of {', '.join(option.choices)}"
        case _:
            return "a text"


@dataclass(frozen=True, slots=True)
class Need:
    """A bound that other options set: `option` is more than the sum of `parts`, or at least as much if not `strict`."""

    option: str
    parts: tuple[str, ...]
    why: str
    strict: bool = True

    def check(self, values: Mapping[str, Any], config: cfg.ConfigOpts) -> None:
        """Raise `ConfigurationError` where the bound does not hold."""
        value, bound = values[self.option], sum(values[part] for part in self.parts)
        if value > bound or (value == bound and not self.strict):
            return
        option = _BY_NAME[self.option]
        _, where = written(config, option)
        terms = " + ".join(f"{part} ({values[part]:g})" for part in self.parts)
        more = "more than" if self.strict else "at least"
        raise ConfigurationError(
            f"[{option.group}] {self.option} = {value:g} ({where}) must be {more} {terms} = {bound:g}: {self.why}; "
            f"raise {self.option} or lower the other"
        )


_BY_NAME = {option.field: option for option in OPTIONS}

NEEDS = (
    Need(
        "proof_valid_seconds",
        ("proof_refresh_seconds", "power_call_seconds"),
        "otherwise a proof runs out before its BMC has been read again, and moves stop in between",
    ),
    Need(
        "order_seconds",
        ("power_call_seconds",),
        "a successor waits this long for orders that are still under way, and a power-off is one",
        strict=False,
    ),
    Need(
        "lease_seconds",
        ("poll_seconds", "poll_seconds"),
        "an engine renews its lease once in each round and must get a second try",
    ),
    Need(
        "fence_seconds",
        ("power_call_seconds", "power_call_seconds", "power_read_spacing_seconds"),
        "a round of fencing holds at least an order and two readings",
    ),
    Need(
        "heartbeat_silence_seconds",
        ("witness_interval_seconds",),
        "silence shows only between two readings of the heartbeats",
    ),
    Need(
        "off_silence_seconds",
        ("witness_interval_seconds",),
        "silence shows only between two readings of the heartbeats",
    ),
    Need(
        "move_seconds",
        ("order_seconds",),
        "a move cannot be called stalled while its order may still be under way",
    ),
)


def _settings(values: Mapping[str, object], ours: cfg.ConfigOpts, config: cfg.ConfigOpts) -> Settings:
    state_path = str(values["state_path"])
    database = _read(ours, _DATABASE)
    transport = _read(ours, _TRANSPORT)
    return Settings(
        engine=_engine_name(values["host"]),
        policy=_fill(Policy, values),
        service_disable_reason=str(values["service_disable_reason"]),
        policy_file=Path(str(values["policy_file"])),
        state_path=Path(state_path),
        api=_fill(ApiSettings, values),
        server=_fill(ServerSettings, values),
        cloud=_checked(_fill(CloudSettings, values)),
        fencing=_fill(FencingSettings, values),
        engine_settings=_fill(EngineSettings, values),
        alerts=_fill(AlertSettings, values),
        metrics=_fill(MetricsSettings, values),
        log=_fill(LogSettings, values),
        taskflow=_fill(TaskflowSettings, values),
        database_url=str(database or f"sqlite:///{state_path}/masakari.sqlite"),
        transport_url=None if transport is None else str(transport),
        config=config,
    )


def _engine_name(value: object) -> str:
    name = str(value or socket.gethostname())
    if not _ENGINE_NAME.fullmatch(name):
        raise ConfigurationError(
            f"[DEFAULT] host = {name!r} cannot be used: an engine's name has letters, digits and . _ : - only; set host"
        )
    return name


def _checked(cloud: CloudSettings) -> CloudSettings:
    if cloud.nova_catalog_admin_info.count(":") != 2:
        raise ConfigurationError(
            f"[DEFAULT] nova_catalog_admin_info = {cloud.nova_catalog_admin_info} cannot be used: it must be "
            "service_type:service_name:endpoint_type, as in compute:nova:internalURL"
        )
    return cloud


def _fill(part: type[Part], values: Mapping[str, object]) -> Part:
    """Build a part of the settings from the options that its fields are named after; a field without an option has a default."""
    hints = get_type_hints(part)
    return part(
        **{each.name: _typed(values[each.name], hints[each.name]) for each in fields(part) if each.name in values}
    )


def _typed(value: Any, hint: Any) -> object:
    if isinstance(value, list):
        return tuple(value)
    if hint is float or (isinstance(hint, type) and issubclass(hint, (Enum, Path))):
        return hint(value)
    return value
