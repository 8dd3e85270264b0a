"""relation-ids, relation-list, relation-get, relation-set, relation-model-get and network-get."""

from __future__ import annotations

import re

import yaml

from tests.juju.standin.errors import ToolError
from tests.juju.standin.model import MODEL_UUID
from tests.juju.standin.tools.call import Call, Tool, pairs

UNIT = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]*[a-z][a-z0-9]*)*/\d+")
APPLICATION = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]*[a-z][a-z0-9]*)*")


def relation_ids(call: Call) -> str:
    """Print the ids of an endpoint's relations, as endpoint:number."""
    call.no_more(1)
    name = call.words[0] if call.words else call.context.hook.endpoint
    if not name:
        raise ToolError("no endpoint name specified", code=2)
    found = [relation for relation in call.context.relations() if call.context.endpoint(relation) == name]
    return call.show(sorted(f"{name}:{relation.id}" for relation in found))


def relation_list(call: Call) -> str:
    """Print the units at the other end that the unit knows, or the application with --app."""
    relation = call.relation()
    call.no_more(0)
    if call.switch("app"):
        return call.show(relation.other(call.context.unit.application))
    return call.show(call.context.joined.get(relation.id, []))


def relation_get(call: Call) -> str:
    """Print a bag, or one key of it."""
    relation = call.relation()
    call.no_more(2)
    key = call.words[0] if call.words and call.words[0] != "-" else ""
    bag = call.context.read_bag(relation, member(call))
    return call.show(bag.get(key) if key else bag)


def member(call: Call) -> str:
    """Return whose bag was asked for: the second word, else the hook's remote unit or application."""
    hook, wants_application = call.context.hook, call.switch("app")
    if len(call.words) > 1:
        name = call.words[1]
        if wants_application:
            return name.partition("/")[0]
        if UNIT.fullmatch(name):
            return name
        if APPLICATION.fullmatch(name):
            raise ToolError(f'expected unit name, got application name "{name}"', code=2)
        raise ToolError(f'invalid unit name "{name}"', code=2)
    found = hook.remote_app if wants_application else hook.remote_unit or hook.remote_app
    if not found:
        raise ToolError("no unit or application specified", code=2)
    return found


def relation_set(call: Call) -> str:
    """Write our unit's bag, or as the leader the application's; an empty value takes the key away."""
    relation = call.relation()
    given = pairs(call.words)
    written = read_settings(call) | given
    if call.switch("app"):
        if not call.context.is_leader:
            raise ToolError("cannot write relation settings")
        bag = call.context.own_bag(relation, call.context.unit.application)
    else:
        bag = call.context.own_bag(relation, call.context.unit.name)
    for key, value in written.items():
        if value:
            bag[key] = value
        else:
            bag.pop(key, None)
    return ""


def read_settings(call: Call) -> dict[str, str]:
    """Return what stands in --file, a YAML or JSON mapping of texts; `-` is the standard input."""
    path = call.option("file")
    if not path:
        return {}
    text = call.standard_input if path == "-" else call.read(path)
    found = yaml.safe_load(text) or {}
    if not isinstance(found, dict):
        raise ToolError(f"yaml: unmarshal errors: cannot unmarshal {type(found).__name__} into map[string]string")
    for key, value in found.items():
        if isinstance(value, dict | list):
            raise ToolError(f"yaml: unmarshal errors: cannot unmarshal the value of {key} into string")
    return {str(key): scalar(value) for key, value in found.items()}


def scalar(value: object) -> str:
    """Return a YAML scalar as the text that Go reads it into."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def relation_model_get(call: Call) -> str:
    """Print which model the other end lives in: always this one."""
    call.relation()
    call.no_more(0)
    return call.show({"uuid": MODEL_UUID})


def network_get(call: Call) -> str:
    """Print the addresses of a binding: an endpoint or one of the charm's extra bindings."""
    if not call.words:
        raise ToolError("no arguments specified", code=2)
    if call.option("r", "relation"):
        call.relation()
    call.no_more(1)
    binding = call.words[0]
    charm = call.context.application.charm
    if binding not in (*charm.endpoints, *charm.bindings, "juju-info"):
        raise ToolError(f'no network config found for binding "{binding}"')
    address, cidr = call.context.model.address(call.context.unit, binding)
    asked = {
        "bind-address": address,
        "egress-subnets": [f"{address}/32"],
        "ingress-address": address,
    }
    if call.switch("primary-address"):
        return call.show(address)
    chosen = {name: value for name, value in asked.items() if call.switch(name)}
    if len(chosen) == 1:
        return call.show(next(iter(chosen.values())))
    return call.show(chosen or everything(address, cidr))


def everything(address: str, cidr: str) -> dict[str, object]:
    """Return what network-get prints without options."""
    return {
        "bind-addresses": [
            {
                "mac-address": "02:00:" + ":".join(f"{int(part):02x}" for part in address.split(".")),
                "interface-name": "eth0",
                "addresses": [{"hostname": "", "value": address, "cidr": cidr}],
            }
        ],
        "egress-subnets": [f"{address}/32"],
        "ingress-addresses": [address],
    }


RELATION = "r relation format"
TOOLS = {
    "relation-ids": Tool(relation_ids, "format"),
    "relation-list": Tool(relation_list, RELATION, "app"),
    "relation-get": Tool(relation_get, RELATION, "app"),
    "relation-set": Tool(relation_set, f"{RELATION} file", "app"),
    "relation-model-get": Tool(relation_model_get, RELATION),
    "network-get": Tool(network_get, RELATION, "bind-address ingress-address egress-subnets primary-address"),
}
