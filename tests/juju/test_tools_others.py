"""The contract of the other hook tools: status, configuration, ports, log, resources, state, actions."""

from __future__ import annotations

import json
from pathlib import Path

from tests.juju.conftest import Desk
from tests.juju.standin.context import Hook
from tests.juju.standin.tools import TOOLS

# Every tool that ops 3.9 and charmhelpers call on Juju 3.6, but for payloads, metrics, pods and leader settings.
EXPECTED = """
    action-fail action-get action-log action-set application-version-set close-port config-get credential-get goal-state
    is-leader juju-log juju-reboot network-get open-port opened-ports relation-get relation-ids relation-list
    relation-model-get relation-set resource-get secret-add secret-get secret-grant secret-ids secret-info-get
    secret-remove secret-revoke secret-set state-delete state-get state-set status-get status-set storage-add storage-get
    storage-list unit-get
""".split()  # noqa: SIM905 (a list of 38 names would be 38 lines)


def test_every_tool_is_there() -> None:
    """There is a tool for each call that a charm makes."""
    assert sorted(TOOLS) == EXPECTED


def test_config_get_prints_what_is_set(desk: Desk) -> None:
    """config-get prints the options that have a value; one without a value prints nothing, or null as JSON."""
    assert desk("config-get --format=json") == (0, '{"break-hook":"","greeting":"hello"}\n', "")
    assert desk("config-get greeting") == (0, "hello\n", "")
    assert desk("config-get password") == (0, "", "")
    assert desk("config-get password --format=json") == (0, "null\n", "")
    assert "password: null\n" in desk("config-get --all")[1]
    assert desk("config-get greeting more") == (2, "", 'ERROR unrecognized args: ["more"]\n')


def test_status_set_holds_at_once(desk: Desk) -> None:
    """status-set needs no flush, and takes an option as ops writes it."""
    assert desk("status-set --application=False blocked --", "what is wrong") == (0, "", "")
    status = desk.model.units["sample/0"].status
    assert (status.word, status.message) == ("blocked", "what is wrong")
    assert desk("status-set --application=True active") == (0, "", "")
    assert desk.model.application_status("sample").word == "active"


def test_status_set_refuses(desk: Desk) -> None:
    """A status must be one of four words; only the leader sets the application's."""
    assert desk("status-set") == (2, "", "ERROR invalid args, require <status> [message]\n")
    wrong = 'ERROR invalid status "broken", expected one of [maintenance blocked waiting active]\n'
    assert desk("status-set broken") == (2, "", wrong)
    assert desk("status-set --application=maybe active")[0] == 2
    assert desk("status-set active one two") == (2, "", 'ERROR unrecognized args: ["two"]\n')
    desk.enter("sample/1", Hook(kind="start"))
    assert desk("status-set --application active") == (1, "", "ERROR this unit is not the leader\n")


def test_status_get_prints_a_word_or_all(desk: Desk) -> None:
    """status-get prints the word alone, or with --include-data the message too; the application's for the leader."""
    desk("status-set maintenance --", "at work")
    assert desk("status-get") == (0, "maintenance\n", "")
    code, output, _ = desk("status-get --include-data --format=json --application=false")
    assert (code, json.loads(output)) == (0, {"status": "maintenance", "message": "at work", "status-data": {}})
    code, output, _ = desk("status-get --include-data --format=json --application=true")
    found = json.loads(output)["application-status"]
    assert sorted(found) == ["message", "status", "status-data", "units"]
    assert found["units"]["sample/0"]["message"] == "at work"
    desk.enter("sample/1", Hook(kind="start"))
    refused = "ERROR finding application status: this unit is not the leader\n"
    assert desk("status-get --application=true") == (1, "", refused)


def test_is_leader(desk: Desk) -> None:
    """is-leader prints True or False, or JSON."""
    assert desk("is-leader") == (0, "True\n", "")
    assert desk("is-leader --format=json") == (0, "true\n", "")
    desk.enter("sample/1", Hook(kind="start"))
    assert desk("is-leader --format=json") == (0, "false\n", "")
    assert desk("is-leader now") == (2, "", 'ERROR unrecognized args: ["now"]\n')


def test_goal_state_lists_units_and_relations(desk: Desk) -> None:
    """goal-state prints our units, and per endpoint the other application with its units."""
    code, output, _ = desk("goal-state --format=json")
    found = json.loads(output)
    assert code == 0
    assert sorted(found["units"]) == ["sample/0", "sample/1"]
    assert sorted(found["relations"]["web"]) == ["far", "far/0"]
    assert found["units"]["sample/0"]["since"].endswith("Z")


def test_ports_open_when_the_hook_succeeds(desk: Desk) -> None:
    """open-port and close-port take a port or a range; the hook sees them at once, the model when it succeeds."""
    assert desk("open-port 15868/tcp") == (0, "", "")
    assert desk("open-port 9000-9010/udp") == (0, "", "")
    assert desk("open-port 80") == (0, "", "")
    assert desk("close-port 80/tcp") == (0, "", "")
    assert desk("opened-ports --format=json") == (0, '["15868/tcp","9000-9010/udp"]\n', "")
    assert desk("opened-ports --endpoints") == (0, "15868/tcp (*)\n9000-9010/udp (*)\n", "")
    assert not desk.model.units["sample/0"].ports
    desk.context.flush()
    assert desk.model.units["sample/0"].ports == {"15868/tcp", "9000-9010/udp"}


def test_ports_are_checked(desk: Desk) -> None:
    """A port must be one, with a protocol that there is."""
    assert desk("open-port") == (2, "", "ERROR no port or range specified\n")
    assert desk("open-port 80/sctp") == (2, "", 'ERROR invalid protocol "sctp", expected "tcp", "udp", or "icmp"\n')
    assert desk("open-port 70000")[2] == "ERROR port range bounds must be between 1 and 65535, got 70000-70000\n"
    assert desk("open-port http")[2].startswith("ERROR expected <port>[/<protocol>]")
    assert desk("open-port icmp") == (0, "", "")


def test_juju_log_keeps_lines(desk: Desk) -> None:
    """juju-log keeps a level and a message that may begin with a dash."""
    assert desk("juju-log --log-level WARNING --", "- a line") == (0, "", "")
    assert desk("juju-log a b") == (0, "", "")
    assert desk.model.units["sample/0"].log == [("WARNING", "- a line"), ("INFO", "a b")]
    assert desk("juju-log") == (2, "", "ERROR no message specified\n")


def test_application_version_set(desk: Desk) -> None:
    """application-version-set notes the version, which may begin with a dash."""
    assert desk("application-version-set -- 1.2.3") == (0, "", "")
    assert desk.model.applications["sample"].version == "1.2.3"
    assert desk("application-version-set") == (2, "", "ERROR no version specified\n")


def test_resource_get_prints_a_path(desk: Desk) -> None:
    """resource-get prints where the file lies on the unit, without a line end; an unknown resource is refused."""
    desk.model.applications["sample"].resources["extra"] = Path("/anywhere/extra.txt")
    path = "/var/lib/juju/agents/unit-sample-0/resources/extra/extra.txt"
    assert desk("resource-get extra") == (0, path, "")
    assert desk("resource-get") == (2, "", "ERROR missing required resource name\n")
    refused = 'ERROR could not download resource: resource "other" not found\n'
    assert desk("resource-get other") == (1, "", refused)


def test_state_lasts_beyond_the_hook(desk: Desk) -> None:
    """state-set, state-get and state-delete keep texts for the unit, once the hook has succeeded."""
    assert desk("state-set one=1 two=2") == (0, "", "")
    assert desk("state-set --file -", stdin="three: '3'\n") == (0, "", "")
    assert desk("state-get one") == (0, "1\n", "")
    assert desk("state-delete one") == (0, "", "")
    assert desk("state-get --format=json") == (0, '{"three":"3","two":"2"}\n', "")
    assert desk("state-delete") == (2, "", "ERROR missing required argument: key\n")
    assert not desk.model.units["sample/0"].state
    desk.context.flush()
    assert desk.model.units["sample/0"].state == {"three": "3", "two": "2"}


def test_action_tools_exist_only_in_actions(desk: Desk) -> None:
    """In a hook the action tools are unknown."""
    assert desk("action-get") == (1, "", 'ERROR bad request: unknown action command: "action-get"\n')


def test_action_get_prints_parameters(desk: Desk) -> None:
    """action-get prints all parameters, or the one at a dotted key."""
    desk.action(name="bob", deep={"er": 7})
    assert desk("action-get --format=json") == (0, '{"deep":{"er":7},"name":"bob"}\n', "")
    assert desk("action-get name") == (0, "bob\n", "")
    assert desk("action-get deep.er") == (0, "7\n", "")
    assert desk("action-get absent") == (0, "", "")


def test_action_set_builds_a_mapping(desk: Desk) -> None:
    """action-set takes dotted keys; keys that Juju keeps for itself or does not allow are refused."""
    context = desk.action()
    assert desk("action-set a.b=1 a.c=x=y", "text=two words") == (0, "", "")
    assert context.results.values == {"a": {"b": "1", "c": "x=y"}, "text": "two words"}
    assert desk("action-set word") == (2, "", 'ERROR argument "word" must be of the form key...=value\n')
    assert desk("action-set stdout=1") == (2, "", 'ERROR cannot set reserved action key "stdout"\n')
    assert desk("action-set Key=1")[2].startswith('ERROR key "Key" must start and end with lowercase alphanumeric')


def test_action_log_and_fail(desk: Desk) -> None:
    """action-log keeps lines, action-fail a reason or Juju's own words for none."""
    context = desk.action()
    assert desk("action-log --", "a line") == (0, "", "")
    assert context.results.messages == ["a line"]
    assert desk("action-fail --", "no way") == (0, "", "")
    assert context.results.failure == "no way"
    desk("action-fail")
    assert context.results.failure == "action failed without reason given, check action for errors"


def test_what_the_stand_in_lacks_is_refused(desk: Desk) -> None:
    """Storage, cloud credentials and a reboot are refused, not pretended."""
    assert desk("storage-list --format=json") == (0, "[]\n", "")
    for line in ("storage-get", "storage-add data=1", "credential-get", "juju-reboot --now"):
        code, output, errors = desk(line)
        assert (code, output) == (1, "")
        assert errors.startswith("ERROR ")
    assert desk("unit-get private-address") == (0, "10.64.0.10\n", "")
    assert desk("unit-get colour") == (2, "", 'ERROR unknown setting "colour"\n')
