"""config-get, juju-log, the ports, resources, state, storage and the rest of Juju's tools."""

from __future__ import annotations

import re

from tests.juju.standin.errors import ToolError
from tests.juju.standin.tools.call import Call, Tool
from tests.juju.standin.tools.relations import read_settings

PORT = re.compile(r"(\d+)(?:-(\d+))?(?:/(\w+))?")
LAST_PORT = 65535


def config_get(call: Call) -> str:
    """Print the configuration, or one option of it; an unset option prints nothing."""
    call.no_more(1)
    config = call.context.application.config()
    if call.words:
        return call.show(config.get(call.words[0]))
    if call.switch("all") or call.switch("a"):
        return call.show(dict.fromkeys(call.context.application.charm.options) | config)
    return call.show(config)


def juju_log(call: Call) -> str:
    """Put a line into the unit's log."""
    if not call.words:
        raise ToolError("no message specified", code=2)
    level = "DEBUG" if call.switch("debug") else (call.option("log-level", "l") or "INFO").upper()
    call.context.unit.log.append((level, " ".join(call.words)))
    return ""


def open_port(call: Call) -> str:
    """Ask for a port to be opened, when the hook succeeds."""
    call.context.ports.add(parse_port(call))
    return ""


def close_port(call: Call) -> str:
    """Ask for a port to be closed, when the hook succeeds."""
    call.context.ports.discard(parse_port(call))
    return ""


def parse_port(call: Call) -> str:
    """Return a port or range with its protocol, or icmp."""
    if not call.words:
        raise ToolError("no port or range specified", code=2)
    call.no_more(1)
    text = call.words[0].lower()
    if text == "icmp":
        return text
    found = PORT.fullmatch(text)
    if found is None:
        raise ToolError(f'expected <port>[/<protocol>] or <from>-<to>[/<protocol>] or icmp; got "{text}"', code=2)
    first, last, protocol = int(found[1]), int(found[2] or found[1]), found[3] or "tcp"
    if protocol not in ("tcp", "udp"):
        raise ToolError(f'invalid protocol "{protocol}", expected "tcp", "udp", or "icmp"', code=2)
    if not 1 <= first <= last <= LAST_PORT:
        raise ToolError(f"port range bounds must be between 1 and 65535, got {first}-{last}", code=2)
    return f"{first}/{protocol}" if first == last else f"{first}-{last}/{protocol}"


def opened_ports(call: Call) -> str:
    """Print the ports that are open or will be."""
    call.no_more(0)
    ports = sorted(call.context.ports)
    if call.switch("endpoints"):
        return call.show([f"{port} (*)" for port in ports])
    return call.show(ports)


def resource_get(call: Call) -> str:
    """Print where a resource's file lies, without a line end."""
    if not call.words:
        raise ToolError("missing required resource name", code=2)
    call.no_more(1)
    resources = call.context.application.resources
    if call.words[0] not in resources:
        raise ToolError(f'could not download resource: resource "{call.words[0]}" not found')
    return f"{resource_path(call.context.unit.name, call.words[0], resources[call.words[0]].name)}"


def resource_path(unit: str, resource: str, file: str) -> str:
    """Return where the agent keeps a resource on the unit's machine."""
    return f"/var/lib/juju/agents/unit-{unit.replace('/', '-')}/resources/{resource}/{file}"


def credential_get(call: Call) -> str:
    """Refuse: the stand-in has no cloud, and no application is trusted."""
    call.no_more(0)
    raise ToolError("cannot access cloud credentials")


def state_get(call: Call) -> str:
    """Print the unit's state, or one key of it."""
    call.no_more(1)
    if call.words and call.words[0] != "-":
        return call.show(call.context.state.get(call.words[0]))
    return call.show(call.context.state)


def state_set(call: Call) -> str:
    """Write keys of the unit's state."""
    given = dict(word.split("=", 1) for word in call.words if "=" in word)
    call.context.state.update(read_settings(call) | given)
    return ""


def state_delete(call: Call) -> str:
    """Take a key out of the unit's state; one that is not there is no error."""
    if not call.words:
        raise ToolError("missing required argument: key", code=2)
    call.no_more(1)
    call.context.state.pop(call.words[0], None)
    return ""


def storage_list(call: Call) -> str:
    """Print no storage: the stand-in gives none."""
    call.no_more(1)
    return call.show([])


def storage_absent(call: Call) -> str:
    """Refuse: the stand-in gives no storage."""
    raise ToolError(f"{call.name}: no storage in this model")


def unit_get(call: Call) -> str:
    """Print the unit's address, as old charms ask for it."""
    if not call.words:
        raise ToolError("no setting specified", code=2)
    call.no_more(1)
    if call.words[0] not in ("private-address", "public-address"):
        raise ToolError(f'unknown setting "{call.words[0]}"', code=2)
    return call.show(call.context.model.address(call.context.unit, "")[0])


def juju_reboot(call: Call) -> str:
    """Refuse: a unit of the stand-in shares the kernel with the test."""
    call.no_more(0)
    raise ToolError("juju-reboot: the stand-in cannot reboot a machine")


PORTS = "format endpoints"
TOOLS = {
    "config-get": Tool(config_get, "format", "all a"),
    "juju-log": Tool(juju_log, "l log-level format", "debug"),
    "open-port": Tool(open_port, PORTS),
    "close-port": Tool(close_port, PORTS),
    "opened-ports": Tool(opened_ports, "format", "endpoints"),
    "resource-get": Tool(resource_get),
    "credential-get": Tool(credential_get, "format"),
    "state-get": Tool(state_get, "format"),
    "state-set": Tool(state_set, "file"),
    "state-delete": Tool(state_delete),
    "storage-list": Tool(storage_list, "format"),
    "storage-get": Tool(storage_absent, "format s"),
    "storage-add": Tool(storage_absent),
    "unit-get": Tool(unit_get, "format"),
    "juju-reboot": Tool(juju_reboot, "", "now"),
}
