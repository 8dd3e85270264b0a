"""The log: a line is a time in UTC, a level, the engine, the module, the name of an event, and its fields.

    2026-03-14T03:00:07.512Z INFO engine-1 vmha.engine.executor order sent host=c1 order=power-off:1

Rules:
1. What varies stands in fields, never in the name of the event, so that events can be counted.
2. No password, token or key is passed here.
3. Only our own loggers follow `debug`: keystoneauth and urllib3 would print tokens.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from vmha.errors import ConfigurationError

if TYPE_CHECKING:
    from vmha.settings import LogSettings

# Characters that would make a bare value ambiguous, or break the line.
_NEEDS_QUOTES = frozenset(' "=\\')
# Loggers that print tokens, passwords or whole requests at debug level, whatever our own level is.
_QUIET = ("keystoneauth", "keystoneauth1", "keystonemiddleware", "openstack", "requests", "urllib3", "amqp")


def log(logger: logging.Logger, event: str, /, *, level: int = logging.INFO, **fields: object) -> None:
    """Write one line: what happened, and its fields in the order given. A field that is None is left out."""
    if logger.isEnabledFor(level):
        logger.log(level, "%s", event, extra={"fields": fields}, stacklevel=2)


def set_up_logging(settings: LogSettings, *, engine: str, program: str) -> None:
    """Send this process's log to the file, or folder, or standard error that the settings name."""
    handler = _handler(settings, program)
    handler.setFormatter(LineFormatter(engine))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("vmha").setLevel(logging.DEBUG if settings.debug else logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)


class LineFormatter(logging.Formatter):
    """Formats our own records and those of libraries alike."""

    def __init__(self, engine: str) -> None:
        super().__init__()
        self._engine = engine

    def format(self, record: logging.LogRecord) -> str:
        """Build the line; an exception's traceback follows on lines of its own."""
        fields: dict[str, object] = getattr(record, "fields", {})
        parts = [
            _utc(record.created),
            record.levelname,
            self._engine,
            record.name,
            _one_line(record.getMessage()),
        ]
        parts += [f"{name}={_value(value)}" for name, value in fields.items() if value is not None]
        line = " ".join(parts)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _handler(settings: LogSettings, program: str) -> logging.Handler:
    path = log_path(settings, program)
    if path is None:
        return logging.StreamHandler(sys.stderr)
    try:
        # Opens the file again after logrotate has moved it away.
        return logging.handlers.WatchedFileHandler(path, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"cannot log to {path}: {error.strerror}; correct log_file or log_dir, or let this user write there"
        ) from error


def log_path(settings: LogSettings, program: str) -> Path | None:
    """Name the file that a program logs to, None where it logs to standard error."""
    if settings.log_file is not None:
        return Path(settings.log_dir or "", settings.log_file)
    if settings.log_dir is not None:
        return Path(settings.log_dir, f"{program}.log")
    return None


def check_log(settings: LogSettings, program: str) -> None:
    """Raise `ConfigurationError` where the log could not be written, without making a file that then is the wrong user's."""
    path = log_path(settings, program)
    if path is None:
        return
    place = path if path.exists() else path.parent
    if path.is_dir() or not os.access(place, os.W_OK):
        why = "this user cannot write there" if place.exists() and not path.is_dir() else "that is no place for a file"
        raise ConfigurationError(f"cannot log to {path}: {why}; correct log_file or log_dir")


def _utc(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def _value(value: object) -> str:
    text = f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    if text and text.isprintable() and not _NEEDS_QUOTES.intersection(text):
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())
