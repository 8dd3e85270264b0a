"""The contract of the relation tools and network-get: arguments, output and error text, each in a process of its own."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.juju.conftest import Desk
from tests.juju.standin.context import Hook

JOINED = Hook(kind="relation-joined", relation=1, endpoint="web", remote_app="far", remote_unit="far/0")
BROKEN = Hook(kind="relation-broken", relation=1, endpoint="web", remote_app="far")
FAR_BAG = {"egress-subnets": "10.64.0.12/32", "ingress-address": "10.64.0.12", "private-address": "10.64.0.12"}


def test_relation_ids_lists_an_endpoint(desk: Desk) -> None:
    """relation-ids prints endpoint:number, one per line or as JSON, and nothing for an endpoint without a relation."""
    assert desk("relation-ids web") == (0, "web:1\n", "")
    assert desk("relation-ids web --format=json") == (0, '["web:1"]\n', "")
    assert desk("relation-ids ha --format=json") == (0, "[]\n", "")
    assert desk("relation-ids ha") == (0, "", "")


def test_relation_ids_takes_the_hooks_endpoint(desk: Desk) -> None:
    """Without a name relation-ids takes the hook's endpoint; outside a relation's hook it refuses."""
    assert desk("relation-ids") == (2, "", "ERROR no endpoint name specified\n")
    desk.enter("sample/0", JOINED)
    assert desk("relation-ids") == (0, "web:1\n", "")


def test_relation_list_shows_who_joined(desk: Desk) -> None:
    """relation-list prints the units that joined, or the application; the id may stand with or without its endpoint."""
    assert desk("relation-list -r web:1 --format=json") == (0, '["far/0"]\n', "")
    assert desk("relation-list -r 1") == (0, "far/0\n", "")
    assert desk("relation-list --format=json --app -r web:1") == (0, '"far"\n', "")
    assert desk("relation-list -r cluster:0 --format=json") == (0, '["sample/1"]\n', "")
    assert desk("relation-list -r cluster:0 --app") == (0, "sample\n", "")


@pytest.mark.parametrize("tool", ["relation-list", "relation-get", "relation-set", "relation-model-get"])
def test_a_relation_must_be_named_and_be_there(desk: Desk, tool: str) -> None:
    """Outside its hooks a relation must be named; one that is not there, or not of that endpoint, is not found."""
    assert desk(tool) == (2, "", "ERROR no relation id specified\n")
    wrong = 'ERROR invalid value "{}" for option -r: {}\n'
    assert desk(f"{tool} -r web:7") == (2, "", wrong.format("web:7", "relation not found"))
    assert desk(f"{tool} -r cluster:1") == (2, "", wrong.format("cluster:1", "relation not found"))
    assert desk(f"{tool} -r web") == (2, "", wrong.format("web", "invalid relation id"))
    assert desk(f"{tool} -r") == (2, "", "ERROR option needs an argument: -r\n")
    assert desk(f"{tool} --bogus") == (2, "", "ERROR option provided but not defined: --bogus\n")


def test_relation_get_reads_a_bag(desk: Desk) -> None:
    """relation-get prints a unit's bag as YAML or JSON, or one key bare; a key that is not there prints nothing."""
    desk.model.relations[1].bags["far/0"]["note"] = "<a & b>"
    code, output, errors = desk("relation-get --format=json -r web:1 - far/0")
    assert (code, errors) == (0, "")
    assert json.loads(output) == FAR_BAG | {"note": "<a & b>"}
    assert "\\u003ca \\u0026 b\\u003e" in output
    assert desk("relation-get -r web:1 private-address far/0") == (0, "10.64.0.12\n", "")
    assert desk("relation-get -r web:1 absent far/0") == (0, "", "")
    assert desk("relation-get -r web:1 --format=json absent far/0") == (0, "null\n", "")
    assert "note: <a & b>\n" in desk("relation-get -r web:1 - far/0")[1]


def test_relation_get_takes_the_hooks_unit(desk: Desk) -> None:
    """In a relation's hook the relation and its remote unit need no name, in broken the application is meant."""
    desk.enter("sample/0", JOINED)
    assert desk("relation-get private-address") == (0, "10.64.0.12\n", "")
    desk.model.relations[1].bags["far"] = {"key": "value"}
    assert desk("relation-get --app") == (0, "key: value\n", "")
    desk.enter("sample/0", BROKEN)
    assert desk("relation-get key") == (0, "value\n", "")


def test_relation_get_refuses_what_juju_refuses(desk: Desk) -> None:
    """Whose bag it is must be said and must be of the relation; a follower may not read its own application's bag."""
    assert desk("relation-get -r web:1") == (2, "", "ERROR no unit or application specified\n")
    assert desk("relation-get -r web:1 - far") == (2, "", 'ERROR expected unit name, got application name "far"\n')
    assert desk("relation-get -r web:1 - Far_0") == (2, "", 'ERROR invalid unit name "Far_0"\n')
    assert desk("relation-get -r web:1 - other/0") == (1, "", "ERROR permission denied\n")
    assert desk("relation-get -r web:1 - far/0 x") == (2, "", 'ERROR unrecognized args: ["x"]\n')
    unread = 'ERROR cannot read settings for unit "far/9" in relation "sample:web far:sample": settings not found\n'
    assert desk("relation-get -r web:1 - far/9") == (1, "", unread)
    assert desk("relation-get -r web:1 --format=xml - far/0")[2] == (
        'ERROR invalid value "xml" for option --format: unknown format "xml"\n'
    )
    assert desk("relation-get -r web:1 --app --format=json - sample") == (0, "{}\n", "")
    desk.enter("sample/1", Hook(kind="config-changed"))
    assert desk("relation-get -r web:1 --app - sample") == (1, "", "ERROR permission denied\n")
    assert desk("relation-get -r cluster:0 --app --format=json - sample") == (0, "{}\n", "")


def test_relation_set_is_seen_at_once_by_the_hook_and_later_by_others(desk: Desk) -> None:
    """What relation-set writes the same hook reads; the model has it when the hook succeeds."""
    assert desk("relation-set -r web:1 a=1 b=2") == (0, "", "")
    assert desk("relation-get -r web:1 a sample/0") == (0, "1\n", "")
    assert "a" not in desk.model.relations[1].bags["sample/0"]
    before = desk.model.relations[1].versions["sample/0"]
    desk.context.flush()
    assert desk.model.relations[1].bags["sample/0"]["b"] == "2"
    assert desk.model.relations[1].versions["sample/0"] == before + 1


def test_relation_set_deletes_with_an_empty_value(desk: Desk) -> None:
    """An empty value takes a key away, and a hook that leaves the bag as it was changes nothing."""
    assert desk("relation-set -r web:1 private-address=") == (0, "", "")
    assert desk("relation-get -r web:1 private-address sample/0") == (0, "", "")
    desk("relation-set -r web:1 private-address=10.64.0.10")
    before = desk.model.relations[1].versions["sample/0"]
    desk.context.flush()
    assert desk.model.relations[1].versions["sample/0"] == before


def test_relation_set_reads_a_file(desk: Desk) -> None:
    """--file takes YAML or JSON from a path or from the standard input; words win over it."""
    assert desk("relation-set -r web:1 --file -", stdin='{"a": "from file", "b": ""}') == (0, "", "")
    assert desk("relation-get -r web:1 a sample/0") == (0, "from file\n", "")
    (desk.folder / "settings.yaml").write_text("a: 7\nc: true\n")
    assert desk(f"relation-set -r web:1 --file {desk.folder}/settings.yaml a=word") == (0, "", "")
    assert desk("relation-get -r web:1 a sample/0") == (0, "word\n", "")
    assert desk("relation-get -r web:1 c sample/0") == (0, "true\n", "")
    code, _, errors = desk("relation-set -r web:1 --file -", stdin="a: [1, 2]")
    assert (code, errors) == (1, "ERROR yaml: unmarshal errors: cannot unmarshal the value of a into string\n")


def test_relation_set_refuses_bad_words_and_followers(desk: Desk) -> None:
    """A word without `=` is refused, and so is a follower that writes for the application."""
    assert desk("relation-set -r web:1 word") == (2, "", 'ERROR expected "key=value", got "word"\n')
    assert desk("relation-set -r web:1 a=1 a=2") == (2, "", 'ERROR key "a" specified more than once\n')
    assert desk("relation-set -r web:1 --app a=1") == (0, "", "")
    assert desk.context.own_bag(desk.model.relations[1], "sample") == {"a": "1"}
    desk.enter("sample/1", Hook(kind="config-changed"))
    assert desk("relation-set -r web:1 --app a=1") == (1, "", "ERROR cannot write relation settings\n")


def test_relation_model_get_names_the_model(desk: Desk) -> None:
    """relation-model-get prints the uuid of the other end's model."""
    code, output, _ = desk("relation-model-get -r web:1 --format=json")
    assert code == 0
    assert json.loads(output) == {"uuid": "5ea2e72a-5e1f-4a5c-8d6b-0a5a1c0de001"}


def test_network_get_prints_addresses(desk: Desk) -> None:
    """network-get prints interfaces, egress and ingress of an endpoint or extra binding, or the one that was asked for."""
    desk.model.applications["sample"].spaces["public"] = "public"
    code, output, _ = desk("network-get --format=json public")
    found = json.loads(output)
    assert code == 0
    assert found["bind-addresses"][0]["addresses"] == [{"hostname": "", "value": "10.64.1.10", "cidr": "10.64.1.0/24"}]
    assert found["bind-addresses"][0]["interface-name"] == "eth0"
    assert found["ingress-addresses"] == ["10.64.1.10"]
    assert found["egress-subnets"] == ["10.64.1.10/32"]
    assert desk("network-get web --bind-address") == (0, "10.64.0.10\n", "")
    assert desk("network-get web --ingress-address --format=json") == (0, '"10.64.0.10"\n', "")


def test_network_get_refuses(desk: Desk) -> None:
    """A binding must be named, be the charm's, and its relation must be there."""
    assert desk("network-get") == (2, "", "ERROR no arguments specified\n")
    assert desk("network-get nowhere") == (1, "", 'ERROR no network config found for binding "nowhere"\n')
    assert desk("network-get -r 9 web")[0] == 2


def test_no_tool_works_outside_a_hook(desk: Desk) -> None:
    """A process that outlives its hook is refused: its context is gone."""
    stale = desk.environment()
    desk.enter("sample/0", Hook(kind="update-status"))
    assert desk("relation-ids web")[0] == 0
    late = subprocess.run([desk.tools / "relation-ids", "web"], env=stale, capture_output=True, text=True, check=False)
    assert (late.returncode, late.stdout) == (1, "")
    assert late.stderr.startswith("ERROR no hook runs")
