"""Times as the contract has them: naive UTC, shown with six digits of fraction."""

from __future__ import annotations

from datetime import UTC, datetime

from oslo_utils import timeutils


def now() -> datetime:
    """Return the time in whole seconds, as upstream stores it."""
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


def parse(text: str) -> datetime:
    """Read an ISO 8601 time; one without a zone is UTC. Raises `ValueError`."""
    try:
        moment: datetime = timeutils.normalize_time(timeutils.parse_isotime(text))
    except OverflowError as error:
        raise ValueError(f"{text} is before year 1 or after year 9999 in UTC") from error
    return moment


def shown(moment: datetime | None) -> str | None:
    """Write a time of upstream's tables."""
    return None if moment is None else moment.isoformat(timespec="microseconds")


def shown_epoch(seconds: float | None) -> str | None:
    """Write a time of our own tables, which count seconds since the epoch."""
    return None if seconds is None else shown(datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None))
