"""How the long-running programs start, what keeps them from it, and how they leave."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from sqlalchemy import insert, select

from unit_tests.cli.rig import Installed, Programs
from vmha.adapters.db import schema
from vmha.adapters.db.connection import open_database, transaction
from vmha.cli import api, serving
from vmha.cli.serving import await_database
from vmha.cli.signals import Signals
from vmha.errors import StoreUnavailable
from vmha.settings import load

PROGRAMS = ("api", "engine", "standalone")
LEAVE_SECONDS = 25.0
"""Less than one of the pauses that these tests set; on a machine with nothing else to do it takes two."""


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_value_that_cannot_be_used_is_named(program: str, installed: Installed, programs: Programs) -> None:
    """An option out of its bounds is one line with option, group, value, file and what would do: exit 2."""
    installed.configure(recovery={"heartbeat_silence_seconds": "soon"})
    code, err = programs.refused(program)
    assert code == 2
    assert err == (
        f"masakari-{program}: [recovery] heartbeat_silence_seconds = soon in {installed.path} cannot be used: "
        "it must be a number from 3 to 86400 seconds\n"
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_missing_file_is_named(program: str, installed: Installed, programs: Programs) -> None:
    """A --config-file that is not there is one line: exit 2."""
    installed.path.unlink()
    code, err = programs.refused(program)
    assert (code, err) == (2, f"masakari-{program}: there is no {installed.path}; correct --config-file\n")


@pytest.mark.parametrize("program", ["engine", "standalone"])
def test_an_inventory_that_others_may_read_is_refused(program: str, installed: Installed, programs: Programs) -> None:
    """BMC passwords that anybody may read keep the engine from starting; the message says which command to run."""
    installed.inventory.write_text("hosts: {}\n")
    installed.inventory.chmod(0o644)
    code, err = programs.refused(program)
    assert code == 2
    assert err == (
        f"masakari-{program}: cannot use the fencing inventory {installed.inventory}: its mode is 0644 and others may read it; "
        f"run: chmod 600 {installed.inventory}\n"
    )


@pytest.mark.parametrize("program", ["engine", "standalone"])
def test_a_recovery_policy_with_a_fault_is_refused(program: str, installed: Installed, programs: Programs) -> None:
    """A broken recovery.yaml keeps the engine from starting; the message has file and line and what to write: exit 2."""
    path = installed.path.with_name("recovery.yaml")
    path.write_text("segments:\n  rack-1:\n    host: evacuate\n")
    installed.configure(recovery={"policy_file": str(path)})
    code, err = programs.refused(program)
    assert code == 2
    assert err == (
        f"masakari-{program}: cannot use the recovery policy {path}, 1 fault:\n"
        f'  {path}:3: segment rack-1: host "evacuate" is no workflow; write recover, power_off, report or confirm\n'
    )


def test_a_policy_for_segments_that_are_not_there_is_told(installed: Installed) -> None:
    """An engine starts with it, and warns: what fails in a segment that was misspelt is recovered by the default."""
    installed.sync()
    path = installed.path.with_name("recovery.yaml")
    path.write_text("segments: {rakc-1: {host: report}}\n")
    installed.configure(recovery={"policy_file": str(path)})
    with installed.running("engine") as process:
        process.until("workflows-unknown")


@pytest.mark.parametrize("program", ["engine", "standalone"])
def test_a_task_that_is_not_upstreams_is_refused(program: str, installed: Installed, programs: Programs) -> None:
    """A flow with a task that somebody wrote himself keeps the engine from starting; the message names it: exit 2."""
    flow = {"instance_failure_recovery_tasks": "pre:[stop_instance_task],main:[page_ann_task],post:[]"}
    installed.configure(taskflow_driver_recovery_flows=flow)
    code, err = programs.refused(program)
    assert code == 2
    assert "[taskflow_driver_recovery_flows] instance_failure_recovery_tasks names the task page_ann_task" in err


@pytest.mark.parametrize("program", ["engine", "standalone"])
def test_a_webhook_that_is_none_is_refused(program: str, installed: Installed, programs: Programs) -> None:
    """A URL that alerts cannot be posted to keeps the engine from starting, is called by its number, and is not shown: exit 2."""
    installed.configure(alerts={"webhooks": "https://hooks.example.org/pw-in-url, hooks.example.org/pw-in-url"})
    code, err = programs.refused(program)
    assert code == 2
    assert err == (
        f"masakari-{program}: [alerts] webhooks: URL number 2 of 2 cannot be used: it does not begin with http:// or https://; "
        "it must be like https://receiver.example.org/path, with %2C for a comma\n"
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_database_url_that_is_none_is_refused(program: str, installed: Installed, programs: Programs) -> None:
    """A connection that SQLAlchemy cannot read is one line without the password in it: exit 2."""
    installed.configure(database={"connection": "mysgl://masakari:pw-in-url@db/masakari"})
    code, err = programs.refused(program)
    assert code == 2
    assert err.splitlines()[-1].startswith(f"masakari-{program}: [database] connection cannot be used")
    assert "pw-in-url" not in err
    assert "Traceback" not in err


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_folder_that_is_missing_is_refused(program: str, installed: Installed, programs: Programs) -> None:
    """SQLite in a folder that does not exist is a mistake, and no database that is away: exit 2."""
    installed.configure(database={"connection": f"sqlite:///{installed.folder}/nowhere/masakari.sqlite"})
    code, err = programs.refused(program)
    assert code == 2
    assert f"there is no folder {installed.folder}/nowhere" in err


@pytest.mark.parametrize("program", ["api", "engine"])
def test_a_broker_url_that_is_none_is_refused(program: str, installed: Installed, programs: Programs) -> None:
    """A transport_url that cannot be used is one line: exit 2."""
    installed.sync()
    installed.configure(DEFAULT={"transport_url": "carrier-pigeon://user:pw-in-url@nowhere/"})
    code, err = programs.refused(program)
    assert code == 2
    (line,) = [line for line in err.splitlines() if line.startswith("masakari-")]
    assert line.startswith(f"masakari-{program}: [DEFAULT] transport_url cannot be used")
    assert "pw-in-url" not in err
    assert "Traceback" not in err


@pytest.mark.parametrize("program", ["api", "standalone"])
@pytest.mark.slow
def test_a_port_in_use_is_named(program: str, installed: Installed) -> None:
    """An address that somebody else has is one line with the option to change: exit 1, and no process stays behind."""
    with socket.create_server(("127.0.0.1", installed.port)):
        code, err = installed.ended(program)
    assert code == 1
    last = err.splitlines()[-1]
    assert last.startswith(f"masakari-{program}: cannot listen on 127.0.0.1:{installed.port}: ")
    assert last.endswith("; set masakari_api_listen_port")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("program", "number"),
    [*((program, signal.SIGTERM) for program in PROGRAMS), ("standalone", signal.SIGINT)],
    ids=lambda each: each if isinstance(each, str) else each.name,
)
@pytest.mark.slow
def test_it_leaves_at_once(program: str, number: signal.Signals, installed: Installed) -> None:
    """A program that has nothing to do ends with exit 0 within seconds of SIGTERM or ctrl-C, however rarely it polls."""
    installed.sync()
    installed.configure(engine={"poll_seconds": "29", "lease_seconds": "60"})
    started = "api-started" if program == "api" else "engine-started"
    with installed.running(program) as process:
        process.until(started)
        code, seconds = process.stop(number)
    assert code == 0
    assert seconds < LEAVE_SECONDS
    assert not any("Traceback" in line for line in process.said)


@pytest.mark.slow
def test_an_engine_waits_for_its_tables(installed: Installed) -> None:
    """An engine that starts before `db sync` says so once, and goes on by itself as soon as the tables are there."""
    with installed.running("engine") as process:
        process.until("database-away")
        time.sleep(1.0)
        installed.sync()
        process.until("engine-started")
        assert process.stop()[0] == 0
    away = [line for line in process.said if "database-away" in line]
    assert len(away) == 1
    assert "run: masakari-manage db sync" in away[0]


def test_a_long_takeover_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """The defaults stay within 25 s and are not spoken of; settings that come to more are named with what to lower."""
    limits = load([], "masakari-engine").engine_settings
    with caplog.at_level(logging.INFO):
        serving._say_started(limits)
        serving._say_started(replace(limits, order_seconds=20.0))
    assert [record.getMessage() for record in caplog.records] == ["engine-started", "engine-started", "takeover-slow"]
    fields: dict[str, object] = caplog.records[-1].__dict__["fields"]
    assert "stand still for 32 s, more than 25 s: lower lease_seconds" in str(fields["says"])


@pytest.mark.slow
def test_an_engine_settles_what_upstream_left(installed: Installed) -> None:
    """A notification that upstream's engine left unfinished is settled as soon as ours runs, and the log says so."""
    installed.sync()
    engine = open_database(installed.url)
    now = datetime.now(UTC).replace(tzinfo=None)
    row = {"notification_uuid": "n1", "source_host_uuid": "gone", "type": "VM", "status": "new", "deleted": 0}
    with transaction(engine) as connection:
        connection.execute(insert(schema.notifications).values(**row, generated_time=now, created_at=now))
    with installed.running("engine") as process:
        process.until("leftover-settled")
        assert process.stop()[0] == 0
    (settled,) = [line for line in process.said if "leftover-settled" in line]
    assert "was=new now=failed" in settled
    with transaction(engine) as connection:
        assert connection.execute(select(schema.notifications.c.status)).scalar_one() == "failed"
    engine.dispose()


@pytest.mark.slow
def test_standalone_waits_for_its_database(installed: Installed) -> None:
    """Where the database cannot be opened the log says so once; as soon as it can be, both go on by themselves."""
    in_the_way = installed.folder / "masakari.sqlite"
    in_the_way.mkdir()  # SQLite cannot open a folder
    with installed.running("standalone") as process:
        process.until("database-away")
        time.sleep(1.0)
        in_the_way.rmdir()
        process.until("engine-started")
        assert segments(installed).json() == {"segments": []}
        assert process.stop()[0] == 0
    assert sum("database-away" in line for line in process.said) == 1
    assert sum("database-back" in line for line in process.said) == 1


@pytest.mark.slow
def test_an_api_says_that_its_database_is_away(installed: Installed) -> None:
    """Without its database the API lives and answers 503, in upstream's envelope; standalone leaves at once all the same."""
    installed.configure(database={"connection": "mysql+pymysql://masakari:pw@127.0.0.1:1/masakari"})
    with installed.running("standalone") as process:
        process.until("database-away")
        answer = segments(installed)
        assert answer.status_code == 503
        assert list(answer.json()) == ["serviceUnavailable"]
        code, seconds = process.stop()
    assert code == 0
    assert seconds < LEAVE_SECONDS


def segments(installed: Installed) -> requests.Response:
    """Ask the API for its segments."""
    url = f"http://127.0.0.1:{installed.port}/v1/segments"
    return requests.get(url, headers={"X-Auth-Token": "admin:admin"}, timeout=60)


@pytest.mark.slow
def test_a_stop_ends_the_wait_for_the_database(installed: Installed) -> None:
    """An engine that still waits for its database ends on SIGTERM with exit 0."""
    with installed.running("engine") as process:
        process.until("database-away")
        code, seconds = process.stop()
    assert code == 0
    assert seconds < LEAVE_SECONDS


class Lost(StoreUnavailable):
    """Another kind of trouble."""


def test_each_kind_of_trouble_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """While the trouble stays the same the log is silent; another one is told, and the end of it too."""
    troubles = [StoreUnavailable("refused\nlong story"), StoreUnavailable("refused"), Lost("lost"), Lost("lost")]

    def prepare() -> None:
        if troubles:
            raise troubles.pop(0)

    with caplog.at_level(logging.INFO, logger="vmha"):
        assert await_database(prepare, threading.Event(), every_seconds=0.0)
    told = [(record.getMessage(), getattr(record, "fields", {}).get("detail")) for record in caplog.records]
    assert told == [("database-away", "refused"), ("database-away", "lost"), ("database-back", None)]


def test_a_stop_comes_before_the_database() -> None:
    """Who is told to stop does not ask the database any more."""
    stop = threading.Event()
    stop.set()
    assert not await_database(lambda: pytest.fail("asked"), stop, every_seconds=0.0)


def test_a_signal_takes_no_lock_of_the_code_it_interrupts(own_signals: None) -> None:
    """A signal that arrives while the very same thread holds the event's lock does not wait for itself."""
    stop = Signals(check=None).stop
    with stop._cond:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)
    assert stop.wait(60.0)


def test_a_signal_need_not_wake_the_main_thread(own_signals: None) -> None:
    """One that comes while the main thread waits and does not interrupt its wait ends the program all the same."""
    stop = Signals(check=None).stop
    sender = threading.Thread(target=lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM))
    threading.Timer(0.1, sender.start).start()
    assert stop.wait(60.0)


def test_leaving_cleanly_returns_the_code() -> None:
    """Where nothing is under way, leaving is only an exit code."""
    assert serving.leave(0, all_ended=True) == 0
    assert serving.leave(1, all_ended=True) == 1


@pytest.mark.parametrize(
    ("written", "processors", "expected"),
    [("", 2, 2), ("", 64, 4), ("masakari_api_workers = 0\n", 3, 3), ("masakari_api_workers = 7\n", 2, 7)],
)
def test_the_number_of_workers(
    written: str, processors: int, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written holds; else one for each processor that this process may use, and not more than four."""
    (tmp_path / "masakari.conf").write_text(f"[DEFAULT]\n{written}")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)))
    settings = load(["--config-file", str(tmp_path / "masakari.conf")], "masakari-api")
    assert api._processes(settings) == expected
