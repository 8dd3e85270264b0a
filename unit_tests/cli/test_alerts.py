"""masakari-manage alerts: what no webhook has taken, and what comes back from each when it is tried."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unit_tests.adapters.db.rig import SqlRig
from unit_tests.adapters.receiver import receiving, server_context, status, takes
from unit_tests.alert_schema import validate
from unit_tests.cli.conftest import Manage
from unit_tests.cli.rig import Installed
from unit_tests.ports.outbox_contract import HOOK, RETRY, take, tell
from unit_tests.ports.store_contract import own
from vmha.core.alerting import Delivered, GivenUp, Overtaken, TryAgain
from vmha.core.effects import AlertKind

SECRET = "a secret of thirty-two characters"


@pytest.fixture
def rig(synced: Installed) -> SqlRig:
    """A store on the database of masakari.conf."""
    return SqlRig(synced.url)


@pytest.fixture
def synced(installed: Installed) -> Installed:
    """A configuration whose database has its tables."""
    installed.sync()
    return installed


def test_nothing_to_list(synced: Installed, manage: Manage) -> None:
    """Without alerts the list says so, and so does the list of all."""
    assert manage("alerts", "list") == (0, "every alert was taken\n", "")
    assert manage("alerts", "list", "--all") == (0, "there has been no alert\n", "")


def test_the_list_has_what_was_not_taken(rig: SqlRig, manage: Manage) -> None:
    """Each alert stands with its time, kind, host, reason and id, and where it stands with each webhook; taken ones are left out."""
    owner = own(rig)
    tell(owner)
    tell(owner, AlertKind.REMINDER)
    tell(owner, AlertKind.REMINDER)
    rig.outbox.look(HOOK, RETRY)
    verdicts = (Delivered(), TryAgain(why="it answered 500", pause_seconds=60.0), Overtaken())
    for verdict in verdicts:
        assert rig.outbox.settle(take(rig), verdict)
    rig.outbox.settle(take(rig), GivenUp(why="nobody was there"))
    rig.report("c2")
    code, out, err = manage("alerts", "list")
    assert (code, err) == (0, "")
    told = rig.told(owner.state.uuid)
    kinds = [line.split()[2] for line in out.splitlines() if not line.startswith(" ")]
    assert kinds == ["opened", "reminder", "waits"]
    assert told[1]["id"] in out
    assert told[1]["summary"] in out
    assert "not addressed yet: no engine with webhooks has run since" in out
    assert "receiver: given up after attempt 1: nobody was there" in out
    assert "after attempt 1: it answered 500" in out
    everything = manage("alerts", "list", "--all")[1]
    assert "receiver: taken at " in everything
    assert everything.count("\n    receiver: ") == 4


def test_the_list_is_json(rig: SqlRig, manage: Manage) -> None:
    """With --json each alert has its document as it is sent, and its deliveries."""
    rig.report("c1")
    rig.outbox.look(HOOK, RETRY)
    (alert,) = json.loads(manage("alerts", "list", "--json")[1])
    validate(alert["document"])
    (delivery,) = alert["deliveries"]
    assert (delivery["webhook"], delivery["attempts"], delivery["delivered_at"]) == ("receiver", 0, None)


def test_a_test_says_what_came_back(installed: Installed, manage: Manage, tmp_path: Path) -> None:
    """Each webhook gets one signed test, valid by the schema, whatever the others do; exit 1 where one did not take it."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    context, _ = server_context(tmp_path, "127.0.0.1")
    with receiving(takes) as well, receiving(status(503, "full")) as full, receiving(tls=context) as strange:
        urls = ", ".join(each.url for each in (well, full, strange))
        installed.configure(alerts={"webhooks": urls, "secret_file": secret})
        code, out, err = manage("alerts", "test")
    assert (code, err) == (1, "")
    lines = out.splitlines()
    assert lines[0].endswith(": took it: 204 Said So")
    assert lines[1].startswith("NOT TAKEN: http://127.0.0.1:")
    assert lines[1].endswith("answered 503 Said So: full")
    assert "certificate that is not trusted" in lines[2]
    assert len(lines) == 3
    (posted,) = well.posted
    validate(posted.alert)
    assert (posted.alert["kind"], posted.alert["incident"]) == ("test", None)
    assert posted.headers["x-vmha-signature"].startswith("t=")
    assert SECRET not in out
    assert "/hook" not in out


def test_a_test_that_all_take_is_a_success(installed: Installed, manage: Manage) -> None:
    """Exit 0; that it was not signed is said."""
    with receiving() as receiver:
        installed.configure(alerts={"webhooks": receiver.url})
        code, out, _ = manage("alerts", "test")
    assert code == 0
    assert out.splitlines()[-1] == "it was not signed: [alerts] secret_file is not set"


def test_a_test_without_webhooks(installed: Installed, manage: Manage) -> None:
    """There is nothing to test, which is no success."""
    code, out, _ = manage("alerts", "test")
    assert (code, out.startswith("there are no webhooks: set [alerts] webhooks")) == (1, True)


def test_a_configuration_that_cannot_be_used_is_said(installed: Installed, manage: Manage) -> None:
    """A URL that is none is one line, and exit 2."""
    installed.configure(alerts={"webhooks": "receiver.example.org/s3cret"})
    code, out, err = manage("alerts", "test")
    assert (code, out) == (2, "")
    assert "[alerts] webhooks: URL number 1 of 1 cannot be used" in err
    assert "s3cret" not in err
