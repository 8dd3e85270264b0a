"""The secret-* tools. A secret is named by its id, with or without `secret:` before it, or by the caller's label."""

from __future__ import annotations

import base64
import re
from typing import Any

from tests.juju.standin.context import DENIED, Context
from tests.juju.standin.errors import ToolError
from tests.juju.standin.model import Secret
from tests.juju.standin.tools.call import Call, Tool
from tests.juju.standin.tools.relations import UNIT, read_settings

KEY = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])?")
ID = re.compile(r"[0-9a-v]{20}")
ROTATIONS = frozenset(["never", "hourly", "daily", "weekly", "monthly", "quarterly", "yearly"])
SHORTEST_KEY = 3


def secret_add(call: Call) -> str:
    """Make a secret and print its id."""
    if not call.words and not call.option("file"):
        raise ToolError("missing secret value or filename", code=2)
    check_metadata(call)
    content = read_content(call, call.words)
    context = call.context
    owner = context.unit.name if call.option("owner") == "unit" else context.unit.application
    secret = context.new_secret(owner, content)
    write_metadata(call, secret)
    return f"secret:{secret.id}\n"


def secret_set(call: Call) -> str:
    """Add a revision to a secret, or change what is said about it."""
    number = read_id(call)
    check_metadata(call)
    content = read_content(call, call.words[1:])
    secret = call.context.change_secret(call.context.secret(number))
    if content and content != secret.revisions[secret.latest]:
        secret.revisions[secret.latest + 1] = content
    write_metadata(call, secret)
    return ""


def check_metadata(call: Call) -> None:
    """Refuse an owner or a rotation that Juju does not know."""
    if call.option("rotate") and call.option("rotate") not in ROTATIONS:
        raise ToolError(f'rotate policy "{call.option("rotate")}" not valid', code=2)
    if "owner" in call.values and call.option("owner") not in ("application", "unit"):
        raise ToolError(f'secret owner "{call.option("owner")}" not valid', code=2)


def write_metadata(call: Call, secret: Secret) -> None:
    """Take over what was said about the secret, and leave the rest."""
    secret.label = call.option("label") or secret.label
    secret.description = call.option("description") or secret.description
    secret.rotation = call.option("rotate") or secret.rotation
    secret.expiry = call.option("expire") or secret.expiry


def read_content(call: Call, words: list[str]) -> dict[str, str]:
    """Return the content of key=value, key#file=path and key#base64=value words."""
    found: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise ToolError(f'key value "{word}" not valid', code=2)
        name, _, form = key.partition("#")
        if not KEY.fullmatch(name) or len(name) < SHORTEST_KEY:
            raise ToolError(f'key "{name}" not valid', code=2)
        found[name] = decoded(call, form, value)
    return read_settings(call) | found


def decoded(call: Call, form: str, value: str) -> str:
    """Return a value that may stand in a file or be encoded."""
    if form == "file":
        return call.read(value)
    return base64.b64decode(value).decode() if form == "base64" else value


def read_id(call: Call) -> str:
    """Return the id of the first word."""
    if not call.words:
        raise ToolError("missing secret URI", code=2)
    return parse_id(call.words[0])


def parse_id(text: str) -> str:
    """Return an id without what may stand before it."""
    number = text.removeprefix("secret:").rpartition("/")[2]
    if not ID.fullmatch(number):
        raise ToolError(f'secret URI "{text}" not valid', code=2)
    return number


def secret_get(call: Call) -> str:
    """Print a secret's content: the revision that this unit follows, or the newest with --peek or --refresh."""
    label = call.option("label")
    call.no_more(2)
    if not call.words and not label:
        raise ToolError("require either a secret URI or label", code=2)
    if call.switch("peek") and call.switch("refresh"):
        raise ToolError("specify one of --peek or --refresh but not both", code=2)
    context = call.context
    secret = context.secret(parse_id(call.words[0])) if call.words else by_label(context, label)
    if not may_read(context, secret):
        raise ToolError(DENIED)
    reader = context.unit.name
    if call.words and label:
        secret.labels[reader] = label
    if call.switch("refresh") or reader not in secret.tracked:
        secret.tracked[reader] = secret.latest
    number = secret.latest if call.switch("peek") or owns(context, secret) else secret.tracked[reader]
    content = secret.revisions.get(number)
    if content is None:
        raise ToolError(f'secret revision "{secret.id}/{number}" not found')
    if len(call.words) == 1 or not call.words:
        return call.show(content, default="yaml")
    key, _, form = call.words[1].partition("#")
    if key not in content:
        raise ToolError(f'secret key value "{key}" not found')
    value = base64.b64encode(content[key].encode()).decode() if form == "base64" else content[key]
    return call.show(value, default="yaml")


def by_label(context: Context, label: str) -> Secret:
    """Return the secret that this unit knows under a label: one it owns, or one it read with that label."""
    for secret in context.owned_secrets():
        if secret.label == label:
            return secret
    for secret in context.model.secrets.values():
        if secret.labels.get(context.unit.name) == label:
            return secret
    raise ToolError(f'consumer label "{label}" not found')


def owns(context: Context, secret: Secret) -> bool:
    """Whether the secret is the unit's or its application's."""
    return secret.owner in (context.unit.name, context.unit.application)


def may_read(context: Context, secret: Secret) -> bool:
    """Whether the unit owns the secret or was granted it, through a relation that still stands or by the operator."""
    if owns(context, secret):
        return True
    return any(
        who in (context.unit.name, context.unit.application)
        and (relation is None or relation in context.model.relations)
        for who, relation in secret.granted
    )


def secret_info_get(call: Call) -> str:
    """Print what is said about an owned secret, without its content."""
    label = call.option("label")
    call.no_more(1)
    if not call.words and not label:
        raise ToolError("require either a secret URI or label", code=2)
    if call.words and label:
        raise ToolError("specify either a secret URI or label but not both", code=2)
    wanted = parse_id(call.words[0]) if call.words else label
    for secret in call.context.owned_secrets():
        if wanted in (secret.id, secret.label):
            return call.show({secret.id: described(secret)}, default="yaml")
    raise ToolError(f'secret "{wanted}" not found')


def described(secret: Secret) -> dict[str, Any]:
    """Return the metadata of a secret; what was not set is absent."""
    said: dict[str, Any] = {
        "revision": secret.latest,
        "label": secret.label,
        "owner": "unit" if "/" in secret.owner else "application",
        "rotation": secret.rotation or "never",
    }
    optional = {"description": secret.description, "expiry": secret.expiry}
    return said | {key: value for key, value in optional.items() if value}


def secret_ids(call: Call) -> str:
    """Print the ids of the secrets that this unit may manage."""
    call.no_more(0)
    return call.show([secret.id for secret in call.context.owned_secrets()], default="yaml")


def secret_grant(call: Call) -> str:
    """Let the application at the other end of a relation read a secret, or one unit of it."""
    number = read_id(call)
    relation = call.relation()
    far = relation.other(call.context.unit.application)
    unit = call.option("unit")
    if unit and not UNIT.fullmatch(unit):
        raise ToolError(f'unit "{unit}" not valid', code=2)
    if unit and unit.partition("/")[0] != far:
        raise ToolError(f'cannot specify unit "{unit}" in relation to application "{far}"', code=2)
    call.no_more(1)
    secret = call.context.change_secret(call.context.secret(number))
    secret.granted.add((unit or far, relation.id))
    return ""


def secret_revoke(call: Call) -> str:
    """Take a grant back from a relation, an application or a unit."""
    number = read_id(call)
    who = call.option("unit") or call.option("app", "application")
    if call.option("unit") and call.option("app", "application"):
        raise ToolError("specify only one of application or unit", code=2)
    if call.option("r", "relation") and not call.option("unit"):
        who = call.relation().other(call.context.unit.application)
    if not who:
        raise ToolError("missing relation or application or unit", code=2)
    call.no_more(1)
    secret = call.context.change_secret(call.context.secret(number))
    secret.granted = {entry for entry in secret.granted if entry[0] != who}
    return ""


def secret_remove(call: Call) -> str:
    """Remove a secret, or one of its revisions."""
    number = read_id(call)
    call.no_more(1)
    secret = call.context.secret(number)
    revision = call.option("revision")
    if not revision:
        call.context.remove_secret(secret)
        return ""
    if not revision.isdigit():
        raise ToolError(f'invalid value "{revision}" for option --revision: strconv.ParseInt: parsing', code=2)
    changed = call.context.change_secret(secret)
    changed.revisions.pop(int(revision), None)
    if not changed.revisions:
        call.context.remove_secret(secret)
    return ""


METADATA = "expire rotate description label file owner"
TOOLS = {
    "secret-add": Tool(secret_add, METADATA),
    "secret-set": Tool(secret_set, METADATA),
    "secret-get": Tool(secret_get, "format label", "peek refresh"),
    "secret-info-get": Tool(secret_info_get, "format label"),
    "secret-ids": Tool(secret_ids, "format"),
    "secret-grant": Tool(secret_grant, "r relation unit"),
    "secret-revoke": Tool(secret_revoke, "r relation unit app application"),
    "secret-remove": Tool(secret_remove, "revision"),
}
