"""The model that a controller would keep: applications, units, relations and their bags, secrets, ports, leaders.

Rules:
1. Nothing here knows a process. `context.py` reads it for a hook and writes what the hook left when it succeeded.
2. A bag belongs to a unit or to an application and lies in a relation. Its version grows with each change, which is how
   `agent.py` knows whose `-changed` is due.
3. A unit is in a relation's scope between its `-created` and its `-broken`. Only then do others see it.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.juju.standin.charm import Charm
from tests.juju.standin.errors import JujuError

MODEL_UUID = "5ea2e72a-5e1f-4a5c-8d6b-0a5a1c0de001"
VERSION = "3.6.14"
SPACES = {"alpha": "10.64.0.0/24", "public": "10.64.1.0/24", "internal": "10.64.2.0/24", "admin": "10.64.3.0/24"}
# Machine 0 has the address .10 in each space, so that virtual IPs find room below and above.
FIRST_HOST = 10
# From bad to good, as Juju ranks them when no leader has set the application's status.
WORST_FIRST = ("error", "blocked", "maintenance", "waiting", "active", "terminated", "unknown")


def now() -> str:
    """Return the time as Juju prints it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%SZ")


@dataclass(slots=True)
class Status:
    """A status word, its message and since when it holds."""

    word: str
    message: str = ""
    since: str = field(default_factory=now)


@dataclass(slots=True)
class Application:
    """A deployed charm. `settings` holds only what the operator set."""

    name: str
    charm: Charm
    settings: dict[str, Any] = field(default_factory=dict)
    spaces: dict[str, str] = field(default_factory=dict)
    resources: dict[str, Path] = field(default_factory=dict)
    status: Status | None = None
    version: str = ""
    units_made: int = 0
    revision: int = 0
    settings_version: int = 0
    leader: str | None = None

    def config(self) -> dict[str, Any]:
        """Return what config-get prints: defaults, then what was set; an option without a value is absent."""
        defaults = {name: option["default"] for name, option in self.charm.options.items() if "default" in option}
        return {name: value for name, value in (defaults | self.settings).items() if value is not None}


@dataclass(slots=True)
class Unit:
    """One unit; a subordinate's `principal` is the unit beside which it stands."""

    name: str
    application: str
    machine: int
    principal: str | None = None
    status: Status = field(default_factory=lambda: Status("waiting", "agent initialising"))
    agent: Status = field(default_factory=lambda: Status("allocating"))
    ports: set[str] = field(default_factory=set)
    state: dict[str, str] = field(default_factory=dict)
    log: list[tuple[str, str]] = field(default_factory=list)
    is_dying: bool = False
    is_lost: bool = False

    @property
    def number(self) -> int:
        """The number after the slash, by which Juju sorts."""
        return int(self.name.rpartition("/")[2])


@dataclass(slots=True)
class Relation:
    """Two ends (one for peers), as application -> endpoint, and what lies in the bags of its members."""

    id: int
    ends: dict[str, str]
    interface: str
    scope: str
    is_dying: bool = False
    bags: dict[str, dict[str, str]] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)

    @property
    def is_peer(self) -> bool:
        """Whether it joins the units of one application."""
        return len(self.ends) == 1

    def other(self, application: str) -> str:
        """Return the application at the other end; of a peer relation, the same one."""
        return next((name for name in self.ends if name != application), application)

    def write(self, member: str, bag: dict[str, str]) -> None:
        """Replace a bag, and count it as a change only if it is one."""
        if bag != self.bags.get(member, {}):
            self.bags[member] = dict(bag)
            self.versions[member] = self.versions.get(member, 0) + 1


@dataclass(slots=True)
class Secret:
    """A secret; `owner` is a unit, an application, or empty for the operator's own."""

    id: str
    owner: str
    revisions: dict[int, dict[str, str]]
    label: str = ""
    description: str = ""
    rotation: str = ""
    expiry: str = ""
    granted: set[tuple[str, int | None]] = field(default_factory=set)
    tracked: dict[str, int] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def latest(self) -> int:
        """The newest revision."""
        return max(self.revisions)


class Model:
    """Everything at once; the scenario API in `juju.py` is what tests use."""

    def __init__(self, name: str = "standin") -> None:
        """Start empty, with the spaces that SPACES lists."""
        self.name = name
        self.applications: dict[str, Application] = {}
        self.units: dict[str, Unit] = {}
        self.relations: dict[int, Relation] = {}
        self.secrets: dict[str, Secret] = {}
        self.spaces = dict(SPACES)
        self._relations_made = 0
        self._secrets_made = 0

    def application(self, name: str) -> Application:
        """Return an application, or say which there are."""
        if name not in self.applications:
            raise JujuError(f"no application {name!r}; there are {', '.join(sorted(self.applications)) or 'none'}")
        return self.applications[name]

    def unit(self, name: str) -> Unit:
        """Return a unit, or say which there are."""
        if name not in self.units:
            raise JujuError(f"no unit {name!r}; there are {', '.join(sorted(self.units)) or 'none'}")
        return self.units[name]

    def units_of(self, application: str) -> list[Unit]:
        """Return an application's units by number."""
        return sorted((unit for unit in self.units.values() if unit.application == application), key=lambda u: u.number)

    def relations_of(self, application: str) -> list[Relation]:
        """Return the relations of an application, the oldest first."""
        return [relation for _, relation in sorted(self.relations.items()) if application in relation.ends]

    def add_relation(self, ends: dict[str, str], *, interface: str, scope: str) -> Relation:
        """Add a relation; ids are never used twice."""
        relation = Relation(self._relations_made, ends, interface, scope)
        self._relations_made += 1
        self.relations[relation.id] = relation
        return relation

    def add_secret(self, owner: str, content: dict[str, str]) -> Secret:
        """Add a secret with one revision. Its id looks like Juju's: 20 letters and digits."""
        self._secrets_made += 1
        secret = Secret(f"d{self._secrets_made:019d}", owner, {1: dict(content)})
        self.secrets[secret.id] = secret
        return secret

    def seen_by(self, relation: Relation, unit: Unit) -> list[str]:
        """Return the units that this one sees in a relation: in scope, not itself, and beside it where scoped so."""
        far = relation.other(unit.application)
        return [
            other.name
            for other in self.units_of(far)
            if other.name != unit.name
            and other.name in relation.members
            and not other.is_dying
            and (relation.scope != "container" or relation.is_peer or beside(unit, other))
        ]

    def belongs(self, relation: Relation, unit: Unit) -> bool:
        """Whether a unit takes part: in a container-scoped relation only beside one of the other end."""
        if relation.scope != "container" or relation.is_peer:
            return True
        return any(beside(unit, other) for other in self.units_of(relation.other(unit.application)))

    def address(self, unit: Unit, endpoint: str) -> tuple[str, str]:
        """Return a unit's address for an endpoint, and the network of it."""
        spaces = self.applications[unit.application].spaces
        cidr = self.spaces[spaces.get(endpoint) or spaces.get("") or "alpha"]
        network = ipaddress.ip_network(cidr)
        return str(network.network_address + FIRST_HOST + unit.machine), cidr

    def application_status(self, name: str) -> Status:
        """Return what the leader set, else the worst of the units."""
        application = self.applications[name]
        if application.status:
            return application.status
        words = [shown(unit) for unit in self.units_of(name)]
        rank = {word: place for place, word in enumerate(WORST_FIRST)}
        return min(words, key=lambda status: rank.get(status.word, len(rank)), default=Status("unknown"))

    def leaders(self) -> Iterator[str]:
        """Yield the units that lead."""
        yield from (application.leader for application in self.applications.values() if application.leader)


def beside(unit: Unit, other: Unit) -> bool:
    """Whether one of the two is the other's subordinate."""
    return unit.name == other.principal or other.name == unit.principal


def shown(unit: Unit) -> Status:
    """Return the status that `juju status` shows: a failed hook hides the charm's own."""
    if unit.agent.word == "error":
        return Status("error", unit.agent.message, unit.agent.since)
    if unit.is_lost:
        return Status("unknown", f"agent lost, see 'juju show-status-log {unit.name}'", unit.agent.since)
    return unit.status
