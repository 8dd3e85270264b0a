"""What the documents say of alerts and metrics is what is sent and shown.

`python -m unit_tests.test_alert_docs` writes the table of docs/operate/metrics.md anew from the metrics.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from unit_tests.adapters.test_metrics import STANDING
from unit_tests.alert_schema import schema, validate
from unit_tests.test_docs import ROOT, names, rows
from vmha.adapters.alert_document import document_of_test
from vmha.adapters.db.gauges import LEASE_STATES
from vmha.adapters.metrics import POWER_OFFS, DatabaseGauges, EngineMetrics
from vmha.adapters.webhooks import sign
from vmha.core.alerting import Severity, severity
from vmha.core.effects import AlertKind
from vmha.core.explain import Code, because
from vmha.core.model import Outcome, Phase, Rung
from vmha.engine.couriers import RESULTS

ALERTS = ROOT / "docs" / "operate" / "alerts.md"
METRICS = ROOT / "docs" / "operate" / "metrics.md"
RULES = ROOT / "docs" / "operate" / "alert-rules.yaml"
SECRET = "0123456789abcdef"
COUNTER_ENDS = {"counter": ("_total",), "histogram": ("", "_bucket", "_count", "_sum")}


def marked(path: Path, name: str) -> str:
    """Return the fenced block between two marks of a document."""
    (found,) = re.findall(
        rf"<!-- {name}: begin -->\n```\w+\n(.*?)```\n<!-- {name}: end -->", path.read_text(), re.DOTALL
    )
    return str(found)


def test_the_schema_has_every_kind_and_no_other() -> None:
    """The closed lists of the schema are the code's."""
    known = schema()["properties"]
    assert known["kind"]["enum"] == [kind.value for kind in AlertKind]
    assert known["severity"]["enum"] == [each.value for each in Severity]
    assert schema()["required"] == list(known)


def test_every_reason_can_be_told() -> None:
    """The name of every reason, phase, outcome and rung is one that the schema lets pass."""
    known = schema()["properties"]
    assert all(re.fullmatch(known["code"]["pattern"], code.name) for code in Code)
    for key, kind in (("phase", Phase), ("outcome", Outcome), ("proof", Rung)):
        assert all(re.fullmatch(known[key]["pattern"], member.value) for member in kind)


def test_the_document_describes_every_key_and_kind() -> None:
    """The tables of alerts.md have each key of the schema, and each kind with its severity."""
    named = {key for cells in rows(ALERTS, columns=2) for key in re.findall(r"`(\w+)`", cells[0])}
    assert set(schema()["properties"]) <= named
    (proof,) = (cells[1] for cells in rows(ALERTS, columns=2) if cells[0] == "`proof`")
    assert set(re.findall(r"`(\w+)`", proof)) == {rung.value for rung in Rung}
    kinds = {cells[0].strip("`"): cells[1] for cells in rows(ALERTS, columns=3) if cells[0].startswith("`")}
    assert [kind for kind in kinds if kind in {each.value for each in AlertKind}] == [each.value for each in AlertKind]
    for kind in set(AlertKind) - {AlertKind.REMINDER, AlertKind.ENDED}:
        assert kinds[kind.value] == severity(kind, Phase.UNPROVEN, None, Code.OPENED).value


def test_the_example_is_an_alert() -> None:
    """The JSON of alerts.md passes the schema, and its words are the service's."""
    example = json.loads(marked(ALERTS, "example"))
    validate(example)
    assert example["summary"] == because(Code[example["code"]], **example["facts"]).sentence


def test_a_test_alert_is_one_too() -> None:
    """What `alerts test` sends passes the schema."""
    validate(document_of_test("engine-1", at=1.0))


class TestVerify:
    """The code of alerts.md that verifies a signature."""

    @pytest.fixture
    def is_ours(self) -> Any:
        """Run the code, and give its function."""
        scope: dict[str, Any] = {}
        exec(compile(marked(ALERTS, "verify"), str(ALERTS), "exec"), scope)
        return scope["is_ours"]

    def test_it_takes_what_we_sign(self, is_ours: Any) -> None:
        """A body that was signed now, with this secret or with another one beside it, is ours."""
        body = b'{"version": 1}'
        now = int(__import__("time").time())
        assert is_ours(sign(body, (SECRET.encode(),), at=now), body, SECRET)
        assert is_ours(sign(body, (b"the secret of before", SECRET.encode()), at=now), body, SECRET)

    def test_it_refuses_the_rest(self, is_ours: Any) -> None:
        """Another body, secret or time is not, and neither is an old one, or one of a time to come."""
        body, now = b'{"version": 1}', int(__import__("time").time())
        signed = sign(body, (SECRET.encode(),), at=now)
        assert not is_ours(signed, body + b" ", SECRET)
        assert not is_ours(signed, body, SECRET + "0")
        assert not is_ours(signed.replace(f"t={now}", f"t={now - 1}"), body, SECRET)
        for at in (now - 400, now + 400):
            assert not is_ours(sign(body, (SECRET.encode(),), at=at), body, SECRET)


def test_every_line_of_the_log_is_one() -> None:
    """The events that alerts.md names are those that the service logs, and none about alerts is missing."""
    named = {
        event
        for cells in rows(ALERTS, columns=3)
        if {*re.split(r"\W+", cells[1])} & {"WARNING", "ERROR", "INFO"}
        for event in re.findall(r"`([a-z-]+)`", cells[0])
    }
    sources = "".join((ROOT / "src" / "vmha" / path).read_text() for path in LOGGING)
    logged = {each for each in re.findall(r'"([a-z]+(?:-[a-z]+)+)"', sources) if each.startswith(("alert", "webhook"))}
    assert named == logged


LOGGING = ("engine/couriers.py", "engine/alert_threads.py", "cli/serving.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One row of the table."""

    name: str
    kind: str
    labels: tuple[str, ...]
    words: str
    places: tuple[str, ...]


def all_metrics() -> list[Metric]:
    """Return every metric of ours, as engine and API register them."""
    registry = CollectorRegistry()
    EngineMetrics(registry)
    engines_own = [
        metric
        for collector in registry._collector_to_names
        for metric in collector.describe()  # type: ignore[attr-defined]
        for metric in [described(metric, collector._labelnames, ("engine",))]  # type: ignore[attr-defined]
    ]
    gauges = DatabaseGauges(lambda: STANDING, covers=lambda _, __: True)
    told = [described(family, family._labelnames, ("engine", "API")) for family in gauges.collect()]  # type: ignore[attr-defined]
    unprotected = {"vmha_hosts_unprotected": ("engine",)}
    return engines_own + [
        Metric(name=m.name, kind=m.kind, labels=m.labels, words=m.words, places=unprotected.get(m.name, m.places))
        for m in told
    ]


def described(family: Any, labels: tuple[str, ...], places: tuple[str, ...]) -> Metric:
    """Describe a family."""
    name = family.name + ("_total" if family.type == "counter" else "")
    return Metric(name=name, kind=family.type, labels=tuple(labels), words=family.documentation, places=places)


def test_names_follow_prometheus() -> None:
    """Every name begins with ours; a counter ends in _total, what is a time in _seconds; all have words that end in a full stop."""
    found = all_metrics()
    assert len({metric.name for metric in found}) == len(found) > 15
    for metric in found:
        assert re.fullmatch(r"vmha_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        is_time = metric.words.startswith(("Time ", "Age "))
        assert metric.name.endswith("_seconds") == is_time
        assert metric.words.endswith(".")


def metric_table() -> Iterator[str]:
    """Yield the rows of metrics.md."""
    yield from ("| metric | type | labels | where | meaning |", "|---|---|---|---|---|")
    for metric in all_metrics():
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "-"
        yield f"| `{metric.name}` | {metric.kind} | {labels} | {', '.join(metric.places)} | {metric.words} |"


def with_table(text: str) -> str:
    """Return the document with the table as the metrics are now."""
    table = "\n".join(metric_table())
    mark = r"(<!-- metrics: begin -->\n).*(<!-- metrics: end -->)"
    return re.sub(mark, lambda found: f"{found[1]}{table}\n{found[2]}", text, flags=re.DOTALL)


def test_the_table_of_metrics_is_current() -> None:
    """docs/operate/metrics.md is what is exported; run `python -m unit_tests.test_alert_docs` to write it."""
    assert METRICS.read_text() == with_table(METRICS.read_text())


def test_the_values_of_labels_are_described() -> None:
    """metrics.md names every result of a delivery, answer of a BMC, state of a lease, and rung."""
    text = METRICS.read_text()
    for value in (*RESULTS.values(), *POWER_OFFS.values(), *LEASE_STATES, *(rung.value for rung in Rung)):
        assert f"`{value}`" in text


def test_the_rules_ask_for_what_there_is() -> None:
    """Each rule is complete; each metric in it is exported, with those labels, and values of our own lists are in them."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) > 5
    labels = {
        metric.name + end: metric.labels
        for metric in all_metrics()
        for end in (COUNTER_ENDS["histogram"] if metric.kind == "histogram" else ("",))
    }
    values = {"outcome": {outcome.value for outcome in Outcome}, "state": set(LEASE_STATES)}
    for rule in rules:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]
        assert re.fullmatch(r"Vmha[A-Za-z]+", rule["alert"])
        asked = re.findall(r"(vmha_\w+)(?:\{([^}]*)\})?", rule["expr"])
        assert asked
        for name, matchers in asked:
            assert name in labels, rule["alert"]
            for label, value in re.findall(r'(\w+)="([^"]*)"', matchers):
                assert label in labels[name]
                assert value in values[label]
    for command in re.findall(r"masakari-manage (\w+ \w+)", RULES.read_text()):
        assert command.split()[1] in names().words


if __name__ == "__main__":
    METRICS.write_text(with_table(METRICS.read_text()))
    sys.exit(0)
