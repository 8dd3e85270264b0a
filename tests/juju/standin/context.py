"""What one run of a hook or action sees of the model, and what it leaves there.

Rules, all of them Juju's:
1. Settings, ports, unit state and secrets that a hook writes are its own until it ends. A hook that fails leaves none.
2. Status, workload version and log lines take effect at once. So do an action's results.
3. A unit writes its own bag; the leader writes the application's too. Who else reads what stands in `read_bag`.
4. A relation is visible from the moment the unit entered its scope.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.juju.standin.errors import ToolError
from tests.juju.standin.model import Application, Model, Relation, Secret, Unit

NOT_LEADER = "this unit is not the leader"
DENIED = "permission denied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A hook or action to run. `kind` is the name without the endpoint: install, relation-changed, action."""

    kind: str
    relation: int | None = None
    endpoint: str = ""
    remote_app: str = ""
    remote_unit: str = ""
    departing: str = ""
    secret: str = ""
    secret_label: str = ""
    secret_revision: int | None = None
    action: str = ""
    action_id: str = ""

    @property
    def name(self) -> str:
        """The name under which Juju runs it; an action has none."""
        if self.kind == "action":
            return ""
        return f"{self.endpoint}-{self.kind}" if self.endpoint else self.kind

    @property
    def path(self) -> str:
        """What stands in JUJU_DISPATCH_PATH."""
        return f"actions/{self.action}" if self.kind == "action" else f"hooks/{self.name}"

    def __str__(self) -> str:
        """The hook as a reader of a log wants it."""
        about = self.remote_unit or self.remote_app or self.action
        return f"{self.name or 'action'} ({about})" if about else self.name


@dataclass(slots=True)
class Results:
    """What an action said."""

    values: dict[str, Any] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    failure: str | None = None


class Context:
    """One run. Tools read and write through it; `flush` puts what was written into the model."""

    def __init__(
        self,
        model: Model,
        unit: Unit,
        hook: Hook,
        *,
        joined: dict[int, list[str]] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> None:
        """Begin with nothing written. `joined` is relation -> the units that the unit was told of."""
        self.model = model
        self.unit = unit
        self.hook = hook
        self.joined = joined or {}
        self.parameters = parameters or {}
        self.results = Results()
        self.id = f"{unit.name}-{hook.name or hook.action}-{id(self):x}"
        self._bags: dict[tuple[int, str], dict[str, str]] = {}
        self._ports: set[str] | None = None
        self._state: dict[str, str] | None = None
        self._secrets: dict[str, Secret | None] = {}

    @property
    def is_leader(self) -> bool:
        """Whether the unit leads now."""
        return self.application.leader == self.unit.name

    @property
    def application(self) -> Application:
        """The unit's application."""
        return self.model.applications[self.unit.application]

    def relations(self) -> list[Relation]:
        """Return the relations whose scope the unit has entered."""
        return [r for r in self.model.relations_of(self.unit.application) if self.unit.name in r.members]

    def relation(self, number: int) -> Relation:
        """Return one of them, by its number."""
        found = self.model.relations.get(number)
        if found is None or self.unit.name not in found.members:
            raise ToolError("relation not found")
        return found

    def endpoint(self, relation: Relation) -> str:
        """Return the name of our end."""
        return relation.ends[self.unit.application]

    def own_bag(self, relation: Relation, member: str) -> dict[str, str]:
        """Return our unit's or application's bag as this hook left it; writing to it is what relation-set does."""
        key = (relation.id, member)
        if key not in self._bags:
            self._bags[key] = dict(relation.bags.get(member, {}))
        return self._bags[key]

    def read_bag(self, relation: Relation, member: str) -> dict[str, str]:
        """Return any bag that this unit may read; else Juju says `permission denied`."""
        if member == self.unit.name:
            return self.own_bag(relation, member)
        if member == self.unit.application:
            if self.is_leader:
                return self.own_bag(relation, member)
            if not relation.is_peer:
                raise ToolError(DENIED)
            return dict(relation.bags.get(member, {}))
        application = member.partition("/")[0]
        if application != relation.other(self.unit.application):
            raise ToolError(DENIED)
        if "/" in member and member not in relation.bags:
            raise ToolError(
                f'cannot read settings for unit "{member}" in relation "{key_of(relation)}": settings not found'
            )
        return dict(relation.bags.get(member, {}))

    @property
    def ports(self) -> set[str]:
        """The ports as this hook left them."""
        if self._ports is None:
            self._ports = set(self.unit.ports)
        return self._ports

    @property
    def state(self) -> dict[str, str]:
        """The unit's state in the controller, as this hook left it."""
        if self._state is None:
            self._state = dict(self.unit.state)
        return self._state

    def secret(self, number: str) -> Secret:
        """Return a secret by its id, as this hook left it."""
        found = self._secrets.get(number, self.model.secrets.get(number))
        if found is None:
            raise ToolError(f'secret "{number}" not found')
        return found

    def owned_secrets(self) -> list[Secret]:
        """Return the secrets that this unit may manage: its own, and the application's where it leads."""
        owners = {self.unit.name} | ({self.unit.application} if self.is_leader else set())
        merged = {**self.model.secrets, **self._secrets}
        return [secret for _, secret in sorted(merged.items()) if secret and secret.owner in owners]

    def change_secret(self, secret: Secret) -> Secret:
        """Return a copy of an owned secret that may be written; anybody else is refused."""
        if secret.owner == self.unit.application and not self.is_leader:
            raise ToolError(NOT_LEADER)
        if secret.owner not in (self.unit.name, self.unit.application):
            raise ToolError(DENIED)
        if self._secrets.get(secret.id) is None:
            revisions = {number: dict(content) for number, content in secret.revisions.items()}
            self._secrets[secret.id] = Secret(
                secret.id,
                secret.owner,
                revisions,
                label=secret.label,
                description=secret.description,
                rotation=secret.rotation,
                expiry=secret.expiry,
                granted=set(secret.granted),
                tracked=secret.tracked,
                labels=secret.labels,
            )
        return self.secret(secret.id)

    def new_secret(self, owner: str, content: dict[str, str]) -> Secret:
        """Make a secret; the model forgets it again when the hook fails."""
        if owner == self.unit.application and not self.is_leader:
            raise ToolError(NOT_LEADER)
        secret = self.model.add_secret(owner, content)
        del self.model.secrets[secret.id]
        self._secrets[secret.id] = secret
        return secret

    def remove_secret(self, secret: Secret) -> None:
        """Remove an owned secret when the hook ends."""
        self.change_secret(secret)
        self._secrets[secret.id] = None

    def flush(self) -> None:
        """Put what the hook wrote into the model: it succeeded."""
        for (number, member), bag in self._bags.items():
            relation = self.model.relations.get(number)
            if relation is not None:
                relation.write(member, bag)
        if self._ports is not None:
            self.unit.ports = self._ports
        if self._state is not None:
            self.unit.state = self._state
        for name, secret in self._secrets.items():
            if secret is None:
                self.model.secrets.pop(name, None)
            else:
                self.model.secrets[name] = secret


def key_of(relation: Relation) -> str:
    """Return the relation as Juju spells it: `app:endpoint app:endpoint`."""
    return " ".join(f"{application}:{endpoint}" for application, endpoint in relation.ends.items())
