"""What is secret stays so: the BMCs' passwords, and everybody else's, are in their files and nowhere that anybody reads."""

from __future__ import annotations

from pathlib import Path

import ops
import pytest
from ops import testing

from unit_tests.charm.pairs import in_base64, pair
from unit_tests.charm.rig import BMC_PASSWORD, INVENTORY, Rig, complete, hacluster, peers, vault

CERTIFICATE, KEY = pair()
OURS = testing.Secret({"inventory": INVENTORY}, owner=None)


def said(rig: Rig, state: testing.State) -> str:
    """Return everything that a hook let anybody read: log, statuses, bags, results, and the representation of its plan."""
    log = [entry.message for entry in rig.context.juju_log]
    statuses = [each.message for each in (*rig.context.unit_status_history, state.unit_status)]
    bags = [str(relation.local_unit_data) + str(relation.local_app_data) for relation in state.relations]
    return "\n".join([*log, *statuses, *bags, str(rig.context.action_results), state.workload_version])


@pytest.mark.parametrize("kind", ["active", "blocked by another option", "paused"])
def test_no_secret_is_said(tmp_path: Path, kind: str) -> None:
    """No password, key or inventory is in a log line, a status, a bag or an action's result, whatever the unit's state."""
    rig = Rig(tmp_path)
    config = {"fencing-inventory": OURS.id, "ssl_cert": in_base64(CERTIFICATE), "ssl_key": in_base64(KEY)}
    if kind.startswith("blocked"):
        config["vip"] = "nonsense"
    state = complete(hacluster(), peers("10.0.0.6"), vault(), secrets=[OURS], config=config)
    after = rig.run(state)
    if kind == "paused":
        after = rig.run(state, lambda context: context.on.action("pause"))
    words = said(rig, after)
    for secret in (BMC_PASSWORD, "keystone-password", "database-password", "broker-password", KEY[40:80]):
        assert secret not in words


def test_files_with_secrets_are_closed(tmp_path: Path) -> None:
    """Each file that holds one is marked so, and neither it nor its text is for others to read."""
    rig = Rig(tmp_path)
    config = {"fencing-inventory": OURS.id, "ssl_cert": in_base64(CERTIFICATE), "ssl_key": in_base64(KEY)}
    rig.run(complete(secrets=[OURS], config=config))
    for file in rig.plan.files:
        holds = any(each in file.content for each in (BMC_PASSWORD, "-password", "PRIVATE KEY"))
        assert file.is_secret == holds, file.path
        assert not holds or not file.mode & 0o007


def test_nothing_secret_is_in_a_representation(tmp_path: Path) -> None:
    """The state can be put into a message without giving a password away."""
    rig = Rig(tmp_path)
    with rig.context(rig.context.on.update_status(), ready(rig)) as manager:
        shown = repr(manager.charm.read())
    for secret in (BMC_PASSWORD, "keystone-password", "database-password", "broker-password", "PRIVATE KEY"):
        assert secret not in shown


def ready(rig: Rig) -> testing.State:
    """Return a complete state with everything secret, and no release attached."""
    config = {"fencing-inventory": OURS.id, "ssl_cert": in_base64(CERTIFICATE), "ssl_key": in_base64(KEY)}
    wheels = testing.Resource(name="wheels", path=rig.empty_file())
    return complete(secrets=[OURS], config=config, resources=[wheels])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"other": "x"}, "the secret has no key inventory; run: juju update-secret"),
        (
            {"inventory": "hosts: {c1: {ipmi: {address: 10.0.0.7, user: hunter2-of-the-bmc}}}"},
            "host c1 has no password",
        ),
        ({"inventory": "hunter2-of-the-bmc: ["}, "it is not YAML"),
    ],
)
def test_a_broken_inventory_is_blocked_and_mended(tmp_path: Path, content: dict[str, str], words: str) -> None:
    """A broken secret blocks the unit with the fix, leaves the engine its inventory, and mends with the next revision."""
    rig = Rig(tmp_path)
    good = complete(secrets=[OURS], config={"fencing-inventory": OURS.id})
    rig.run(good)
    broken = testing.Secret(content, owner=None)
    state = complete(secrets=[broken], config={"fencing-inventory": broken.id})
    after = rig.run(state, lambda context: context.on.secret_changed(broken))
    assert isinstance(after.unit_status, ops.BlockedStatus)
    assert words in after.unit_status.message
    assert BMC_PASSWORD not in said(rig, after)
    assert rig.system.machine.path("/etc/masakari/fencing.yaml").read_text() == INVENTORY
    assert rig.system.active == {"masakari-api", "masakari-engine"}
    assert isinstance(rig.run(good).unit_status, ops.ActiveStatus)


def test_a_new_revision_is_taken(tmp_path: Path) -> None:
    """The newest revision is used, and the engine alone is restarted."""
    rig = Rig(tmp_path)
    rig.run(complete(secrets=[OURS], config={"fencing-inventory": OURS.id}))
    rig.system.forget()
    newest = INVENTORY.replace("10.9.0.2", "10.9.0.3")
    secret = testing.Secret({"inventory": INVENTORY}, latest_content={"inventory": newest}, owner=None)
    rig.run(complete(secrets=[secret], config={"fencing-inventory": secret.id}))
    assert rig.system.machine.path("/etc/masakari/fencing.yaml").read_text() == newest
    assert [words for words in rig.system.changes if "restart" in words] == ["systemctl restart masakari-engine"]


def test_a_secret_that_was_not_granted_says_how(tmp_path: Path) -> None:
    """A secret that cannot be read names the command that grants it."""
    rig = Rig(tmp_path)
    after = rig.run(complete(config={"fencing-inventory": "secret:d2ktjb7mp25c7dtk3hkg"}))
    assert isinstance(after.unit_status, ops.BlockedStatus)
    assert "juju grant-secret NAME masakari" in after.unit_status.message


def test_without_the_option_the_inventory_goes(tmp_path: Path) -> None:
    """When the option is unset, the file is removed and the engine told."""
    rig = Rig(tmp_path)
    rig.run(complete(secrets=[OURS], config={"fencing-inventory": OURS.id}))
    rig.system.forget()
    rig.run(complete())
    assert not rig.system.machine.path("/etc/masakari/fencing.yaml").exists()
    assert [words for words in rig.system.changes if "restart" in words] == ["systemctl restart masakari-engine"]
