"""Who may do what: oslo.policy with upstream's rule names and defaults, so that policy.yaml files go on working."""

from __future__ import annotations

import sys
from http import HTTPStatus
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from oslo_policy import policy as oslo_policy

from vmha.api.faults import Fault
from vmha.config_files import open_config
from vmha.errors import ConfigurationError

if TYPE_CHECKING:
    from oslo_config import cfg

    from vmha.api.call import Caller

PREFIX = "os_masakari_api:"
_ADMIN = "rule:admin_api"
_ANYBODY = "@"
_BASE = (
    ("context_is_admin", "role:admin", "Decides whether a token makes its bearer an administrator."),
    (
        "admin_or_owner",
        "is_admin:True or project_id:%(project_id)s",
        "An administrator, or a member of the project.",
    ),
    ("admin_api", "is_admin:True", "Default of all rules of this API."),
)
_ACTIONS = {
    "extensions": ("index", "detail"),
    "notifications": ("index", "detail", "create"),
    "os-hosts": ("index", "detail", "create", "update", "delete"),
    "recoveries": ("index", "detail", "timeline", "action"),
    "segments": ("index", "detail", "create", "update", "delete"),
    "vmoves": ("index", "detail"),
}


def list_rules() -> list[Any]:
    """Return every rule with its default, for the enforcer and for oslo.policy's generators."""
    rules = [oslo_policy.RuleDefault(name, check, description=about) for name, check, about in _BASE]
    for alias, actions in _ACTIONS.items():
        rules += [_rule(f"{alias}:{action}", _ADMIN) for action in (*actions, "discoverable")]
    return [
        *rules,
        _rule("versions:index", _ANYBODY),
        _rule("versions:discoverable", _ANYBODY),
    ]


def get_enforcer() -> Any:
    """Return an enforcer of the policy file that masakari.conf names, for oslo.policy's commands, which parse options themselves."""
    words = sys.argv[1:]
    named = [word for pair in pairwise(words) if pair[0] in _CONFIG_WORDS for word in pair]
    joined = [word for word in words if word.partition("=")[0] in _CONFIG_WORDS and "=" in word]
    enforcer = oslo_policy.Enforcer(open_config([*named, *joined], "oslopolicy"))
    enforcer.register_defaults(list_rules())
    return enforcer


_CONFIG_WORDS = ("--config-file", "--config-dir")


class Policy:
    """The rules as they are configured. oslo.policy reads its file again when it changed."""

    def __init__(self, config: cfg.ConfigOpts) -> None:
        """Read the policy file. Raises `ConfigurationError`."""
        self._enforcer = oslo_policy.Enforcer(config)
        self._enforcer.register_defaults(list_rules())
        try:
            self._enforcer.load_rules()
        except (ValueError, OSError, oslo_policy.InvalidDefinitionError) as error:
            raise ConfigurationError(f"cannot use the policy file: {error}; correct it") from error

    def is_admin(self, *, user_id: str | None, project_id: str | None, roles: tuple[str, ...]) -> bool:
        """Tell whether a token with these roles makes its bearer an administrator."""
        target = {"user_id": user_id, "project_id": project_id}
        return bool(self._enforcer.enforce("context_is_admin", target, {**target, "roles": list(roles)}))

    def allows(self, caller: Caller, rule: str) -> bool:
        """Tell whether `caller` passes the rule, named without its prefix."""
        target = {"user_id": caller.user_id, "project_id": caller.project_id}
        credentials = {**target, "roles": list(caller.roles), "is_admin": caller.is_admin}
        return bool(self._enforcer.enforce(PREFIX + rule, target, credentials))

    def demand(self, caller: Caller, rule: str) -> None:
        """Raise `Fault` if `caller` does not pass the rule."""
        if not self.allows(caller, rule):
            raise Fault(HTTPStatus.FORBIDDEN, f"Policy doesn't allow {PREFIX}{rule} to be performed.")


def _rule(name: str, check: str) -> Any:
    return oslo_policy.RuleDefault(PREFIX + name, check)
