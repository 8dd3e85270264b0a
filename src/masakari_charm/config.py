"""The charm's options as one frozen dataclass, with what is wrong with them.

A wrong value is a `Problem` that names the option and the fix; the field then holds the default, so that everything else can be read.
What the options mean stands in docs/charm/config.md.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from masakari_charm import flags, tls
from masakari_charm.plan import Problem
from masakari_charm.relations.bags import to_pem
from masakari_charm.relations.certificates import Pair
from vmha.options import OPTIONS

Raw = Mapping[str, str | int | float | bool]

WITHOUT_EFFECT = {
    "verbose": False,
    "use-syslog": False,
    "os-data-network": "",
    "evacuation-delay": 60,
    "notification-expiration": 0,
    "check-expired-interval": 0,
}
"""Options of today's charm that the service has nothing for, with the value that nobody set."""

SERVICE_OPTIONS = {
    charm_option: next(each for each in OPTIONS if (each.group, each.name) == place)
    for place, charm_option in flags.SET_BY_OPTION.items()
    if charm_option
    in ("evacuate-all-instances", "fence-attempts", "brake-hosts", "brake-percent", "local-disk", "shared-storage")
}
"""Options of the charm that are an option of the service under a similar name, with its bounds."""

WORKERS = next(option for option in OPTIONS if option.name == "masakari_api_threads")
DEFAULT_INTERFACE = "eth0"
DEFAULT_PREFIX = 24
_HOSTNAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.(?!-)[A-Za-z0-9-]{1,63})*")
_WORD = re.compile(r"[\w.:-]{1,255}")
_INTERFACE = re.compile(r"[\w.:@-]{1,15}", re.ASCII)
_KINDS = ("public", "internal", "admin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the operator chose. `networks` and `hostnames` are by kind of endpoint; None where nothing is set."""

    archive: str = "caracal"
    is_action_managed: bool = False
    debug: bool = False
    region: str = "RegionOne"
    use_internal_endpoints: bool = False
    threads: int | None = None
    vip: tuple[str, ...] = ()
    vip_interface: str = DEFAULT_INTERFACE
    vip_prefix: int = DEFAULT_PREFIX
    is_dns_ha: bool = False
    networks: Mapping[str, str | None] = field(default_factory=lambda: dict.fromkeys(_KINDS))
    hostnames: Mapping[str, str | None] = field(default_factory=lambda: dict.fromkeys(_KINDS))
    pair: Pair | None = None
    ca: str | None = None
    queue_timeout: int = 9000
    connect_timeout: int = 9000
    client_timeout: int = 90000
    server_timeout: int = 90000
    inventory_secret: str | None = None
    service: tuple[tuple[str, str, str], ...] = ()
    flags: flags.Flags = ()
    without_effect: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    unset: tuple[str, ...] = ()

    @property
    def names_interface(self) -> bool:
        """Tell whether the operator named where virtual IPs belong, instead of leaving it to the networks."""
        return (self.vip_interface, self.vip_prefix) != (DEFAULT_INTERFACE, DEFAULT_PREFIX)


def parse(raw: Raw, *, cpus: int) -> Config:
    """Read all options."""
    reader = _Reader(raw)
    timeouts = {
        name: reader.count(f"haproxy-{name}-timeout", low=1, high=2**31 - 1, default=default)
        for name, default in _TIMEOUTS
    }
    pair, ca = _certificate(reader)
    service = tuple(reader.service(name) for name in SERVICE_OPTIONS)
    config = Config(
        archive=reader.text("openstack-origin") or "distro",
        is_action_managed=reader.flag("action-managed-upgrade"),
        debug=reader.flag("debug"),
        region=reader.word("region", _WORD, default="RegionOne", fix="set the name of a Keystone region"),
        use_internal_endpoints=reader.flag("use-internal-endpoints"),
        threads=_threads(reader, cpus),
        vip=_vips(reader),
        vip_interface=reader.word(
            "vip_iface", _INTERFACE, default=DEFAULT_INTERFACE, fix="set the name of a network interface"
        ),
        vip_prefix=reader.count("vip_cidr", low=1, high=128, default=DEFAULT_PREFIX),
        is_dns_ha=reader.flag("dns-ha"),
        networks={kind: reader.network(f"os-{kind}-network") for kind in _KINDS},
        hostnames={kind: reader.hostname(f"os-{kind}-hostname") for kind in _KINDS},
        pair=pair,
        ca=ca,
        queue_timeout=timeouts["queue"],
        connect_timeout=timeouts["connect"],
        client_timeout=timeouts["client"],
        server_timeout=timeouts["server"],
        inventory_secret=reader.text("fencing-inventory") or None,
        service=tuple(each for each in service if each is not None),
        flags=_flags(reader),
        without_effect=tuple(
            name for name, default in WITHOUT_EFFECT.items() if raw.get(name, default) not in (default, "")
        ),
        unset=_unset(raw),
    )
    if config.vip and config.is_dns_ha:
        reader.problem("vip and dns-ha are both set", "keep one of them: a virtual IP, or names that MAAS moves")
    return replace(config, problems=tuple(reader.problems))


_TIMEOUTS = (("queue", 9000), ("connect", 9000), ("client", 90000), ("server", 90000))


class _Reader:
    """Takes values out of Juju's mapping, and collects what is wrong with them."""

    def __init__(self, raw: Raw) -> None:
        self._raw = raw
        self.problems: list[Problem] = []

    def problem(self, what: str, fix: str) -> None:
        """Note that something cannot be used."""
        self.problems.append(Problem(what=what, fix=fix))

    def text(self, name: str) -> str:
        """Return a text without space around it; empty where it is not set."""
        return str(self._raw.get(name, "")).strip()

    def flag(self, name: str) -> bool:
        """Return a yes or no."""
        return bool(self._raw.get(name, False))

    def number(self, name: str) -> float | None:
        """Return a number, None where it is not set."""
        value = self._raw.get(name)
        return None if value is None or isinstance(value, str) else float(value)

    def count(self, name: str, *, low: int, high: int, default: int) -> int:
        """Return a whole number within bounds."""
        value = self.number(name)
        if value is None or (low <= value <= high and value.is_integer()):
            return default if value is None else int(value)
        self.problem(f"{name} = {value:g} cannot be used", f"set a whole number from {low} to {high}")
        return default

    def word(self, name: str, form: re.Pattern[str], *, default: str, fix: str) -> str:
        """Return a text of a form."""
        value = self.text(name) or default
        if form.fullmatch(value):
            return value
        self.problem(f"{name} = {value!r} cannot be used", fix)
        return default

    def network(self, name: str) -> str | None:
        """Return a network as address/prefix."""
        value = self.text(name)
        try:
            return str(ipaddress.ip_network(value, strict=False)) if value else None
        except ValueError:
            self.problem(f"{name} = {value!r} is no network", "set it as 10.0.0.0/24, or leave it empty")
            return None

    def hostname(self, name: str) -> str | None:
        """Return a host name; {service_name} in it stands for masakari."""
        value = self.text(name).replace("{service_name}", "masakari")
        if not value:
            return None
        if len(value) <= 253 and _HOSTNAME.fullmatch(value):
            return value
        self.problem(
            f"{name} = {value!r} is no host name", "set a name such as masakari.example.com, or leave it empty"
        )
        return None

    def pem(self, name: str) -> str | None:
        """Return a PEM text that is written in base64."""
        value = self.text(name)
        if not value:
            return None
        found = to_pem(value)
        if found is None:
            self.problem(
                f"{name} is no PEM text in base64", f'set it with: juju config masakari {name}="$(base64 -w0 FILE)"'
            )
        return found

    def service(self, name: str) -> tuple[str, str, str] | None:
        """Return group, name and value of an option that is the service's; None where it is left as the service has it."""
        option = SERVICE_OPTIONS[name]
        value = self._raw.get(name)
        if value is None or value == "":
            return None
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        if not flags.is_allowed(option, shown):
            self.problem(f"{name} = {shown} cannot be used", f"set {flags.expected(option)}")
            return None
        return (option.group, option.name, shown)


def _threads(reader: _Reader, cpus: int) -> int | None:
    """Say how many requests the API serves at a time: what was a worker process is a thread here."""
    low, high = int(WORKERS.low or 1), int(WORKERS.high or 1)
    if reader.number("workers") is not None:
        return reader.count("workers", low=low, high=high, default=low)
    multiplier = reader.number("worker-multiplier")
    if multiplier is None:
        return None
    if not math.isfinite(multiplier) or multiplier <= 0:
        reader.problem(f"worker-multiplier = {multiplier:g} cannot be used", "set a number above 0, or leave it unset")
        return None
    return max(low, math.ceil(min(high, cpus * multiplier)))


def _vips(reader: _Reader) -> tuple[str, ...]:
    found: list[str] = []
    for word in reader.text("vip").split():
        try:
            address = str(ipaddress.ip_address(word))
        except ValueError:
            reader.problem(f"vip {word!r} is no IP address", "set addresses with spaces between them")
            continue
        if address in found:
            reader.problem(f"vip {address} stands there twice", "name each address once")
        else:
            found.append(address)
    return tuple(found)


def _certificate(reader: _Reader) -> tuple[Pair | None, str | None]:
    before = len(reader.problems)
    certificate, key, ca = (reader.pem(name) for name in ("ssl_cert", "ssl_key", "ssl_ca"))
    if len(reader.problems) > before:
        return None, ca
    if certificate is None or key is None:
        if certificate or key:
            given, other = ("ssl_cert", "ssl_key") if certificate else ("ssl_key", "ssl_cert")
            reader.problem(f"{given} is set without {other}", f"set {other} too, or remove {given}")
        return None, ca
    pair = Pair(certificate=certificate, key=key)
    fault = tls.fault(pair)
    if fault is not None:
        reader.problem(
            f"ssl_cert and ssl_key cannot be used: {fault}", "set a certificate with its own key, both in base64"
        )
        return None, ca
    return pair, ca


def _flags(reader: _Reader) -> flags.Flags:
    taken, refused = flags.parse(reader.text("config-flags"))
    for each in refused:
        reader.problem(f"config-flags: {each.what}", each.fix)
    return taken


def _unset(raw: Raw) -> tuple[str, ...]:
    """Name the options that must be set and are not: names for DNS-HA."""
    names = tuple(f"os-{kind}-hostname" for kind in _KINDS)
    return names if raw.get("dns-ha") and not any(raw.get(name) for name in names) else ()
