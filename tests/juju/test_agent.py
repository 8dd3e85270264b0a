"""Juju's order of events, told to scripted charms: what comes first, what follows what, and what others may interleave."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.juju.conftest import MakeJuju
from tests.juju.standin.charm import Charm, Endpoint
from tests.juju.standin.context import Context
from tests.juju.standin.errors import JujuError, ToolError
from tests.juju.standin.juju import Juju
from tests.juju.standin.model import Unit

END = Endpoint(name="server", interface="talk", role="provides")
CLIENT = Charm(
    name="client",
    endpoints={
        "talk": Endpoint(name="talk", interface="talk", role="requires"),
        "crew": Endpoint(name="crew", interface="crew", role="peers"),
    },
    options={"word": {"default": "hello"}},
)
SERVER = Charm(name="server", endpoints={"server": END})


class Talker:
    """A charm that writes its word into every bag; `breaks` are hooks that fail, once each."""

    def __init__(self, unit: Unit, breaks: set[str] | None = None) -> None:
        """Keep the hooks that are to fail."""
        self.unit = unit
        self.breaks = breaks if breaks is not None else set()

    def run(self, context: Context) -> None:
        """Write, then perhaps fail."""
        for relation in context.relations():
            if not relation.is_dying:
                context.own_bag(relation, context.unit.name)["word"] = str(
                    context.application.config().get("word", "-")
                )
        if context.hook.name in self.breaks:
            self.breaks.remove(context.hook.name)
            raise ToolError("told to break")


def deploy(juju: Juju, *, units: int = 2, breaks: set[str] | None = None) -> None:
    """Deploy clients and one server, related to each other."""
    make: Callable[[Unit], Talker] = lambda unit: Talker(unit, breaks)  # noqa: E731 (a name for the type's sake)
    juju.deploy_script(CLIENT, make, units=units)
    juju.deploy_script(SERVER, Talker)
    juju.integrate("client:talk", "server:server")


def test_a_unit_starts_in_jujus_order(juju: Juju) -> None:
    """Install, a created per relation, leadership, configuration and start come in this order, then who is there."""
    deploy(juju, units=1)
    juju.settle()
    assert juju.history("client/0") == [
        "install",
        "crew-relation-created (client)",
        "talk-relation-created (server)",
        "leader-elected",
        "config-changed",
        "start",
        "talk-relation-joined (server/0)",
        "talk-relation-changed (server/0)",
    ]


def test_a_follower_hears_of_the_leaders_settings(juju: Juju) -> None:
    """A unit that does not lead gets leader-settings-changed in the place of leader-elected."""
    deploy(juju)
    juju.settle()
    assert juju.history("client/1")[3] == "leader-settings-changed"


def test_nothing_is_told_twice(juju: Juju) -> None:
    """Once settled no hook is due; a changed setting brings config-changed, and changed to those who see the new bag."""
    deploy(juju)
    juju.settle()
    assert juju.settle() == 0
    before = {name: len(juju.history(name)) for name in juju.agents}
    juju.config("client", {"word": "goodbye"})
    juju.settle()
    news = {name: juju.history(name)[count:] for name, count in before.items()}
    assert news["client/0"][0] == "config-changed"
    assert "crew-relation-changed (client/1)" in news["client/0"]
    assert sorted(news["server/0"]) == ["server-relation-changed (client/0)", "server-relation-changed (client/1)"]
    juju.config("client", {"word": "goodbye"})
    assert juju.settle() == 0


def test_a_failed_hook_leaves_nothing_and_runs_again_first(juju: Juju) -> None:
    """What a failed hook wrote is nowhere; the same hook runs again before any other, and counts once."""
    deploy(juju, units=1, breaks={"config-changed"})
    juju.settle(retries=0)
    relation = juju.model.relations_of("server")[0]
    assert juju.history("client/0")[-1] == "config-changed failed"
    assert juju.agents["client/0"].unit.agent.message == 'hook failed: "config-changed"'
    # The created hooks wrote before; the hook that failed did so too.
    assert relation.bags["client/0"]["word"] == "hello"
    juju.settle()
    assert juju.history("client/0")[-4:-2] == ["config-changed", "start"]


def test_writes_of_a_failed_hook_are_discarded(juju: Juju) -> None:
    """A bag keeps what it held before the hook that failed."""
    breaks: set[str] = set()
    deploy(juju, units=1, breaks=breaks)
    juju.settle()
    breaks.add("config-changed")
    juju.config("client", {"word": "goodbye"})
    juju.settle(retries=0)
    relation = juju.model.relations_of("server")[0]
    assert relation.bags["client/0"]["word"] == "hello"
    juju.settle()
    assert relation.bags["client/0"]["word"] == "goodbye"


def test_a_relation_goes_with_departed_and_broken(juju: Juju) -> None:
    """Each unit is departed from, then the relation is broken on both sides, then it is gone; it may come again."""
    deploy(juju, units=1)
    juju.settle()
    juju.remove_relation("client:talk", "server:server")
    juju.settle()
    gone = ["talk-relation-departed (server/0)", "talk-relation-broken (server)"]
    assert juju.history("client/0")[-2:] == gone
    assert len(juju.model.relations_of("server")) == 0
    again = juju.integrate("client:talk", "server:server")
    juju.settle()
    assert again.id == 2
    assert juju.history("client/0")[-4:-2] == ["talk-relation-created (server)", "talk-relation-joined (server/0)"]


def test_a_unit_goes_with_stop_and_remove(juju: Juju) -> None:
    """A unit that is removed leaves its relations, stops, is removed; others depart from it and somebody else leads."""
    deploy(juju)
    juju.settle()
    history = juju.history("client/0")
    juju.remove_unit("client/0")
    juju.settle()
    names = [re.sub(r" .*", "", hook) for hook in history[-6:]]
    assert names == [
        "crew-relation-departed",
        "crew-relation-broken",
        "talk-relation-departed",
        "talk-relation-broken",
        "stop",
        "remove",
    ]
    assert "client/0" not in juju.model.units
    assert "leader-elected" in juju.history("client/1")
    assert "server-relation-departed (client/0)" in juju.history("server/0")


def test_a_subordinate_goes_with_its_relation(juju: Juju) -> None:
    """A subordinate's units come and go with the relation to their principal, and are never the same ones again."""
    end = Endpoint(name="beside", interface="beside", role="provides", scope="container")
    juju.deploy_script(
        Charm(name="principal", endpoints={"near": replace(end, name="near", role="requires")}), Talker, units=2
    )
    juju.deploy_script(Charm(name="sub", endpoints={"beside": end}, is_subordinate=True), Talker)
    juju.integrate("principal:near", "sub:beside")
    juju.settle()
    assert juju.agents["principal/1"].relation_units() == {0: ["sub/1"]}
    juju.remove_relation("principal:near", "sub:beside")
    juju.settle()
    assert sorted(juju.model.units) == ["principal/0", "principal/1"]
    juju.integrate("principal:near", "sub:beside")
    juju.settle()
    assert sorted(juju.model.units) == ["principal/0", "principal/1", "sub/2", "sub/3"]
    juju.remove_unit("principal/0")
    juju.settle()
    assert sorted(juju.model.units) == ["principal/1", "sub/3"]


def test_leadership_moves_when_the_lease_ends(juju: Juju) -> None:
    """A lost leader leads until its lease ends; then another one is elected, and the lost one finds it out."""
    deploy(juju)
    juju.settle()
    juju.kill("client/0")
    juju.settle()
    assert juju.model.applications["client"].leader == "client/0"
    assert juju.expire_leadership("client") == "client/1"
    juju.settle()
    assert juju.history("client/1")[-1] == "leader-elected"
    juju.revive("client/0")
    juju.settle()
    assert juju.history("client/0").count("leader-elected") == 1


def test_a_secret_brings_its_events(juju: Juju) -> None:
    """Who reads a secret hears of each new revision once; the owner of one hears when a revision is followed by nobody."""
    deploy(juju, units=1)
    juju.settle()
    secret = juju.model.add_secret("server", {"key": "first"})
    secret.tracked["client/0"] = 1
    secret.revisions[2] = {"key": "second"}
    juju.settle()
    assert juju.history("client/0")[-1] == "secret-changed"
    assert juju.settle() == 0
    secret.tracked["client/0"] = 2
    juju.settle()
    assert juju.history("server/0")[-1] == "secret-remove"
    assert juju.settle() == 0


def test_what_cannot_be_is_refused(juju: Juju) -> None:
    """The operator's mistakes are named: what is not there, what does not fit, what there is instead."""
    deploy(juju)
    with pytest.raises(JujuError, match="no application 'other'; there are client, server"):
        juju.add_unit("other")
    with pytest.raises(JujuError, match="has no endpoint 'tack'; it has crew, talk"):
        juju.integrate("client:tack", "server:server")
    with pytest.raises(JujuError, match=r"cannot relate client:talk .requires talk. to client:talk"):
        juju.integrate("client:talk", "client:talk")
    with pytest.raises(JujuError, match="no application 'nobody'"):
        juju.integrate("client:talk", "nobody:server")
    with pytest.raises(JujuError, match="unknown option colour of client"):
        juju.config("client", {"colour": "blue"})
    with pytest.raises(JujuError, match="no relation between"):
        juju.remove_relation("client:crew", "server:server")


def test_two_charms_that_answer_each_other_for_ever_are_named(juju: Juju) -> None:
    """A model that does not settle ends with an error that shows the last hooks."""
    deploy(juju, units=1)
    with pytest.raises(JujuError, match="not settled after 5 hooks"):
        juju.settle(most=5)


@pytest.mark.parametrize("seed", range(25))
def test_other_orders_are_still_jujus(make_juju: MakeJuju, seed: int) -> None:
    """Under any seed a unit's hooks keep Juju's order, the same bags come out, and the seed gives the same order again."""
    first, second = make_juju(seed=seed), make_juju(seed=seed)
    for juju in (first, second):
        deploy(juju, breaks={"start", "talk-relation-changed"})
        juju.settle()
        juju.config("client", {"word": "goodbye"})
        juju.add_unit("client")
        juju.settle()
    assert {name: agent.history for name, agent in first.agents.items()} == {
        name: agent.history for name, agent in second.agents.items()
    }
    for agent in first.agents.values():
        check_order([hook for hook in agent.history if not hook.endswith("failed")])
    (relation,) = first.model.relations_of("server")
    assert {bag["word"] for name, bag in relation.bags.items() if name.startswith("client/")} == {"goodbye"}


def check_order(history: list[str]) -> None:
    """Check what holds in every unit's history."""
    assert history[0] == "install"
    assert history.index("config-changed") < history.index("start")
    for place, hook in enumerate(history):
        name, _, who = hook.partition(" ")
        if name.endswith("-relation-created"):
            assert place < history.index("start")
        if name.endswith("-relation-joined"):
            assert place > history.index("start")
            same = [later for later in history[place + 1 :] if later.startswith(name.removesuffix("joined"))]
            assert same[0] == f"{name.removesuffix('joined')}changed {who}"
