"""The service on the cloud: an empty database, an API and one engine, and what its own timeline says about a recovery."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData, create_engine

from tests.cloud.ha import QUICK, Service
from tests.cloud.rig.cloud import Cloud
from tests.cloud.rig.service import service_settings
from vmha.options import OPTIONS

AGENT = "vmha/"
ENGINE = "engine-1"
OF_THIS_CLOUD = ("heartbeat_silence_seconds", "off_silence_seconds", "local_disk")
"""What the cloud tests set because of this cloud's Nova (a beat every second, no shared storage); all else is as the product ships."""

WITNESS = ("WITNESS_SILENT", "WITNESS_DOWN")
PROOF = ("FENCED", "FOUND_OFF")

Options = Mapping[str, Mapping[str, str]]
Moments = dict[str, tuple[float, float]]


@contextlib.contextmanager
def running(cloud: Cloud, folder: Path, changed: Options) -> Iterator[Service]:
    """Run the service with the options as they ship, but for what this cloud needs and for those `changed`."""
    options = _as_shipped()
    for group, values in changed.items():
        options[group] = options.get(group, {}) | dict(values)
    service = Service(folder, service_settings(cloud.settings), options=options)
    empty(service.settings.database_url)
    try:
        service.manage("db", "sync")
        service.start(ENGINE)
        service.make_segment("bench", cloud.hosts)
        yield service
    finally:
        service.stop()


def settings_used(changed: Options) -> dict[str, str]:
    """Return the options that differ from the defaults, by group and name, for the report."""
    used = {
        f"[{group}] {name}": QUICK[group][name] for group in QUICK for name in QUICK[group] if name in OF_THIS_CLOUD
    }
    return used | {f"[{group}] {name}": value for group, values in changed.items() for name, value in values.items()}


def empty(url: str) -> None:
    """Drop every table of a database."""
    engine, tables = create_engine(url), MetaData()
    tables.reflect(engine)
    tables.drop_all(engine)
    engine.dispose()


def moments(timeline: list[dict[str, Any]]) -> Moments:
    """Return the first and the last time of each code of a timeline, in seconds since 1970."""
    found: Moments = {}
    for line in timeline:
        at = datetime.fromisoformat(line["at"]).replace(tzinfo=UTC).timestamp()
        first, _ = found.get(line["code"], (at, at))
        found[line["code"]] = (first, at)
    return found


def first_of(found: Moments, codes: tuple[str, ...]) -> float:
    """Return when the first of these codes was written."""
    return min(found[code][0] for code in codes if code in found)


def _as_shipped() -> dict[str, dict[str, str]]:
    """Return the product's defaults for whatever the cloud tests change without need."""
    changed = {(group, name) for group, values in QUICK.items() for name in values if name not in OF_THIS_CLOUD}
    options: dict[str, dict[str, str]] = {}
    for option in OPTIONS:
        if (option.group, option.name) in changed:
            options.setdefault(option.group, {})[option.name] = str(option.default)
    return options
