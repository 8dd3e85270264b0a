"""The rules with what each of them is for, as oslo.policy's generators print them."""

from __future__ import annotations

from typing import Any

from oslo_policy import policy as oslo_policy

from vmha.api.policy import PREFIX, list_rules
from vmha.api.routes import ROUTES


def list_documented_rules() -> list[Any]:
    """Return every rule; one that guards routes says which, in the words of what answers there."""
    return [_documented(rule) for rule in list_rules()]


def _documented(rule: Any) -> Any:
    routes = [route for route in ROUTES if rule.name == f"{PREFIX}{route.rule}"]
    if not routes:
        return rule
    about = (routes[0].handler.__doc__ or "").partition("\n")[0]
    operations: list[Any] = [{"method": route.method, "path": f"/v1{route.path}"} for route in routes]
    return oslo_policy.DocumentedRuleDefault(rule.name, rule.check_str, about, operations)
