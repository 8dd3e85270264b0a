"""Private database servers on loopback: own data in a folder that goes, free ports, nothing kept and nothing else touched."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from unit_tests.adapters.db.rig import prepare_clock
from vmha.adapters.db import migrate
from vmha.adapters.db.connection import open_database
from vmha.sim.stage import free_port as free_port  # also for those who use these servers

ADDRESS = "127.0.0.1"
START_SECONDS = 60
STOP_SECONDS = 60
PROGRAMS = ("/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin")


class MissingServer(Exception):
    """A program of the server is not on this machine; the text names the package."""


class Server(ABC):
    """One server with its data. `stop` keeps the data, `remove` ends everything that was started here."""

    package: str
    account: str
    maintenance: str
    stop_signal: signal.Signals
    # A zone whose clocks go back in autumn, so that a mistake with local time shows.
    zone = "Europe/Berlin"

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"vmha-{type(self).__name__.lower()}-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._hand_over(self.folder)

    @abstractmethod
    def url(self, database: str) -> str:
        """Where SQLAlchemy finds a database of this server."""

    @abstractmethod
    def _create(self) -> list[str]:
        """The command that makes the data."""

    @abstractmethod
    def _serve(self) -> list[str]:
        """The command that serves it."""

    def start(self) -> None:
        """Start the server unless it runs, on the first time with new data; return when it answers."""
        if self._process is not None:
            return
        if not (self.folder / "data").exists():
            self._run(self._create())
        log = (self.folder / "log").open("ab")
        environment = {**os.environ, "TZ": self.zone}
        self._process = subprocess.Popen(
            self._serve(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            user=self._user,
            group=self._user,
        )
        log.close()
        wait_until(self._answers, f"{type(self).__name__} on port {self.port}", START_SECONDS)

    def stop(self) -> None:
        """Stop the server in good order, without waiting for its clients, and keep its data."""
        self._end(self.stop_signal)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=STOP_SECONDS)
            self._process = None

    def freeze(self) -> None:
        """Let the server hang: its host answers, it does not."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)
            # A thread of it may run on for a moment, and answer; the kernel tells its parent when all of them have stopped.
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def thaw(self) -> None:
        """Let it go on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        """Kill the server and remove its data."""
        self._end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def create_database(self, name: str, options: str = "") -> str:
        """Create a database, anew if it was there, and return its URL."""
        engine = create_engine(self.url(self.maintenance), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
            connection.execute(text(f"CREATE DATABASE {name} {options}"))
        engine.dispose()
        return self.url(name)

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise AssertionError(
                f"the server ended by itself:\n{(self.folder / 'log').read_text(errors='replace')[-2000:]}"
            )
        engine = create_engine(self.url(self.maintenance))
        try:
            with engine.connect():
                return True
        except OperationalError:
            return False
        finally:
            engine.dispose()

    def _run(self, command: list[str]) -> None:
        finished = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=START_SECONDS,
            cwd=self.folder,
            user=self._user,
            group=self._user,
        )
        if finished.returncode:
            raise AssertionError(f"{command[0]} failed:\n{(finished.stdout + finished.stderr)[-2000:]}")

    @property
    def _user(self) -> str | None:
        """Run as the server's own account where we are root: PostgreSQL refuses to run as root."""
        return self.account if os.geteuid() == 0 else None

    def _hand_over(self, path: Path) -> None:
        if os.geteuid() != 0:
            return
        try:
            entry = pwd.getpwnam(self.account)
        except KeyError:
            raise self._missing(self.account) from None
        os.chown(path, entry.pw_uid, entry.pw_gid)

    def _program(self, name: str, *folders: str) -> str:
        found = shutil.which(name, path=os.pathsep.join((*folders, *PROGRAMS)))
        if found is None:
            raise self._missing(name)
        return found

    def _missing(self, what: str) -> MissingServer:
        return MissingServer(
            f"{what} is not on this machine; as root: apt-get install --no-install-recommends {self.package}"
        )


class MariaDb(Server):
    """MariaDB. Its SYSDATE() follows a session's own `timestamp`, so that a test can set the database's clock."""

    package = "mariadb-server"
    account = "mysql"
    maintenance = "mysql"
    stop_signal = signal.SIGTERM

    def url(self, database: str) -> str:
        """Over TCP, as a service that stands elsewhere."""
        return f"mysql+pymysql://root@{ADDRESS}:{self.port}/{database}"

    def _create(self) -> list[str]:
        return [
            self._program("mariadb-install-db"),
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            f"--tmpdir={self.folder}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]

    def _serve(self) -> list[str]:
        return [
            self._program("mariadbd"),
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            # Its own: at start a server removes what it takes for temporary tables of its past, also another server's.
            f"--tmpdir={self.folder}",
            f"--socket={self.folder / 'socket'}",
            f"--pid-file={self.folder / 'pid'}",
            f"--port={self.port}",
            f"--bind-address={ADDRESS}",
            "--innodb-buffer-pool-size=64M",
            "--innodb-flush-log-at-trx-commit=0",
            "--performance-schema=OFF",
            "--skip-log-bin",
            "--skip-name-resolve",
            "--sysdate-is-now",
        ]


class PostgreSql(Server):
    """PostgreSQL."""

    package = "postgresql"
    account = "postgres"
    maintenance = "postgres"
    stop_signal = signal.SIGINT  # what pg_ctl calls fast: its clients are cut off

    def url(self, database: str) -> str:
        """Over TCP."""
        return f"postgresql+psycopg://postgres@{ADDRESS}:{self.port}/{database}"

    def _create(self) -> list[str]:
        data = str(self.folder / "data")
        return [
            self._bin("initdb"),
            "-D",
            data,
            "-A",
            "trust",
            "-N",
            "-E",
            "UTF8",
            "-U",
            "postgres",
            "--locale=C.UTF-8",
        ]

    def _serve(self) -> list[str]:
        settings = {
            "listen_addresses": ADDRESS,
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "shared_buffers": "32MB",
            "timezone": self.zone,
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [self._bin("postgres"), "-D", str(self.folder / "data"), *options]

    def _bin(self, name: str) -> str:
        newest = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
        return self._program(name, *map(str, newest))


def running(kind: type[Server]) -> Iterator[Server]:
    """Start a server, and end it with all that it wrote."""
    try:
        server = kind()
    except MissingServer as missing:
        pytest.fail(str(missing), pytrace=False)
    try:
        server.start()
        yield server
    except MissingServer as missing:
        pytest.fail(str(missing), pytrace=False)
    finally:
        server.remove()


def make_database(server: Server, name: str, options: str = "") -> str:
    """Create a database with all tables, and a clock that can be set; return its URL."""
    url = server.create_database(name, options)
    engine = open_database(url)
    migrate.sync(engine)
    prepare_clock(engine)
    engine.dispose()
    return url


def wait_until(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Return when the condition holds; fail, naming what did not come, when it takes too long."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            raise AssertionError(f"{what} did not come within {seconds:g} s")
        time.sleep(0.02)
