"""`cos-agent` (cos_agent): what a grafana-agent or opentelemetry-collector on this machine shall collect.

Unit bag, ours: `config` = JSON with `metrics_scrape_jobs`, `metrics_alert_rules`, `log_alert_rules`, `dashboards`, `log_slots`,
`tracing_protocols`, `subordinate`. Unit bag, theirs: `receivers` (tracing), not used.

A scrape job may only name an endpoint that exists. The service has none yet, so the list is empty, and the relation is offered so that
the agent's logs of the machine (and, later, our metrics) need no change of the model.
"""

from __future__ import annotations

from masakari_charm.relations.bags import dump

ENDPOINT = "cos-agent"


def request() -> dict[str, str]:
    """Offer what there is to collect."""
    config: dict[str, object] = {
        "metrics_scrape_jobs": [],
        "metrics_alert_rules": {},
        "log_alert_rules": {},
        "dashboards": [],
        "log_slots": [],
        "tracing_protocols": None,
        "subordinate": None,
    }
    return {"config": dump(config)}
