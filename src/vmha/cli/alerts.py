"""`masakari-manage alerts`: which alerts no webhook has taken, and whether webhooks take any."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vmha.adapters.alert_document import document_of_test
from vmha.adapters.clock import SystemClock
from vmha.adapters.db.alert_views import listed
from vmha.adapters.db.connection import transaction
from vmha.adapters.webhook_settings import load_webhooks
from vmha.ports import Deadline, WebhookFailed

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from sqlalchemy.engine import Engine

    from vmha.adapters.db.alert_views import AlertView, DeliveryView
    from vmha.adapters.webhooks import HttpWebhook
    from vmha.settings import Settings

MOST_LISTED = 1000
"""As many as other lists print."""


def add_commands(categories: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `alerts list` and `alerts test`."""
    actions = categories.add_parser("alerts", help="alerts and webhooks").add_subparsers(
        required=True, metavar="ACTION"
    )
    lists = actions.add_parser("list", help="alerts that a webhook has not taken, youngest first, and why")
    lists.add_argument("--all", action="store_true", help="those that were taken too")
    lists.add_argument("--json", action="store_true", help="print JSON")
    lists.set_defaults(command=_list, needs_tables=True)
    test = actions.add_parser(
        "test", help="send a test alert to each webhook and print what came back; exit 1 if one did not take it"
    )
    test.set_defaults(command=_test, needs_tables=False)


def _list(options: argparse.Namespace, _settings: Settings, database: Engine) -> None:
    with transaction(database) as connection:
        found = listed(connection, everything=options.all, limit=MOST_LISTED)
    if options.json:
        print(json.dumps([asdict(alert) for alert in found], indent=2))
        return
    for alert in found:
        for line in _lines(alert):
            print(line)
    if not found:
        print("there has been no alert" if options.all else "every alert was taken")


def _lines(alert: AlertView) -> Iterator[str]:
    told = alert.document
    yield f"{_time(alert.made_at)}  {told['kind']:<9} {told['host'] or '-':<20} {told['code']}  {told['id']}"
    yield f"    {told['summary']}"
    if not alert.is_addressed:
        yield "    not addressed yet: no engine with webhooks has run since"
    yield from (f"    {delivery.webhook}: {_standing(delivery)}" for delivery in alert.deliveries)


def _standing(delivery: DeliveryView) -> str:
    if delivery.delivered_at is not None:
        return f"taken at {_time(delivery.delivered_at)} (attempt {delivery.attempts})"
    why = f": {delivery.last_error}" if delivery.last_error else ""
    if delivery.next_at is None:
        return f"given up after attempt {delivery.attempts}{why}"
    return f"next at {_time(delivery.next_at)}, after attempt {delivery.attempts}{why}"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _test(_options: argparse.Namespace, settings: Settings, _database: Engine) -> int:
    """Post to all webhooks side by side, each within its own time."""
    webhooks = load_webhooks(settings.alerts, clock=SystemClock())
    if not webhooks:
        print("there are no webhooks: set [alerts] webhooks; alerts are lines of the engines' logs")
        return 1
    document = document_of_test(settings.engine, at=time.time())
    with ThreadPoolExecutor(len(webhooks)) as pool:
        tried = list(pool.map(lambda webhook: _post(webhook, settings, json.dumps(document), document["id"]), webhooks))
    for webhook, (is_taken, words) in zip(webhooks, tried, strict=True):
        print(f"{webhook.name}: took it: {words}" if is_taken else f"NOT TAKEN: {words}")
    if settings.alerts.secret_file is None:
        print("it was not signed: [alerts] secret_file is not set")
    return 0 if all(is_taken for is_taken, _ in tried) else 1


def _post(webhook: HttpWebhook, settings: Settings, document: str, alert: str) -> tuple[bool, str]:
    """Return whether it was taken, and what came back."""
    deadline = Deadline(at=SystemClock().monotonic() + settings.alerts.post_seconds)
    try:
        return True, webhook.post(document, alert=alert, attempt=1, deadline=deadline)
    except WebhookFailed as error:
        return False, str(error)
