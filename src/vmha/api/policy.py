"""Who may do what: oslo.policy with upstream's rule names and defaults, so that policy.yaml files go on working."""

from __future__ import annotations

import logging
import sys
import threading
from http import HTTPStatus
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from oslo_config import cfg
from oslo_policy import policy as oslo_policy

from vmha.api.faults import Fault
from vmha.config_files import open_config
from vmha.errors import ConfigurationError
from vmha.logs import log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmha.api.call import Caller

LOG = logging.getLogger(__name__)
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
    "host-actions": ("return",),
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
    """The rules as they were when `read_again` was last called, which is once for each request.

    One enforcer reads the files, another one judges: rules that are half read, or cannot be read, judge nobody.
    """

    def __init__(self, config: cfg.ConfigOpts) -> None:
        """Read the policy file. Raises `ConfigurationError`."""
        self._reader = oslo_policy.Enforcer(config)
        self._reader.register_defaults(list_rules())
        self._judge = oslo_policy.Enforcer(config, use_conf=False)
        self._reading = threading.Lock()
        try:
            self._reader.load_rules()
        except _UNREADABLE as error:
            raise ConfigurationError(f"cannot use the policy file: {error}; correct it") from error
        self._judge.set_rules(dict(self._reader.rules), use_conf=False)

    def is_admin(self, credentials: Mapping[str, object]) -> bool:
        """Tell whether a token that says this of its bearer, by oslo.context's names, makes it an administrator."""
        return self._enforce("context_is_admin", credentials, credentials)

    def allows(self, caller: Caller, rule: str) -> bool:
        """Tell whether `caller` passes the rule, named without its prefix."""
        target = {"user_id": caller.user_id, "project_id": caller.project_id}
        credentials = {**caller.more, **target, "roles": list(caller.roles), "is_admin": caller.is_admin}
        return self._enforce(PREFIX + rule, target, credentials)

    def demand(self, caller: Caller, rule: str) -> None:
        """Raise `Fault` if `caller` does not pass the rule."""
        if not self.allows(caller, rule):
            raise Fault(HTTPStatus.FORBIDDEN, f"Policy doesn't allow {PREFIX}{rule} to be performed.")

    def _enforce(self, rule: str, target: Mapping[str, object], credentials: Mapping[str, object]) -> bool:
        return bool(self._judge.enforce(rule, dict(target), dict(credentials)))

    def read_again(self) -> None:
        """Take over what changed in the files. While they cannot be read the rules that were in force stay so."""
        with self._reading:
            self._take_over()

    def _take_over(self) -> None:
        try:
            self._reader.load_rules()
        except _UNREADABLE as error:
            log(
                LOG,
                "policy-file-unreadable",
                level=logging.ERROR,
                error=str(error),
                effect="the rules stay as they were; correct the file",
            )
            self._reader.set_rules(dict(self._judge.rules), use_conf=True)
            return
        rules = dict(self._reader.rules)
        if rules != dict(self._judge.rules):
            self._judge.set_rules(rules, use_conf=False)
            log(LOG, "policy-changed")


# What oslo.policy lets through of a file that is no YAML, no mapping, not to be opened, or has rules that go round in circles.
_UNREADABLE = (ValueError, TypeError, AttributeError, OSError, oslo_policy.InvalidDefinitionError, cfg.Error)


def _rule(name: str, check: str) -> Any:
    return oslo_policy.RuleDefault(PREFIX + name, check)
