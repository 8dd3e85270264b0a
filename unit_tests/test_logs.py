"""A line of the log is an event and its fields."""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING

import pytest

from vmha.adapters.alerts import LogAlerts
from vmha.core.explain import Code, because
from vmha.errors import ConfigurationError
from vmha.logs import LineFormatter, log, set_up_logging
from vmha.settings import LogSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOGGER = logging.getLogger("vmha.test")


@pytest.fixture(autouse=True)
def other_loggers_untouched() -> Iterator[None]:
    """Put the root logger and ours back as they were."""
    names = ("", "vmha", "keystoneauth", "urllib3")
    before = {name: logging.getLogger(name).level for name in names}
    handlers = logging.getLogger().handlers[:]
    yield
    logging.captureWarnings(capture=False)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)
    logging.getLogger().handlers[:] = handlers


def settings(*, debug: bool = False, log_file: str | None = None, log_dir: str | None = None) -> LogSettings:
    """Build the part of the settings that is about logs."""
    return LogSettings(debug=debug, log_file=log_file, log_dir=log_dir)


def test_a_line_has_time_level_engine_module_event_and_fields(tmp_path: Path) -> None:
    """The time is UTC with milliseconds, and fields stand in the order in which they were given."""
    path = tmp_path / "engine.log"
    set_up_logging(settings(log_file=str(path)), engine="e1", program="masakari-engine")

    log(LOGGER, "order sent", host="c1", order="power-off:1", took_seconds=0.25, instance=None)

    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO e1 vmha\.test order sent host=c1 order=power-off:1 "
        r"took_seconds=0\.25\n",
        path.read_text(),
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain-1.2:3", "plain-1.2:3"),
        ("two words", '"two words"'),
        ('a "quote"', '"a \\"quote\\""'),
        ("a=b", '"a=b"'),
        ("", '""'),
        ("line\nbreak\x1b[31m", '"line\\nbreak\\u001b[31m"'),
        (3.0, "3"),
        (True, "True"),
    ],
)
def test_a_value_cannot_break_its_line(value: object, written: str) -> None:
    """Whatever a BMC or Nova said stays within its field and its line."""
    record = logging.LogRecord("vmha.test", logging.INFO, __file__, 1, "event", None, None)
    record.fields = {"what": value}

    line = LineFormatter("e1").format(record)

    assert line.endswith(f" event what={written}")
    assert "\n" not in line


def test_an_exception_follows_its_line() -> None:
    """A traceback stands below the line of its event."""
    try:
        raise ValueError("the reason")
    except ValueError:
        record = logging.LogRecord("vmha.test", logging.ERROR, __file__, 1, "event", None, sys.exc_info())

    first, *rest = LineFormatter("e1").format(record).splitlines()

    assert first.endswith(" ERROR e1 vmha.test event")
    assert rest[-1] == "ValueError: the reason"


def test_debug_is_ours_alone(tmp_path: Path) -> None:
    """With `debug` our loggers say more and those that print tokens do not."""
    path = tmp_path / "engine.log"
    set_up_logging(settings(debug=True, log_file=str(path)), engine="e1", program="masakari-engine")

    LOGGER.debug("ours")
    logging.getLogger("keystoneauth.session").debug("X-Auth-Token: not-a-secret")
    logging.getLogger("urllib3.connectionpool").debug("not-a-secret")
    logging.getLogger("somebody.else").info("chatter")

    assert "ours" in path.read_text()
    assert len(path.read_text().splitlines()) == 1


def test_a_folder_gets_a_file_named_after_the_program(tmp_path: Path) -> None:
    """`log_dir` alone is enough, as in upstream's packages."""
    set_up_logging(settings(log_dir=str(tmp_path)), engine="e1", program="masakari-api")

    log(LOGGER, "started")

    assert "started" in (tmp_path / "masakari-api.log").read_text()


def test_without_a_file_the_log_is_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A service under systemd logs to its journal."""
    set_up_logging(settings(), engine="e1", program="masakari-engine")

    log(LOGGER, "started")

    assert " INFO e1 vmha.test started\n" in capsys.readouterr().err


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The service does not start blind: the message has the path and the options."""
    with pytest.raises(ConfigurationError, match=r"nowhere/engine\.log.*log_file"):
        set_up_logging(settings(log_file=str(tmp_path / "nowhere" / "engine.log")), engine="e", program="p")


def test_an_alert_is_a_warning_with_the_same_words(caplog: pytest.LogCaptureFixture) -> None:
    """The line has the reason's sentence and its code, to be counted and to be read."""
    reason = because(Code.NO_DEVICE, host="c1")

    LogAlerts().send(recovery="r1", host="c1", reason=reason)

    assert caplog.records[0].levelno == logging.WARNING
    assert caplog.records[0].fields == {  # type: ignore[attr-defined]
        "host": "c1",
        "recovery": "r1",
        "code": "NO_DEVICE",
        "reason": reason.sentence,
    }
