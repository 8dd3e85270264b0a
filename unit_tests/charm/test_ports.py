"""Who holds the port where clients come, through every change of a unit's shape: never two at once, and it is hardly ever closed.

The machine here knows ports: a service takes the one that its configuration names when it is started, restarted or reloaded, and lets
go of it when it stops. The package haproxy starts its service with a configuration that opens none, as Ubuntu's does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path

import pytest
from ops import testing

from masakari_charm import haproxy
from masakari_charm.plan import CONFIG_FILE
from masakari_charm.workload.machine import Answer, Command
from unit_tests.charm.pairs import in_base64, pair
from unit_tests.charm.rig import Rig, complete, hacluster, peers
from unit_tests.charm.workload.fake_system import FakeSystem

PORT = 15868
API, ENGINE, FRONT = "masakari-api", "masakari-engine", "haproxy"
CERTIFICATE, KEY = pair()
TLS = {"ssl_cert": in_base64(CERTIFICATE), "ssl_key": in_base64(KEY)}
VIP = {"vip": "10.0.0.100"}

SHAPES = {
    "alone": complete(peers()),
    "tls": complete(peers(), config=TLS),
    "two units": complete(peers("10.0.0.6")),
    "three units": complete(peers("10.0.0.6", "10.0.0.7")),
    "hacluster": complete(peers(), hacluster(), config=VIP),
    "hacluster, tls": complete(peers("10.0.0.6"), hacluster(), config=VIP | TLS),
}
FRONTED = {name for name in SHAPES if name != "alone"}
CLUSTERED = {name for name in SHAPES if "hacluster" in name}


@dataclass
class Ports(FakeSystem):
    """The machine. `contended` are commands after which two wanted one port, `closed` those after which nobody had clients' port."""

    holders: dict[str, int] = field(default_factory=dict)
    contended: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    def run(self, command: Command) -> Answer:
        """Act, and look at the ports."""
        words, installed = self.words(command), FRONT in self.packages
        before, count = dict(self.holders), len(self.changes)
        answer = super().run(command)
        if FRONT in self.packages and not installed:
            self.active.add(FRONT)
            self.enabled.add(FRONT)
        if words.startswith("systemctl"):
            self._look(*words.split()[1:], code=answer.code)
        if len(self.changes) > count and PORT not in self.holders.values() and (PORT in before.values() or self.closed):
            self.closed.append(words)
        return answer

    def pacemaker(self) -> None:
        """Start haproxy as Pacemaker does, unless it is masked."""
        if FRONT not in self.active:
            self.run(Command(argv=("systemctl", "start", FRONT)))

    def forget(self) -> None:
        """Forget what was run, and what was seen of the ports."""
        super().forget()
        self.contended.clear()
        self.closed.clear()

    def _look(self, verb: str, name: str = "", *, code: int | None) -> None:
        if verb in ("stop", "start", "restart"):
            self.holders.pop(name, None)
        wanted = self._wanted(name)
        if verb not in ("start", "restart", "reload") or code != 0 or wanted is None:
            return
        if wanted in (port for other, port in self.holders.items() if other != name):
            self.contended.append(f"{verb} {name}")
        self.holders[name] = wanted

    def _wanted(self, name: str) -> int | None:
        """Return the port that a service's configuration names now."""
        path, word = {API: (CONFIG_FILE, r"listen_port = (\d+)"), FRONT: (haproxy.CONFIG, r"bind \*:(\d+)")}.get(
            name, ("/none", "")
        )
        place = self.machine.path(path)
        found = re.search(word, place.read_text()) if place.exists() else None
        return int(found[1]) if found else None


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """Give a unit on such a machine."""
    made = Rig(tmp_path)
    made.system = Ports(made.system.root)
    return made


def ports(rig: Rig) -> Ports:
    """Return the machine."""
    assert isinstance(rig.system, Ports)
    return rig.system


def become(rig: Rig, shape: str, **changes: bool) -> None:
    """Let a unit have a shape, and Pacemaker have started what it was given."""
    rig.run(SHAPES[shape])
    if shape in CLUSTERED:
        ports(rig).pacemaker()
    ports(rig).forget()


@pytest.mark.parametrize(("before", "after"), [*permutations(SHAPES, 2)])
def test_the_port_changes_hands(rig: Rig, before: str, after: str) -> None:
    """From any shape to any other: nobody takes a port that another one has, and between the two commands that hand it on is no other.

    Where haproxy stands before the API before and after, the port is not closed at all.
    """
    become(rig, before)
    rig.run(SHAPES[after])
    system = ports(rig)
    assert system.contended == []
    (holder,) = {name for name, port in system.holders.items() if port == PORT}
    assert holder == (FRONT if after in FRONTED else API)
    meanwhile = [words for words in system.closed[1:] if not words.startswith("systemctl reset-failed")]
    assert [words for words in meanwhile if words != "systemctl disable haproxy"] == []
    if {before, after} <= FRONTED:
        assert system.closed == []
        assert not {"systemctl stop haproxy", "systemctl restart haproxy"} & {*system.changes}
    rig.run(SHAPES[after])
    assert system.contended == []


def test_tls_arrives(rig: Rig) -> None:
    """When a unit that stands alone gets TLS: the API moves to loopback, haproxy takes the port, and only then the engine is restarted."""
    become(rig, "alone")
    rig.run(SHAPES["tls"])
    assert [words for words in rig.system.changes if " start " in words or " restart " in words] == [
        "systemctl restart masakari-api",
        "systemctl restart haproxy",  # its package had started it, without a port
        "systemctl restart masakari-engine",
    ]


def test_behind_haproxy_the_port_stays_open(rig: Rig) -> None:
    """When both change behind the port, haproxy is reloaded first: it points where the API is about to be."""
    become(rig, "two units")
    debugged = complete(peers("10.0.0.6", "10.0.0.7"), config={"debug": True})
    rig.run(debugged)
    assert [words for words in rig.system.changes if words.startswith("systemctl")] == [
        "systemctl reload haproxy",
        "systemctl restart masakari-api",
        "systemctl restart masakari-engine",
    ]
    assert ports(rig).closed == []


def test_haproxy_that_fell_is_started_first(rig: Rig) -> None:
    """Where haproxy does not run, and the API is on loopback, the port opens before a slow engine is restarted."""
    become(rig, "two units")
    rig.run(complete(peers("10.0.0.6")))
    rig.system.active.discard(FRONT)
    rig.run(complete(peers("10.0.0.6"), config={"debug": True}))
    words = rig.system.changes
    assert words.index("systemctl start haproxy") < words.index("systemctl restart masakari-engine")


@pytest.mark.parametrize("shape", sorted(CLUSTERED))
def test_hacluster_goes_from_a_unit_alone(rig: Rig, shape: str) -> None:
    """haproxy, which Pacemaker had started, is stopped and disabled before the API takes the port, and is forgotten by the next hook."""
    become(rig, shape)
    system = ports(rig)
    assert system.holders[FRONT] == PORT
    rig.run(SHAPES["alone"])
    words = system.changes
    assert words.index("systemctl stop haproxy") < words.index("systemctl restart masakari-api")
    assert (FRONT in system.active, FRONT in system.enabled) == (False, False)
    assert (system.holders[API], system.contended) == (PORT, [])
    system.forget()
    rig.run(SHAPES["alone"])
    assert system.changes == []


def test_what_pacemaker_starts_once_more_is_stopped_again(rig: Rig) -> None:
    """A Pacemaker that lives a little longer than its relation may start haproxy again: the next hook stops it again."""
    become(rig, "hacluster")
    rig.run(SHAPES["alone"])
    rig.system.active.add(FRONT)
    for _ in range(2):
        rig.run(SHAPES["alone"])
        assert FRONT not in rig.system.active
    rig.system.active.add(FRONT)  # by the operator, for something else: it is none of ours any more
    rig.run(SHAPES["alone"])
    assert FRONT in rig.system.active


def paused(rig: Rig, shape: str) -> testing.State:
    """Pause a unit of this shape by its action."""
    become(rig, shape)
    after = rig.run(SHAPES[shape], lambda context: context.on.action("pause"))
    ports(rig).forget()
    return after


@pytest.mark.parametrize("missing", [False, True], ids=["complete", "without keystone"])
def test_hacluster_comes_to_a_paused_unit(rig: Rig, missing: bool) -> None:
    """A haproxy that the pause masked is unmasked and disabled when Pacemaker gets it, also while a relation is missing; API and engine stay."""
    paused(rig, "two units")
    assert rig.system.masked == {API, ENGINE, FRONT}
    state = complete(peers("10.0.0.6"), hacluster(), config=VIP)
    if missing:
        gone = [relation for relation in state.relations if relation.endpoint != "identity-service"]
        state = testing.State(leader=True, networks=state.networks, relations=gone, config=VIP)
    rig.run(state)
    assert rig.system.masked == {API, ENGINE}
    assert FRONT not in rig.system.enabled
    ports(rig).pacemaker()
    assert rig.system.active == {FRONT}
    rig.system.forget()
    rig.run(state)
    assert rig.system.changes == []


def test_pacemakers_haproxy_follows_its_files_in_a_pause(rig: Rig) -> None:
    """A paused unit's haproxy still carries the virtual IP: a new peer is told to it."""
    paused(rig, "hacluster, tls")
    rig.run(complete(peers("10.0.0.6", "10.0.0.8"), hacluster(), config=VIP | TLS))
    assert [words for words in rig.system.changes if words.startswith("systemctl")] == ["systemctl reload haproxy"]
    assert rig.system.active == {FRONT}


def test_hacluster_leaves_a_paused_unit(rig: Rig) -> None:
    """A haproxy that becomes ours in a pause is stopped and masked with the rest, and comes back on resume."""
    paused(rig, "hacluster, tls")
    assert rig.system.active == {FRONT}
    rig.run(SHAPES["two units"])
    assert (rig.system.active, rig.system.masked) == (set(), {API, ENGINE, FRONT})
    rig.run(SHAPES["two units"], lambda context: context.on.action("resume"))
    assert rig.system.active == {API, ENGINE, FRONT}
    assert ports(rig).contended == []
