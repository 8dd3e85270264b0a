"""The whole stand-in with a packed charm: hooks in boxes, failures, kills, secrets, refresh. What else there is, masakari itself shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.juju.conftest import needs_boxes
from tests.juju.packing import pack
from tests.juju.standin.charm import Charm, Endpoint
from tests.juju.standin.context import Context
from tests.juju.standin.errors import JujuError
from tests.juju.standin.juju import Juju
from tests.juju.standin.model import Unit

pytestmark = [needs_boxes, pytest.mark.slow]
READER = Charm(name="reader", endpoints={"web": Endpoint(name="web", interface="sample-web", role="requires")})


class Reader:
    """A charm that keeps what it sees of the sample charm."""

    seen: dict[str, dict[str, str]]

    def __init__(self, _: Unit) -> None:
        """Begin with nothing seen."""
        self.seen = {}

    def run(self, context: Context) -> None:
        """Read every bag at the other end."""
        for relation in context.relations():
            for name in (*context.model.seen_by(relation, context.unit), relation.other("reader")):
                self.seen[name] = dict(relation.bags.get(name, {}))


def test_two_units_run_a_packed_charm(juju: Juju, packed: Path) -> None:
    """Two units of a packed charm and a scripted one settle: status, bags, ports, services and the application's secret."""
    juju.deploy(packed, units=2, spaces={"public": "public"})
    juju.deploy_script(READER, Reader)
    juju.integrate("reader:web", "sample:web")
    juju.settle()
    assert juju.model.unit("sample/1").status.message == "hello from 10.64.1.11"
    seen = juju.agents["reader/0"].script.seen  # type: ignore[union-attr]
    assert seen["sample/0"]["address"] == "10.64.1.10"
    (secret,) = juju.model.secrets.values()
    assert seen["sample"]["token"].endswith(secret.id)
    assert {who for who, _ in secret.granted} == {"reader"}
    assert juju.model.unit("sample/0").ports == {"8080/tcp"}
    assert juju.machine("sample/1").service("sample").is_active
    table = juju.status()
    assert "a stand-in for Juju, no controller" in table
    assert "sample/0*  active" in table
    hooks = juju.box("sample/0").read("/var/log/hooks").splitlines()
    assert hooks[:5] == [
        "install",
        "cluster-relation-created",
        "web-relation-created",
        "leader-elected",
        "config-changed",
    ]


def test_a_failed_hook_of_a_packed_charm(juju: Juju, packed: Path) -> None:
    """A hook that fails after writing leaves no bag, no port; its status stays; it is retried until it is mended."""
    juju.deploy(packed, config={"break-hook": "config-changed", "greeting": "broken"})
    juju.settle(retries=1)
    (relation,) = juju.model.relations_of("sample")
    assert juju.history("sample/0")[-2:] == ["config-changed failed", "config-changed failed"]
    assert juju.model.unit("sample/0").agent.message == 'hook failed: "config-changed"'
    assert "sample/0*  error" in juju.status()
    assert juju.box("sample/0").read("/var/log/hooks").splitlines().count("config-changed") == 2
    assert relation.bags["sample/0"]["greeting"] == "broken"
    juju.config("sample", {"greeting": "hello"})
    juju.settle(retries=0)
    assert relation.bags["sample/0"]["greeting"] == "broken"
    juju.config("sample", {"break-hook": ""})
    juju.settle()
    assert relation.bags["sample/0"]["greeting"] == "hello"
    assert juju.model.unit("sample/0").status.word == "active"


def test_actions(juju: Juju, packed: Path) -> None:
    """An action gets checked parameters and gives results; what it wrote holds even where it fails by its own word."""
    juju.deploy(packed)
    juju.settle()
    outcome = juju.run("sample/0", "greet", name="bob", fail=True)
    assert outcome.results == {"said": {"to": "bob"}, "greeting": "hello"}
    assert outcome.messages == ("about to greet",)
    assert outcome.failure == "told to fail"
    (relation,) = juju.model.relations_of("sample")
    assert relation.bags["sample/0"]["greeted"] == "bob"
    with pytest.raises(JujuError, match="validation failed: Additional properties are not allowed"):
        juju.run("sample/0", "greet", colour="blue")
    with pytest.raises(JujuError, match='action "wave" not defined on unit "sample/0"; there are greet'):
        juju.run("sample/0", "wave")


def test_a_leader_killed_in_mid_hook(juju: Juju, packed: Path) -> None:
    """A unit that dies in a hook leaves nothing of that hook; somebody else leads; revived, it runs the hook again."""
    juju.deploy(packed, units=2)
    juju.kill("sample/0", "systemctl", "enable sample")
    juju.settle()
    assert juju.history("sample/0") == ["install killed"]
    assert "unknown   lost" in juju.status()
    assert not juju.model.relations_of("sample")[0].bags.get("sample/0")
    assert juju.expire_leadership("sample") == "sample/1"
    juju.settle()
    assert "leader-elected" in juju.history("sample/1")
    juju.revive("sample/0")
    juju.settle()
    assert juju.history("sample/0")[1:4] == ["install", "cluster-relation-created (sample)", "leader-settings-changed"]
    assert juju.model.unit("sample/0").status.word == "active"


def test_a_hook_tool_can_be_the_moment_of_a_kill(juju: Juju, packed: Path) -> None:
    """A unit can be killed at a hook tool too: what it wrote before is discarded."""
    juju.deploy(packed)
    juju.kill("sample/0", "open-port")
    juju.settle()
    assert juju.history("sample/0") == ["install killed"]
    juju.revive("sample/0")
    juju.settle()
    assert juju.model.unit("sample/0").ports == {"8080/tcp"}


def test_a_tool_that_fails_fails_the_hook(juju: Juju, packed: Path) -> None:
    """When the agent loses its controller in mid-hook the charm breaks, leaves nothing, and succeeds when it is retried."""
    juju.deploy(packed)
    juju.settle()
    juju.break_tool("sample/0", "open-port")
    juju.config("sample", {"greeting": "servus"})
    juju.settle(retries=0)
    (relation,) = juju.model.relations_of("sample")
    assert juju.history("sample/0")[-1] == "config-changed failed"
    assert relation.bags["sample/0"]["greeting"] == "hello"
    juju.settle()
    assert relation.bags["sample/0"]["greeting"] == "servus"


def test_an_operators_secret_is_followed(juju: Juju, packed: Path) -> None:
    """An option that names a secret gives its content where it was granted, and each revision brings secret-changed."""
    juju.deploy(packed)
    refused = juju.add_secret({"password": "first"})
    juju.config("sample", {"password": refused})
    juju.settle(retries=0)
    assert juju.history("sample/0")[-1].endswith("failed")
    granted = juju.add_secret({"password": "first"}, to="sample")
    juju.config("sample", {"password": granted})
    juju.settle()
    assert juju.box("sample/0").read("/etc/sample-password") == "first"
    juju.update_secret(granted, {"password": "second"})
    juju.settle()
    assert juju.history("sample/0")[-1] == "secret-changed"
    assert juju.box("sample/0").read("/etc/sample-password") == "second"


def test_refresh(juju: Juju, packed: Path, tmp_path: Path) -> None:
    """A refreshed application runs upgrade-charm, then config-changed, with the new charm's files and defaults."""
    juju.deploy(packed)
    juju.settle()
    juju.refresh("sample", pack(tmp_path / "other.charm", greeting="servus"))
    juju.settle()
    assert juju.history("sample/0")[-2:] == ["upgrade-charm", "config-changed"]
    assert juju.model.unit("sample/0").status.message.startswith("servus")
