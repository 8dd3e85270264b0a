"""What the scripted peers share: how one reads who asks, and how it answers by its mode."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from tests.juju.standin.charm import Charm, Endpoint
from tests.juju.standin.context import Context
from tests.juju.standin.model import Relation, Status, Unit

Bag = Mapping[str, str]
MODES = ("normal", "late", "incomplete", "wrong")
# The units of a peer tell each other here that they heard or said something new, as the real ones do by theirs.
CREW = "crew"


class Peer:
    """One unit of a peer. On each event it looks at every relation and answers whoever has asked in full.

    `endpoint` and `interface` name its end, `needs` the keys without which the real charm waits.
    """

    endpoint: ClassVar[str]
    interface: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]
    is_subordinate: ClassVar[bool] = False
    options: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, unit: Unit) -> None:
        """Stand for one unit."""
        self.unit = unit

    @classmethod
    def charm(cls, name: str) -> Charm:
        """Return the charm as Juju would read it."""
        scope = "container" if cls.is_subordinate else "global"
        end = Endpoint(name=cls.endpoint, interface=cls.interface, role="provides", scope=scope)
        crew = Endpoint(name=CREW, interface=f"{name}-crew", role="peers")
        defaults = {"mode": "normal", **cls.options}
        return Charm(
            name=name,
            endpoints={cls.endpoint: end, CREW: crew},
            options={option: {"default": value} for option, value in defaults.items()},
            is_subordinate=cls.is_subordinate,
        )

    def run(self, context: Context) -> None:
        """React to any event in the same way: look, answer, and let the other units know."""
        if context.hook.kind in ("relation-broken", "stop", "remove"):
            return
        relations = [relation for relation in context.relations() if not relation.is_dying]
        answered = [
            self.look(context, relation) for relation in relations if relation.ends[self.unit.application] != CREW
        ]
        self.unit.status = (
            Status("active", "Unit is ready") if all(answered) else Status("waiting", "nobody asked in full")
        )
        for relation in relations:
            if relation.ends[self.unit.application] == CREW:
                context.own_bag(relation, self.unit.name)["news"] = self.news(context, relations)

    def news(self, context: Context, relations: list[Relation]) -> str:
        """Return a digest of what this unit was asked and what it answered."""
        told = [
            (name, sorted(bag.items()))
            for relation in relations
            if relation.ends[self.unit.application] != CREW
            for name, bag in (
                *self.asking(context, relation),
                (self.unit.name, context.own_bag(relation, self.unit.name)),
            )
        ]
        return hashlib.sha256(repr(told).encode()).hexdigest()

    def look(self, context: Context, relation: Relation) -> bool:
        """Answer a relation if somebody in it asked in full; say whether one did."""
        asking = dict(self.asking(context, relation))
        if not asking:
            return False
        mode = str(context.application.config()["mode"])
        if mode == "late":
            return True
        reply = self.reply(context, relation, asking)
        self.write(context, relation, self.spoil(reply, mode))
        return True

    def asking(self, context: Context, relation: Relation) -> Iterator[tuple[str, Bag]]:
        """Yield the units at the other end whose bag has all that is needed."""
        for name in context.model.seen_by(relation, context.unit):
            bag = relation.bags.get(name, {})
            if all(bag.get(key) for key in self.needs):
                yield name, bag

    def reply(self, context: Context, relation: Relation, asking: Mapping[str, Bag]) -> dict[str, str]:
        """Return what the real charm would write into its unit's bag."""
        raise NotImplementedError

    def spoil(self, reply: dict[str, str], mode: str) -> dict[str, str]:
        """Return the reply as the mode wants it; an empty value takes a key away."""
        raise NotImplementedError

    def write(self, context: Context, relation: Relation, reply: Mapping[str, str]) -> None:
        """Write the reply into our unit's bag, and leave what Juju and we wrote otherwise."""
        bag = context.own_bag(relation, context.unit.name)
        for key, value in reply.items():
            if value:
                bag[key] = value
            else:
                bag.pop(key, None)
